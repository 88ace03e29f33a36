"""Grants: what a client may call. Methods, and a pattern for the exact path the application routes on."""

import re
from dataclasses import dataclass

from mutua.errors import InvalidGrant

ANY_METHOD = "*"

_METHOD = re.compile(r"[A-Z][A-Z-]{0,31}")
_SEGMENT = re.compile(r"[^/?#%\\*\x00-\x20\x7f]+")
_HINT = 'write methods and a path, such as "POST /webhook/*" or "GET,POST /pix/**"'


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to call some methods on some paths.

    ``*`` stands for one whole, non-empty segment, ``**`` at the end for the rest, even an empty one.
    Everything else is literal and case-sensitive. The query never matters. HEAD needs GET.

    Attributes:
        methods: upper-case method names, sorted; ``("*",)`` for every method.
        pattern: starts with a slash.
    """

    methods: tuple[str, ...]
    pattern: str

    def __post_init__(self) -> None:
        for method in self.methods:
            if method != ANY_METHOD and not _METHOD.fullmatch(method):
                raise InvalidGrant(f"{method[:40]!r} is not an HTTP method", hint=_HINT)
        if not self.methods:
            raise InvalidGrant("a grant needs a method", hint=_HINT)
        _check_pattern(self.pattern)

    @classmethod
    def parse(cls, text: str) -> "Grant":
        """Read ``METHOD[,METHOD...] PATTERN``.

        Raises:
            InvalidGrant: it has another form; the message says what is wrong.
        """
        methods, _, pattern = text.strip().partition(" ")
        names = {method.strip().upper() for method in methods.split(",")}
        return cls((ANY_METHOD,) if ANY_METHOD in names else tuple(sorted(names)), pattern.strip())

    def __str__(self) -> str:
        return f"{','.join(self.methods)} {self.pattern}"

    def allows_method(self, method: str) -> bool:
        """Whether the method is granted; HEAD is when GET is."""
        return self.methods == (ANY_METHOD,) or ("GET" if method == "HEAD" else method) in self.methods


def _check_pattern(pattern: str) -> None:
    if not pattern.startswith("/"):
        raise InvalidGrant(f"the path {pattern[:80]!r} does not start with a slash", hint=_HINT)
    segments = pattern[1:].split("/")
    for position, segment in enumerate(segments):
        last = position == len(segments) - 1
        if segment == "**":
            problem = "" if last else "'**' stands for the rest, so it can only come last"
        elif segment in {"", "*"}:
            problem = "" if segment or last else "an empty segment never matches"
        elif segment in {".", ".."}:
            problem = "dot segments never match"
        else:
            problem = "" if _SEGMENT.fullmatch(segment) else f"{segment[:40]!r} has a character a path cannot match"
        if problem:
            raise InvalidGrant(f"the path {pattern[:80]!r} is not a pattern: {problem}", hint=_HINT)


def compile_grants(grants: tuple[Grant, ...], method: str) -> re.Pattern[str] | None:
    """One expression that matches the paths these grants allow for a method; ``None`` if there are none."""
    patterns = [_expression(grant.pattern) for grant in grants if grant.allows_method(method)]
    return re.compile("|".join(patterns), re.DOTALL) if patterns else None


def _expression(pattern: str) -> str:
    wild = {"*": "[^/]+", "**": ".*"}
    return "/".join(wild.get(segment, re.escape(segment)) for segment in pattern.split("/"))

"""Paths that two readers could read differently. The gate refuses them instead of guessing.

A grant is matched against the exact path the application routes on, and nothing is normalised on the
way. That is safe only if no other component can turn that path into another one, so whatever has dot
segments, empty segments, backslashes, encoded separators or a second layer of encoding is malformed.
"""

import re
from urllib.parse import unquote_to_bytes

_PLAIN = b"/ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@"
"""What a path may hold unescaped (pchar and the slash, RFC 3986 section 3.3)."""

_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\%]|//")
_ENCODED_SEPARATOR = re.compile(rb"%(?:2f|5c|00)", re.IGNORECASE)

_OTHER_PATH = "the path sent is not the path the application would route on"


def problem_with(path: str, raw_path: bytes | None) -> str | None:
    """What is wrong with a request's path, or ``None`` when it can mean one thing only.

    Args:
        path: as the application routes on it: decoded once.
        raw_path: as it came over the wire, without the query.
    """
    if raw_path is None:
        return "the server does not tell the path as it was sent"
    # Most paths have no escape, no empty segment and none that starts with a dot: this runs on every request.
    if (
        path[:1] == "/"
        and "//" not in path
        and "/." not in path
        and not raw_path.translate(None, _PLAIN)
        and raw_path.decode("ascii") == path
    ):
        return None
    if _ENCODED_SEPARATOR.search(raw_path):
        return "an encoded slash, backslash or NUL"
    if raw_path[:1] != b"/":
        return "not an absolute path"
    try:
        decoded = unquote_to_bytes(raw_path).decode("utf-8")
    except UnicodeDecodeError:
        return "not UTF-8"
    if decoded != path:
        return _OTHER_PATH
    if match := _FORBIDDEN.search(decoded):
        return {"%": "a percent sign left after decoding", "//": "an empty segment"}.get(
            match.group(), "a backslash or a control character"
        )
    # Servlet containers take away a segment's parameters before its dots: "..;a" is ".." there (RFC 3986 section 3.3).
    if any(segment.partition(";")[0] in {".", ".."} for segment in decoded.split("/")):
        return "a dot segment"
    return None

"""Paths that two readers could read differently. The gate refuses them instead of guessing.

A grant is matched against the exact path the application routes on, and nothing is normalised on the
way. That is safe only if no other component can turn that path into another one, so whatever has dot
segments, empty segments, backslashes, encoded separators or a second layer of encoding is malformed.
"""

import re
from urllib.parse import unquote_to_bytes

_PLAIN = re.compile(rb"(/[A-Za-z0-9_~!$&'()*+,;=:@-][A-Za-z0-9._~!$&'()*+,;=:@-]*)*/?")
"""Most paths: no escape, no segment that is empty or starts with a dot."""

_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\%]|//")
_ENCODED_SEPARATOR = re.compile(rb"%(?:2f|5c|00)", re.IGNORECASE)


def problem_with(path: str, raw_path: bytes | None) -> str | None:
    """What is wrong with a request's path, or ``None`` when it can mean one thing only.

    Args:
        path: as the application routes on it: decoded once.
        raw_path: as it came over the wire, without the query.
    """
    if raw_path is None:
        return "the server does not tell the path as it was sent"
    if _PLAIN.fullmatch(raw_path):
        plain = raw_path.decode("ascii")
        return None if plain and plain == path else "the path sent is not the path the application would route on"
    if _ENCODED_SEPARATOR.search(raw_path):
        return "an encoded slash, backslash or NUL"
    if raw_path[:1] != b"/":
        return "not an absolute path"
    try:
        decoded = unquote_to_bytes(raw_path).decode("utf-8")
    except UnicodeDecodeError:
        return "not UTF-8"
    if decoded != path:
        return "the path sent is not the path the application would route on"
    if match := _FORBIDDEN.search(decoded):
        return {"%": "a percent sign left after decoding", "//": "an empty segment"}.get(
            match.group(), "a backslash or a control character"
        )
    if any(segment in {".", ".."} for segment in decoded.split("/")):
        return "a dot segment"
    return None

"""The request that ``mutua call`` makes and the answer it gets, whatever version of HTTP carries them (RFC 9110)."""

import re
from dataclasses import dataclass

from mutua.errors import InvalidInput

MAX_BODY_BYTES = 16 * 1024 * 1024
"""Of an answer, and of a request: more than any API takes or gives; a download belongs to another tool."""

MAX_HEADER_BYTES = 64 * 1024
"""All fields of a request; what h2 and http.client take of an answer. Servers take less: nginx 32 KiB, haproxy 16."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110 section 5.6.2."""

_VALUE = re.compile(r"[\t\x20-\x7e]*")
"""RFC 9110 section 5.5, without the octets above ASCII, which mean something else to everybody."""

_FRAMING = {
    "connection",
    "content-length",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
"""Fields that say where a message ends or what becomes of its connection: a second opinion there is an attack."""

_ALWAYS_HAVE_CONTENT = {"POST", "PUT", "PATCH"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked, apart from where.

    Attributes:
        method: a token, upper case by custom.
        headers: names and values in order; ASCII, no control characters.
        body: at most 16 MiB; ``None`` for none.

    Raises:
        InvalidInput: something in it cannot be sent, or would be taken for another request.
    """

    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None

    def __post_init__(self) -> None:
        if not _TOKEN.fullmatch(self.method) or self.method.upper() == "CONNECT":
            raise InvalidInput(f"{self.method[:80]!r} is not a method", hint="give one such as GET or POST with -X")
        for name, value in self.headers:
            _require_field(name, value)
        if [name.lower() for name, _ in self.headers].count("host") > 1:
            raise InvalidInput("a request has one Host", hint="leave it out: it is taken from the URL")
        if sum(len(name) + len(value) for name, value in self.headers) > MAX_HEADER_BYTES:
            raise InvalidInput(f"the headers have more than {MAX_HEADER_BYTES} bytes", hint="no server takes as many")
        if self.body is not None and len(self.body) > MAX_BODY_BYTES:
            raise InvalidInput(f"the body has more than {MAX_BODY_BYTES} bytes", hint="use another tool for uploads")

    def fields(self, authority: str) -> list[tuple[str, str]]:
        """All header fields that are sent, those that were not given among them.

        Args:
            authority: the URL's host and port.
        """
        given = {name.lower() for name, _ in self.headers}
        usual = [("Host", authority), ("User-Agent", "mutua"), ("Accept", "*/*")]
        fields = [each for each in usual if each[0].lower() not in given] + list(self.headers)
        if self.body is not None or self.method.upper() in _ALWAYS_HAVE_CONTENT:
            fields.append(("Content-Length", str(len(self.body or b""))))
        return fields


def _require_field(name: str, value: str) -> None:
    if not _TOKEN.fullmatch(name):
        raise InvalidInput(f"{name[:80]!r} is not the name of a header", hint="write -H 'Name: value'")
    if not _VALUE.fullmatch(value):
        raise InvalidInput(
            f"the value of {name[:80]} has a character that a header cannot carry",
            hint="a header is one line of ASCII; encode what else there is",
        )
    if name.lower() in _FRAMING:
        raise InvalidInput(f"{name} is not for you to say: it frames the message", hint="leave it out")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back.

    Attributes:
        status: of three digits.
        reason: the status line's words; empty in HTTP/2, which has none.
        headers: in the order they came, unescaped.
        body: as much as was read.
        truncated: whether there was more than ``MAX_BODY_BYTES``.
        http_version: ``HTTP/1.1``.
    """

    status: int
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    truncated: bool = False
    http_version: str

"""How proxies ask: where the method and the URI of the request stand that is to be decided. Pure.

Which proxy asks is stated by whoever starts the endpoint, and never guessed from the headers that are there: what one
proxy sets on every request, another one passes on as its client has written it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import unquote_to_bytes

from mutua.gate.decision import Request
from mutua.inbound.forwarded.certificate import malformed

ENDPOINT = b"/decision"
"""The path that a proxy asks at. Envoy writes the path of its client's request behind it."""

MAX_URI_BYTES = 16 * 1024
"""AWS's load balancers take no longer request line; nginx takes 8 KiB."""

HINT = "docs/forward-auth.md has the settings of the proxy"

_METHOD = re.compile(rb"[A-Z]{1,20}(?:-[A-Z]{1,20})?")
"""Every method of IANA's registry; some servers also pass on ``get``, which no application should be asked to read."""

_PATH = re.compile(rb"/[!-\"$->@-~]*")
"""Visible ASCII without ``#`` and ``?``: a request's target has no fragment (RFC 9112 section 3.2)."""

_REFUSED = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class Asker:
    """A make of proxy.

    Attributes:
        name: on the command line.
        method: the header with the method, in lower case; ``None`` where the proxy asks with the method itself.
        uri: the header with the URI; ``None`` where its path is behind ``ENDPOINT``.
        understands: the statuses that it takes for a refusal; any other it would take for a failure.
    """

    name: str
    method: str | None
    uri: str | None
    understands: frozenset[int]

    def read(self, method: str, raw_path: bytes, headers: Iterable[tuple[bytes, bytes]]) -> Request:
        """What is asked about.

        Args:
            method: of the proxy's own request.
            raw_path: of the proxy's own request, as it was sent, without the query.
            headers: every line of its headers.

        Raises:
            MalformedForward: it is not there exactly once, too long, or not a method and a path.
        """
        if self.method is None or self.uri is None:
            return _request(":method", method.encode("ascii", "replace"), ":path", _behind_endpoint(raw_path))
        if raw_path != ENDPOINT:
            raise malformed(self.uri, f"is not read here: a proxy asks at {ENDPOINT.decode()}", hint=HINT)
        lines = [(name.lower(), value) for name, value in headers]
        asked, uri = _one(self.method, lines), _one(self.uri, lines)
        return _request(self.method, asked, self.uri, uri.partition(b"?")[0])


def _one(name: str, lines: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The value of a header that has to be there once, and in no second spelling that a reader could fall for."""
    found = [(spelled, value) for spelled, value in lines if spelled.replace(b"_", b"-") == name.encode()]
    if not found:
        raise malformed(name, "is missing", hint=HINT)
    if len(found) > 1:
        raise malformed(name, f"is there {len(found)} times", hint=HINT)
    spelled, value = found[0]
    if spelled != name.encode():
        raise malformed(name, "is there in another spelling", hint=HINT)
    if len(value) > MAX_URI_BYTES:
        raise malformed(name, f"has {len(value)} bytes, more than {MAX_URI_BYTES}", hint=HINT)
    return value


def _behind_endpoint(raw_path: bytes) -> bytes:
    if not raw_path.startswith(ENDPOINT + b"/"):
        raise malformed(":path", f"does not begin with {ENDPOINT.decode()}/", hint=HINT)
    if len(raw_path) > MAX_URI_BYTES:
        raise malformed(":path", f"has {len(raw_path)} bytes, more than {MAX_URI_BYTES}", hint=HINT)
    return raw_path.removeprefix(ENDPOINT)


def _request(method_name: str, method: bytes, path_name: str, path: bytes) -> Request:
    if not _METHOD.fullmatch(method):
        raise malformed(method_name, "is not a method in capitals", hint=HINT)
    if not _PATH.fullmatch(path):
        raise malformed(path_name, "does not begin with a path", hint=HINT)
    # What is not UTF-8 never equals what the gate decodes by itself, and is refused there.
    return Request(method.decode("ascii"), unquote_to_bytes(path).decode("utf-8", "replace"), path)


ASKERS: Mapping[str, Asker] = MappingProxyType(
    {
        each.name: each
        for each in (
            Asker("nginx", "x-original-method", "x-original-uri", _REFUSED),
            Asker("caddy", "x-forwarded-method", "x-forwarded-uri", _REFUSED | {400, 503}),
            Asker("traefik", "x-forwarded-method", "x-forwarded-uri", _REFUSED | {400, 503}),
            # What begins with a 5 it takes for a failure, and failures may be let through: failure_mode_allow.
            Asker("envoy", None, None, _REFUSED | {400}),
        )
    }
)
"""The proxies that are known to ask, by name."""

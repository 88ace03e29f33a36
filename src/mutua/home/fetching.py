"""Fetches what is at an address that somebody else chose: within limits, and never from one's own networks."""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from mutua.errors import InvalidAddress, NetworkError
from mutua.home.addresses import SETTING_HINT, Resolve, addresses_of, callable_addresses
from mutua.registry.foreign_crls import accepted_url
from mutua.tls.trust import Trust

CONNECT_SECONDS = 5.0
"""For one address to be resolved, or to answer."""

SILENCE_SECONDS = 15.0
"""Without a byte, once connected."""

TOTAL_SECONDS = 60.0
"""For everything, redirects among it: 32 MiB at 5 Mbit/s."""

MAX_REDIRECTS = 3
"""From http to https, to another host, to a file: more is a circle."""

LOOK_SECONDS = 0.25
"""How soon it is seen that the process ends."""

_CHUNK = 64 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

Fetch = Callable[[str], bytes]
"""Gives what is at an address, or raises ``NetworkError``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetcher:
    """Fetches, when called with an address.

    No proxy of the environment is used, no cookie or password sent, and nothing decompressed.

    Attributes:
        max_bytes: of what is fetched.
        allow_private: whether it may be at an address within one's own networks.
        context: verifies servers over https; the system's trust when not given. What is fetched is signed anyway.
        total_seconds: for everything.
        resolve: what knows the addresses of names.
        stopping: whether whoever asked wants to end, and what is being fetched is let go.
        private_hint: how a private address is allowed.
    """

    max_bytes: int
    allow_private: bool = False
    context: ssl.SSLContext | None = None
    total_seconds: float = TOTAL_SECONDS
    resolve: Resolve = addresses_of
    stopping: Callable[[], bool] = bool
    private_hint: str = SETTING_HINT

    def __call__(self, url: str) -> bytes:
        """What is at an address.

        Raises:
            NetworkError: it cannot be fetched, or not within the limits, or it is no address.
        """
        deadline = time.monotonic() + self.total_seconds
        for _ in range(MAX_REDIRECTS + 1):
            target = self._accepted(url)
            try:
                found = self._fetch(target, deadline)
                if isinstance(found, bytes):
                    return found
                url = urljoin(url, found)
            except TimeoutError:
                raise NetworkError(f"{target.hostname!r} did not answer in time") from None
            except (OSError, http.client.HTTPException, ValueError) as error:
                why = f"{type(error).__name__} {error}"[:160]
                raise NetworkError(f"{target.hostname!r} cannot be fetched from: {why!a}") from None
        raise NetworkError(f"it leads from one address to the next, more than {MAX_REDIRECTS} times")

    def _accepted(self, url: str) -> SplitResult:
        try:
            return urlsplit(accepted_url(url))
        except InvalidAddress as error:
            raise NetworkError(error.message) from None

    def _fetch(self, target: SplitResult, deadline: float) -> bytes | str:
        """What is there, or where it is instead."""
        assert target.hostname is not None
        port = target.port or (443 if target.scheme == "https" else 80)
        stream = self._connect(target.scheme, target.hostname, port, deadline)
        connection = http.client.HTTPConnection(target.hostname, port)
        connection.default_port = 443 if target.scheme == "https" else 80
        connection.sock = stream
        try:
            path = (target.path or "/") + (f"?{target.query}" if target.query else "")
            headers = {"Accept-Encoding": "identity", "User-Agent": "mutua", "Connection": "close"}
            connection.request("GET", path, headers=headers)
            with connection.getresponse() as answer:
                if answer.status in _REDIRECTS and (location := answer.getheader("Location")):
                    return location
                if answer.status != http.client.OK:
                    raise NetworkError(f"{target.hostname!r} answers {answer.status}")
                return self._body(answer)
        finally:
            stream.end()

    def _body(self, answer: http.client.HTTPResponse) -> bytes:
        if answer.getheader("Content-Encoding", "identity").strip().lower() not in {"", "identity"}:
            raise NetworkError("the answer is compressed, though that was not asked for")
        if answer.length is not None and answer.length > self.max_bytes:
            raise NetworkError(f"the answer has more than {self.max_bytes} bytes")
        body = bytearray()
        while piece := answer.read(_CHUNK):
            body += piece
            if len(body) > self.max_bytes:
                raise NetworkError(f"the answer has more than {self.max_bytes} bytes")
        return bytes(body)

    def _connect(self, scheme: str, host: str, port: int, deadline: float) -> "_Stream":
        """Connect to an address that was looked at, and to no other: a name may lead elsewhere the next moment."""
        found = callable_addresses(
            host,
            port,
            seconds=_left(deadline),
            allow_private=self.allow_private,
            resolve=self.resolve,
            private_hint=self.private_hint,
        )
        refused: OSError | None = None
        for address in found:
            try:
                plain = socket.create_connection((address, port), timeout=_left(deadline))
            except OSError as error:
                refused = error
                continue
            if scheme != "https":
                return self._stream(plain, deadline)
            context = self.context or Trust.system().client_context()
            try:
                plain.settimeout(_left(deadline))
                return self._stream(context.wrap_socket(plain, server_hostname=host), deadline)
            except BaseException:
                plain.close()
                raise
        assert refused is not None
        raise refused

    def _stream(self, connected: socket.socket, deadline: float) -> "_Stream":
        return _Stream(_Received(connected, deadline, self.stopping))


class _Stream:
    """All of a connected socket that ``http.client`` asks for, with a time that it ends at, whatever comes.

    A timeout of a socket alone starts anew with each byte, and so never ends for whoever sends one every second.
    """

    def __init__(self, received: "_Received") -> None:
        self._received = received

    def sendall(self, data: bytes) -> None:
        self._received.connected.settimeout(_left(self._received.deadline))
        self._received.connected.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._received)

    def close(self) -> None:
        """Said when the headers are there, while the rest is still read."""

    def end(self) -> None:
        self._received.connected.close()


class _Received(io.RawIOBase):
    """What comes over a socket until a time."""

    def __init__(self, connected: socket.socket, deadline: float, stopping: Callable[[], bool]) -> None:
        self.connected, self.deadline, self._stopping = connected, deadline, stopping

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        silent = time.monotonic() + SILENCE_SECONDS
        while not self._stopping():
            self.connected.settimeout(min(_left(self.deadline), _left(silent), LOOK_SECONDS))
            with suppress(TimeoutError):
                return self.connected.recv_into(buffer)
        raise ConnectionAbortedError("the process ends")


def _left(deadline: float) -> float:
    """Seconds until then, and no more than for one step. Raises TimeoutError: none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return min(left, CONNECT_SECONDS)

"""The smallest server of HTTP for probes and scrapes: GET and HEAD of a few fixed paths, then the connection ends.

It reads no body, keeps no connection, and looks at no header, so there is little to get wrong; ``answering`` bounds
the rest.
"""

import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple

from mutua.errors import AddressInUse, InvalidAddress
from mutua.inbound.listening import bind
from mutua.inbound.seen.answering import BACKLOG, Answering, Caller

LOOPBACK = "127.0.0.1"

_ADDRESS = re.compile(r"(?:(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<host>[A-Za-z0-9._-]*)):)?(?P<port>[0-9]{1,5})")
_REQUEST = re.compile(rb"([A-Z]{1,20}) (/[!-~]*) HTTP/1\.[01]")


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Reply(NamedTuple):
    """An answer; ``body`` is text of the type ``kind``."""

    status: HTTPStatus
    body: str
    kind: str = "text/plain; charset=utf-8"


Page = Callable[[], Awaitable[Reply]]
"""What stands at a path."""


def parse_address(text: str) -> Address:
    """``HOST:PORT``, ``[::1]:PORT``, or ``PORT`` alone for this machine's own use.

    Raises:
        InvalidAddress: it is none of these.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"]) > 65_535:
        raise InvalidAddress(f"{text[:80]!r} is no address to listen on", hint=f"give {LOOPBACK}:9100, or 9100")
    return Address(match["six"] or match["host"] or LOOPBACK, int(match["port"]))


def bound(address: Address) -> socket.socket:
    """A socket for a server, which callers can wait at from now on; the port 0 picks a free one.

    Raises:
        AddressInUse: another process listens there. InvalidAddress: the host cannot be listened on.
    """
    try:
        listener = bind(address.host, address.port)
    except AddressInUse as error:
        other = Address(address.host, address.port + 1)
        raise AddressInUse(error.message, hint=f"give another one, such as {other}") from None
    listener.listen(BACKLOG)
    return listener


class HttpServer:
    """Serves pages until it is closed.

    Args:
        listener: a bound socket; closed at the end.
        pages: what, by path.
    """

    def __init__(self, listener: socket.socket, pages: Mapping[str, Page]) -> None:
        self._pages = pages
        self._answering = Answering("mutua-http", listener, self._exchange)

    def start(self) -> None:
        """Begin to serve."""
        self._answering.start()

    def close(self) -> None:
        """Serve no more."""
        self._answering.close()

    async def _exchange(self, caller: Caller) -> None:
        head = await caller.question(b"\r\n\r\n")
        match = _REQUEST.fullmatch(head.partition(b"\r\n")[0])
        if match is None:
            reply = _plain(HTTPStatus.BAD_REQUEST)
        elif match[1] not in {b"GET", b"HEAD"}:
            reply = _plain(HTTPStatus.METHOD_NOT_ALLOWED)
        else:
            page = self._pages.get(match[2].partition(b"?")[0].decode("ascii"))
            reply = await page() if page is not None else _plain(HTTPStatus.NOT_FOUND)
        await caller.tell(_written(reply, with_body=match is None or match[1] != b"HEAD"))


def _written(reply: Reply, *, with_body: bool) -> bytes:
    body = reply.body.encode()
    lines = [
        f"HTTP/1.1 {reply.status.value} {reply.status.phrase}",
        f"Content-Type: {reply.kind}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    ]
    if reply.status is HTTPStatus.METHOD_NOT_ALLOWED:
        lines.append("Allow: GET, HEAD")
    head = "\r\n".join([*lines, "", ""]).encode("ascii")
    return head + body if with_body else head


def _plain(status: HTTPStatus) -> Reply:
    return Reply(status, f"{status.phrase}\n")

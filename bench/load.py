"""The load: plain TLS sockets. Only the server's CPU time counts, so it need not be fast."""

import socket
import ssl
import time

from bench.certificates import PATH
from bench.servers import Server

BUSY_CONNECTIONS = 16
"""Live connections, all written to and then all read: the server has always something to do and is never woken up."""

SETTLE_SECONDS = 0.02
"""What a server still does when the last answer has arrived, such as closing a connection or writing a line."""

REQUEST = f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n".encode()
_END_OF_HEAD = b"\r\n\r\n"
_OK = b"HTTP/1.1 200"


def handshakes(server: Server, context: ssl.SSLContext, count: int) -> float:
    """Server CPU microseconds for one full handshake with one request, over ``count`` of them."""
    before = _settled(server)
    for _ in range(count):
        with connect(server.port, context) as connection:
            request(connection)
    return (_settled(server) - before) / count / 1000


def requests(server: Server, context: ssl.SSLContext, count: int, connections: int) -> float:
    """Server CPU microseconds for one request on a live connection, over about ``count`` of them."""
    live = [connect(server.port, context) for _ in range(connections)]
    try:
        bursts = max(1, count // connections)
        _bursts(live, max(1, bursts // 10))
        before = _settled(server)
        _bursts(live, bursts)
        return (_settled(server) - before) / (bursts * connections) / 1000
    finally:
        for connection in live:
            connection.close()


def connect(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    """A connection of its own handshake: no session is given, so none is resumed."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=10)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection = context.wrap_socket(plain, server_hostname="localhost")
    assert not connection.session_reused
    return connection


def request(connection: ssl.SSLSocket) -> None:
    """One request, answered with 200."""
    connection.sendall(REQUEST)
    _read_ok(connection)


def answer(connection: ssl.SSLSocket) -> bytes:
    """One whole answer with a Content-Length."""
    data = b""
    while True:
        head, end, body = data.partition(_END_OF_HEAD)
        if end and len(body) >= _content_length(head):
            return data
        received = connection.recv(16384)
        if not received:
            raise ConnectionError("the server closed the connection")
        data += received


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ValueError(f"no Content-Length in {head!r}")


def _bursts(live: list[ssl.SSLSocket], count: int) -> None:
    for _ in range(count):
        for connection in live:
            connection.sendall(REQUEST)
        for connection in live:
            _read_ok(connection)


def _read_ok(connection: ssl.SSLSocket) -> None:
    data = answer(connection)
    if not data.startswith(_OK):
        raise ValueError(f"not a 200: {data[:200]!r}")


def _settled(server: Server) -> int:
    time.sleep(SETTLE_SECONDS)
    return server.cpu_nanoseconds()

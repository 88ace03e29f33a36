"""Requests over every protocol a door may speak, on a TLS connection whose end is seen as it is: status or alert."""

import http.client
import re
import socket
import ssl
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import h2.config
import h2.connection
import h2.events
from wsproto import ConnectionType, WSConnection
from wsproto.connection import Connection as WebSocketFrames
from wsproto.events import AcceptConnection, CloseConnection, Message, RejectConnection, TextMessage
from wsproto.events import Event as WebSocketEvent
from wsproto.events import Request as Upgrade

from tests.inbound.doors.doors import HTTP1, HTTP2, WEBSOCKET, WEBSOCKET_HTTP2

SECONDS = 60
HOST = "127.0.0.1"

WEBSOCKETS = (WEBSOCKET, WEBSOCKET_HTTP2)


class Caller(ABC):
    """A client on a TLS connection of its own, which lives for as many requests as the server lets it."""

    def __init__(self, tls: ssl.SSLSocket) -> None:
        self.tls = tls
        self.address = "{}:{}".format(*tls.getsockname())

    @abstractmethod
    def get(self, path: str) -> int:
        """Ask for the path; the HTTP status. A WebSocket that is accepted counts as 200, and is left open."""

    def ended(self) -> bool:
        """Wait for the server to end the connection by itself, in order."""
        return self.tls.recv(1) == b""

    def close(self) -> None:
        with suppress(OSError):
            self.tls.close()


class Http1Caller(Caller):
    def get(self, path: str) -> int:
        self.tls.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        # Not HTTPConnection: that closes the socket of an answer that says so, whatever the server does.
        with http.client.HTTPResponse(self.tls, method="GET") as response:
            response.begin()
            response.read()
            return response.status


class Http2Caller(Caller):
    def __init__(self, tls: ssl.SSLSocket) -> None:
        super().__init__(tls)
        assert tls.selected_alpn_protocol() == "h2"
        self.http2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
        self.http2.initiate_connection()
        self._received: deque[h2.events.Event] = deque()

    def request(self, path: str, *extra: tuple[str, str], method: str = "GET", end: bool = True) -> int:
        """Send a request; the number of its stream."""
        stream: int = self.http2.get_next_available_stream_id()
        pseudo = [(":method", method), (":scheme", "https"), (":authority", HOST), (":path", path)]
        self.http2.send_headers(stream, [*pseudo, *extra], end_stream=end)
        self.flush()
        return stream

    def flush(self) -> None:
        self.tls.sendall(self.http2.data_to_send())

    def events(self) -> Iterator[h2.events.Event]:
        """What the server sends, until it closes the connection."""
        while True:
            while self._received:
                yield self._received.popleft()
            data = self.tls.recv(65536)
            if not data:
                raise ConnectionError("the server has closed the connection")
            self._received += self.http2.receive_data(data)
            self.flush()

    def ended(self) -> bool:
        """Whether a GOAWAY comes (RFC 9113 section 6.8), and then the end."""
        goodbye = False
        with suppress(ConnectionError):
            for event in self.events():
                goodbye |= isinstance(event, h2.events.ConnectionTerminated)
        return goodbye

    def status(self, stream: int) -> int:
        for event in self.events():
            assert not isinstance(event, h2.events.StreamReset), event
            if isinstance(event, h2.events.ResponseReceived) and event.stream_id == stream:
                assert event.headers is not None
                return int(dict(event.headers)[b":status"])
        raise AssertionError("unreachable")

    def get(self, path: str) -> int:
        return self.status(self.request(path))


class WebSocketCaller(Caller):
    """On one thread, unlike most: before Python 3.13 two threads may not use one TLS connection, and in TLS 1.3 a
    ticket that arrives while something is sent is such a use.
    """

    def __init__(self, tls: ssl.SSLSocket) -> None:
        super().__init__(tls)
        self._frames = WSConnection(ConnectionType.CLIENT)

    def _events(self) -> Iterator[WebSocketEvent]:
        while data := self.tls.recv(65536):
            self._frames.receive_data(data)
            yield from self._frames.events()
        raise ConnectionError("the server has closed the connection")

    def get(self, path: str) -> int:
        self.tls.sendall(self._frames.send(Upgrade(host=HOST, target=path)))
        for event in self._events():
            if isinstance(event, RejectConnection):
                return event.status_code
            if isinstance(event, AcceptConnection):
                return 200
        raise AssertionError("unreachable")

    def ended(self) -> bool:
        with suppress(ConnectionError):  # our answer to its goodbye may find nobody there
            while self.tls.recv(65536):
                continue
        return True

    def say(self, text: str) -> str | int:
        """Say something; what comes back, or the code with which the server has closed."""
        self.tls.sendall(self._frames.send(Message(text)))
        return self.hear()

    def hear(self) -> str | int:
        """What the server says next, or the code with which it has closed."""
        for event in self._events():
            if isinstance(event, TextMessage):
                return event.data
            if isinstance(event, CloseConnection):
                with suppress(OSError):
                    self.tls.sendall(self._frames.send(event.response()))
                return int(event.code)
        raise AssertionError("unreachable")


class WebSocketHttp2Caller(Http2Caller):
    def get(self, path: str) -> int:
        self._frames = WebSocketFrames(ConnectionType.CLIENT)
        extra = ((":protocol", "websocket"), ("sec-websocket-version", "13"))
        # The server allows this method in its settings (RFC 8441 section 3), which have to be read first.
        while not self.http2.remote_settings.enable_connect_protocol:
            next(self.events())
        self._stream = self.request(path, *extra, method="CONNECT", end=False)
        return self.status(self._stream)

    def say(self, text: str) -> str | int:
        self.http2.send_data(self._stream, self._frames.send(Message(text)))
        self.flush()
        return self.hear()

    def hear(self) -> str | int:
        for event in self.events():
            if isinstance(event, h2.events.DataReceived):
                assert event.data is not None
                self._frames.receive_data(event.data)
                for frame in self._frames.events():
                    if isinstance(frame, TextMessage):
                        return frame.data
                    if isinstance(frame, CloseConnection):
                        return int(frame.code)
        raise AssertionError("unreachable")


CALLERS: dict[str, type[Caller]] = {
    HTTP1: Http1Caller,
    HTTP2: Http2Caller,
    WEBSOCKET: WebSocketCaller,
    WEBSOCKET_HTTP2: WebSocketHttp2Caller,
}


def context_for(protocol: str, context: ssl.SSLContext) -> ssl.SSLContext:
    """Make the context ask for what the protocol needs."""
    context.set_alpn_protocols(["h2"] if protocol in {HTTP2, WEBSOCKET_HTTP2} else ["http/1.1"])
    return context


@contextmanager
def calling(
    protocol: str, port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> Iterator[Caller]:
    """A client of the protocol, connected."""
    plain = socket.create_connection((HOST, port), timeout=SECONDS)
    caller = CALLERS[protocol](context.wrap_socket(plain, server_hostname=HOST, session=session))
    try:
        yield caller
    finally:
        caller.close()


def alert_of(port: int, context: ssl.SSLContext) -> tuple[str, str]:
    """The alert with which the server ends a handshake, such as ``unknown ca``, and the client's own address.

    Nothing is written after the handshake: in TLS 1.3 the verdict comes with the first read, and writing to a server
    that has gone can lose it.
    """
    with socket.create_connection((HOST, port), timeout=SECONDS) as plain:
        address = "{}:{}".format(*plain.getsockname())
        try:
            with context.wrap_socket(plain, server_hostname=HOST) as tls:
                tls.recv(1)
        except ssl.SSLError as error:
            said = str(error)
        else:
            raise AssertionError("the server did not refuse")
    alert = re.search(r"alert ([a-z ]+?) ?(?:\(|$)", said)
    assert alert is not None, said
    return alert[1], address

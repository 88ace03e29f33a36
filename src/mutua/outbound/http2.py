"""One request over HTTP/2 (RFC 9113), on a connection whose ALPN has chosen it."""

import http.client
import re
import ssl
from collections.abc import Callable

from mutua.errors import MissingExtra
from mutua.outbound.messages import MAX_BODY_BYTES, Answer, Request

try:
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.events import ConnectionTerminated, DataReceived, Event, ResponseReceived, StreamEnded, StreamReset
    from h2.exceptions import H2Error
except ImportError as error:  # pragma: no cover -- it is installed where the tests run
    raise MissingExtra("HTTP/2 is not installed", hint="pip install 'mutua[http2]'") from error

ALPN = "h2"

_STATUS = re.compile(r"[1-9][0-9]{2}", re.ASCII)

_READ_BYTES = 64 * 1024
_MAX_BYTES = MAX_BODY_BYTES + 4 * 1024 * 1024
"""Of everything that comes: frames that carry nothing end a call as well as frames that carry too much."""


def exchange(
    secured: ssl.SSLSocket,
    authority: str,
    path: str,
    request: Request,
    on_first_byte: Callable[[], None],
    *,
    said: bytes = b"",
) -> Answer:
    """Send the request and read the answer.

    Args:
        secured: whose timeout holds for each read and write.
        authority: the URL's host and port.
        path: with the query.
        request: what to ask.
        on_first_byte: called when the answer begins.
        said: what the server has said already.

    Raises:
        OSError: the connection fails. http.client.HTTPException: what came is no answer, or only a part of one.
    """
    try:
        return _Stream(secured, on_first_byte).exchange(authority, path, request, said)
    except H2Error as error:
        raise http.client.HTTPException(f"not HTTP/2 as it should be: {type(error).__name__}") from None


class _Stream:
    """The one stream of a connection."""

    def __init__(self, secured: ssl.SSLSocket, on_first_byte: Callable[[], None]) -> None:
        self._secured, self._on_first_byte = secured, on_first_byte
        self._http = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self._http.local_settings.enable_push = 0
        self._number = 1
        self._head: tuple[tuple[str, str], ...] = ()
        self._body: list[bytes] = []
        self._size = self._seen = 0
        self._ended = False

    def exchange(self, authority: str, path: str, request: Request, said: bytes) -> Answer:
        self._http.initiate_connection()
        self._hear(said)
        self._number = self._http.get_next_available_stream_id()
        self._http.send_headers(self._number, _fields(authority, path, request), end_stream=not request.body)
        self._flush()
        self._send(request.body or b"")
        while not self._ended:
            self._receive()
        if not self._head:
            raise http.client.HTTPException("the stream ended without an answer")
        status = dict(self._head)[":status"]
        if not _STATUS.fullmatch(status):
            raise http.client.HTTPException("the answer has no status")
        return Answer(
            status=int(status),
            headers=tuple(each for each in self._head if not each[0].startswith(":")),
            body=b"".join(self._body)[:MAX_BODY_BYTES],
            truncated=self._size > MAX_BODY_BYTES,
            http_version="HTTP/2",
        )

    def _send(self, body: bytes) -> None:
        """As much at a time as the other side allows (RFC 9113 section 5.2); until it answers, which ends it too."""
        left = memoryview(body)
        while left and not self._ended:
            window = min(self._http.local_flow_control_window(self._number), self._http.max_outbound_frame_size)
            if window <= 0:
                self._receive()
                continue
            part, left = left[:window], left[window:]
            self._http.send_data(self._number, bytes(part), end_stream=not left)
            self._flush()

    def _flush(self) -> None:
        self._secured.sendall(self._http.data_to_send())

    def _receive(self) -> None:
        data = self._secured.recv(_READ_BYTES)
        if not data:
            raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "closed within the answer")
        self._hear(data)
        self._flush()

    def _hear(self, data: bytes) -> None:
        self._seen += len(data)
        if self._seen > _MAX_BYTES:
            raise http.client.HTTPException("more frames than any answer needs")
        for event in self._http.receive_data(data):
            self._take(event)

    def _take(self, event: Event) -> None:
        match event:
            case ResponseReceived():
                self._on_first_byte()
                self._head = tuple(
                    (bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in event.headers
                )
            case DataReceived():
                self._body.append(event.data)
                self._size += len(event.data)
                self._ended = self._ended or self._size > MAX_BODY_BYTES
                if event.flow_controlled_length:
                    self._http.acknowledge_received_data(event.flow_controlled_length, self._number)
            case StreamEnded():
                self._ended = True
            case StreamReset() if not self._ended:
                raise http.client.HTTPException(f"the server reset the stream: {_name(event.error_code)}")
            case ConnectionTerminated() if (event.last_stream_id or 0) < self._number:
                raise http.client.HTTPException(f"the server ended the connection: {_name(event.error_code)}")


def _fields(authority: str, path: str, request: Request) -> list[tuple[str, str]]:
    """RFC 9113 section 8.3.1: lower case, and the Host as the pseudo-header ``:authority``."""
    fields = [(name.lower(), value.strip()) for name, value in request.fields(authority)]
    host = next(value for name, value in fields if name == "host")
    pseudo = [(":method", request.method), (":scheme", "https"), (":authority", host), (":path", path)]
    return pseudo + [each for each in fields if each[0] != "host"]


def _name(code: object) -> str:
    return str(getattr(code, "name", code))

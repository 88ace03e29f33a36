"""WebSockets refused with an HTTP answer (ASGI's ``websocket.http.response``), which gunicorn does not know."""

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from gunicorn.asgi.protocol import _validate_response_headers  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from mutua.inbound.asgi import Application, Message, Receive, Scope, Send

_STATUSES = frozenset(HTTPStatus)


class Denying:
    """Runs a WebSocket's application, and writes its HTTP answer where it gives one.

    Args:
        app: the application.
        protocol: gunicorn's, of the connection.
    """

    def __init__(self, app: "Application", protocol: Any) -> None:
        self._app = app
        self._protocol = protocol
        self._head = b""

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        async def sending(message: "Message") -> None:
            match message["type"]:
                case "websocket.http.response.start":
                    self._head = _head(message["status"], list(message.get("headers", ())))
                case "websocket.http.response.body":
                    self._write(message.get("body", b""), is_last=not message.get("more_body"))
                case _:
                    await send(message)

        await self._app(scope, receive, sending)

    def _write(self, body: bytes, *, is_last: bool) -> None:
        websocket, transport = self._protocol._websocket, self._protocol.transport  # noqa: SLF001
        websocket._denied = websocket.closed = True  # noqa: SLF001 -- or gunicorn writes an answer of its own
        transport.write(self._head + body)
        self._head = b""
        if is_last:
            websocket._close_event.set()  # noqa: SLF001
            transport.close()


def _head(status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
    _validate_response_headers(headers)
    phrase = HTTPStatus(status).phrase if status in _STATUSES else ""
    lines = [f"HTTP/1.1 {status} {phrase}".encode("latin-1")]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join([*lines, b"connection: close", b"", b""])

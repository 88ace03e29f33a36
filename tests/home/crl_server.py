"""Web servers that answer as they were told to: partners' own, and hostile ones."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Answer = Callable[[socket.socket], None]


class CrlServer:
    """Answers every connection on a free port of 127.0.0.1.

    Attributes:
        port: where.
        requests: what was asked, whole.
        answer: what is done with a connection once its request was read.
    """

    def __init__(self, answer: Answer, context: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._run)]
        self._threads[0].start()

    def url(self, path: str = "/ca.crl", *, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while True:
            try:
                connected, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connected,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connected: socket.socket) -> None:
        with connected, suppress(OSError):
            stream = self._context.wrap_socket(connected, server_side=True) if self._context else connected
            with stream:
                request = b""
                while b"\r\n\r\n" not in request and (piece := stream.recv(4096)):
                    request += piece
                self.requests.append(request)
                self.answer(stream)


def body(data: bytes, *headers: str, status: str = "200 OK") -> Answer:
    """An answer that is complete."""
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(data)}", *headers])
    return lambda stream: stream.sendall(head.encode("latin-1") + b"\r\n\r\n" + data)


def redirect(to: str) -> Answer:
    return body(b"", f"Location: {to}", status="302 Found")


def endless(head: bytes, piece: bytes) -> Answer:
    """An answer that goes on for as long as somebody listens."""

    def answer(stream: socket.socket) -> None:
        stream.sendall(head)
        while True:
            stream.sendall(piece)

    return answer


def dripping(head: bytes, every: float) -> Answer:
    """An answer that comes a byte at a time."""

    def answer(stream: socket.socket) -> None:
        stream.sendall(head)
        waiting = threading.Event()
        while not waiting.wait(every):
            stream.sendall(b"x")

    return answer


@contextmanager
def serving(answer: Answer, context: ssl.SSLContext | None = None) -> Iterator[CrlServer]:
    server = CrlServer(answer, context)
    try:
        yield server
    finally:
        server.close()

"""Servers of other makes for ``mutua call`` to meet: OpenSSL's own, asyncio's, and one that speaks no TLS."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
PATIENCE_SECONDS = 30


@contextmanager
def served(handle: Callable[[socket.socket], None]) -> Iterator[str]:
    """A listener on a thread; each connection goes to ``handle``, one after the other. Gives the URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            with suppress(OSError):
                while True:
                    plain, _ = listener.accept()
                    plain.settimeout(PATIENCE_SECONDS)
                    with plain, suppress(OSError):
                        handle(plain)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def tls_server(context: ssl.SSLContext, answer: bytes = ANSWER) -> Callable[[socket.socket], None]:
    """Python's blocking TLS, which sends alerts as OpenSSL does."""

    def handle(plain: socket.socket) -> None:
        with context.wrap_socket(plain, server_side=True) as tls:
            tls.recv(65536)
            tls.sendall(answer)

    return handle


@contextmanager
def asyncio_server(context: ssl.SSLContext) -> Iterator[str]:
    """Python's plain asyncio server: before 3.14 it sends no alert when it refuses a certificate."""
    loop = asyncio.new_event_loop()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(ANSWER)
        writer.close()

    server = loop.run_until_complete(asyncio.start_server(handle, "127.0.0.1", 0, ssl=context))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(server.wait_closed())
        loop.close()

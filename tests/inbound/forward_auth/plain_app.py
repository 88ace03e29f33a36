"""An application that knows nothing of mutua, and keeps a record of every request that reaches it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Reached:
    """A request as the application got it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Every value of a header, whichever way its name is spelled: CGI knows no difference."""
        return [value for spelled, value in self.headers if spelled.lower().replace("_", "-") == name]


@dataclass
class PlainApp:
    port: int = 0
    reached: list[Reached] = field(default_factory=list)

    def got(self, mark: str) -> list[Reached]:
        """Requests with this in their target."""
        return [each for each in self.reached if mark in each.target]


@contextmanager
def plain_app() -> Iterator[PlainApp]:
    """The application at work on a port of 127.0.0.1, until the block ends."""
    app = PlainApp()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # A proxy that ends leaves connections behind.
        timeout = 60

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            app.reached.append(Reached(self.command, self.path, self.headers.items(), body))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            pass

    for method in ("GET", "HEAD", "POST", "PUT", "OPTIONS", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    app.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield app
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

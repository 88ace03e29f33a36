"""Real servers to attack: each dialect on one of them, and every server, socket and statement of who may forward."""

import queue
import shutil
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from mutua import Home
from mutua.pki.certificates import write_der
from mutua.tls.identity import Identity
from tests.inbound.connections import client_context
from tests.inbound.forwarded.writing import CASES
from tests.inbound.forwarding.behind import Behind, behind, let_forward
from tests.serving import PATIENCE_SECONDS

ASGI, WSGI = "tests.inbound.attacks.telling:asgi", "tests.inbound.attacks.telling:wsgi"

PROXY_ADDRESS, OTHER_ADDRESS = "127.0.0.2", "127.0.0.3"

SECRET = "/secret"
"""What no attacker may call."""

Line = tuple[str, bytes]


@dataclass(frozen=True)
class Target:
    """A way to serve.

    Attributes:
        dialect: of the proxy in front; ``None`` where there is none.
        way: how that proxy comes: ``unix``, ``tcp`` or ``tls``.
        arguments: of ``mutua serve``.
        app: what it serves.
        drops_underscores: whether the server leaves out headers with an underscore before anybody sees them.
    """

    dialect: str | None
    way: str
    arguments: tuple[str, ...] = ()
    app: str = ASGI
    drops_underscores: bool = False


def _gunicorn(dialect: str, way: str, worker: str, app: str = ASGI, *, drops: bool = True) -> Target:
    return Target(dialect, way, ("--server", "gunicorn", "--worker-class", worker), app, drops_underscores=drops)


TARGETS: dict[str, Target] = {
    "uvicorn": Target(None, "tls"),
    "rfc9440 uvicorn": Target("rfc9440", "unix"),
    "nginx gthread": _gunicorn("nginx", "unix", "gthread", WSGI),
    "xfcc hypercorn": Target("xfcc", "tls", ("--server", "hypercorn")),
    "haproxy asgi": _gunicorn("haproxy", "tcp", "asgi"),
    "apache sync": _gunicorn("apache", "unix", "sync", WSGI),
    "traefik gunicorn-uvicorn": _gunicorn("traefik", "tls", "uvicorn", drops=False),
    "alb hypercorn": Target("alb", "unix", ("--server", "hypercorn")),
}

_STATEMENTS = {
    "unix": "unix_socket = true",
    "tcp": f'addresses = ["{PROXY_ADDRESS}"]',
    "tls": 'certificate = "edge"',
}


@dataclass
class Attacked:
    """A running server, and what it says.

    Attributes:
        target: what it is.
        home: whose clients it knows.
        server: the process.
        strange: identities that forgers have made, by what each tries.
    """

    target: Target
    home: Home
    server: Behind
    strange: dict[str, Identity]
    _find: Callable[[str], "Attacked"]
    _controls: Iterator[int] = field(default_factory=count)

    def lines_of(self, identity: str | Identity, dialect: str | None = None) -> list[Line]:
        """A client's certificate as a proxy forwards it; without a dialect, in that of this server."""
        given = self.home.identities.load(identity) if isinstance(identity, str) else identity
        written = CASES[dialect or self.target.dialect or ""].write(*map(write_der, given.chain))
        return [(name, value) for name, values in written.items() for value in values]

    def main_of(self, identity: str) -> Line:
        """The line with the leaf."""
        main = CASES[self.target.dialect or ""].main
        return next(each for each in self.lines_of(identity) if each[0] == main)

    def connect(self, who: str | Identity = "proxy", context: ssl.SSLContext | None = None) -> socket.socket:
        """A connection as somebody: the proxy, ``nobody`` else, or with TLS a client of the registry or a forger."""
        if self.target.way == "unix":
            return self.server.connect()
        source = OTHER_ADDRESS if self.target.way == "tcp" and who != "proxy" else PROXY_ADDRESS
        host, port = self.server.address.rpartition("//")[2].split(":")
        plain = socket.create_connection((host, int(port)), PATIENCE_SECONDS, source_address=(source, 0))
        if self.target.way == "tcp":
            return plain
        try:
            return (context or self.context(who)).wrap_socket(plain, server_hostname="127.0.0.1")
        except OSError:
            plain.close()
            raise

    def context(self, who: str | Identity) -> ssl.SSLContext:
        if isinstance(who, Identity):
            return who.client_context(self.home.trust)
        if who == "nobody":
            return self.home.trust.client_context()
        return client_context(self.home, "edge" if who == "proxy" else who)

    def beside(self) -> "Attacked":
        """Another server with TLS of the same cast."""
        return self._find("uvicorn" if self.target.dialect else "xfcc hypercorn")

    def say(self, data: bytes, who: str | Identity = "proxy", *, once: bool = False) -> int:
        """Send bytes as they are; the status of the first answer, 0 where the connection ends without.

        Args:
            data: what to send.
            who: as for ``connect``.
            once: wait for one answer only, and not until the server closes.
        """
        answer = b""
        with suppress(OSError), self.connect(who) as connection:
            with suppress(OSError):  # it may close before it has read everything
                connection.sendall(data)
            while (more := connection.recv(65_536)) and not (once and b"\r\n\r\n" in answer + more):
                answer += more
            answer += more
        return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else 0

    def control(self) -> list[dict[str, Any]]:
        """A request that has to be admitted; what the server has said since the last one."""
        path = f"/control/{next(self._controls)}"
        lines = self.lines_of("woovi") if self.target.dialect else []
        assert self.say(head(path, lines), "proxy" if self.target.dialect else "woovi") == 200
        said: list[dict[str, Any]] = []
        while True:
            line = self.server.next_line()
            if line.get("path") == path and line["event"] == "reached":
                return said
            if not (line["event"] == "admitted" and str(line["path"]).startswith("/control/")):
                said.append(line)

    def rest(self) -> list[dict[str, Any]]:
        """What it says after the last control; for when it has ended."""
        said: list[dict[str, Any]] = []
        with suppress(queue.Empty):
            while True:
                said.append(self.server.next_line(0.2))
        return said


def head(path: str = SECRET, lines: Iterable[Line] = (), *more: bytes, method: str = "GET") -> bytes:
    """A request's head, that asks for the connection to be closed."""
    first = [f"{method} {path} HTTP/1.1".encode("latin-1"), b"Host: localhost"]
    if not any(line.lower().startswith(b"connection:") for line in more):
        first.append(b"Connection: close")
    return b"\r\n".join([*first, *(b"%b: %b" % (name.encode(), value) for name, value in lines), *more, b"", b""])


@contextmanager
def attacked(
    name: str,
    template: Path,
    strange: dict[str, Identity],
    folder: Path,
    find: Callable[[str], Attacked],
    closing: Callable[[Attacked], None],
) -> Iterator[Attacked]:
    """The server of a target with a copy of the home; ``closing`` looks at what it has said when it has ended."""
    target = TARGETS[name]
    shutil.copytree(template, folder / "home", symlinks=True)
    with ExitStack() as stack:
        home = stack.enter_context(Home.open(folder / "home"))
        if target.dialect is not None:
            let_forward(home, f'dialect = "{target.dialect}"\n{_STATEMENTS[target.way]}')
        places = {"unix": ("--unix", str(folder / "app.sock")), "tls": ("--identity", "api")}
        place = places.get(target.way, ()) + (() if target.way == "unix" else ("--port", "0"))
        with behind(home, *place, *target.arguments, app=target.app) as server:
            made = Attacked(target, home, server, strange, find)
            yield made
        closing(made)

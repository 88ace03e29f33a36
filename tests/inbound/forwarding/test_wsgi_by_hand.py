"""``mutua.wsgi.KnownClients`` behind a proxy, under servers that are not ours.

gunicorn tells header lines as they came; under all others nobody may forward.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from mutua import Home
from mutua.gate.decision import Refusal
from mutua.home.forwarded import ForwardedSettings
from mutua.inbound.connection import CONNECTION, Connection, SocketPeer
from mutua.inbound.forwarding import CERTIFICATE_HEADERS, Forwarding
from mutua.inbound.live_gate import LiveGate
from mutua.pki.certificates import write_der
from mutua.tls.peer import PeerCertificate
from mutua.wsgi import KnownClients
from tests.inbound.connections import until
from tests.inbound.forwarded.writing import CASES, nginx
from tests.inbound.forwarding.behind import ask, let_forward
from tests.serving import PATIENCE_SECONDS, ROOT

Lines = list[tuple[str, bytes | str]]
APP = "tests.inbound.forwarding.by_hand:app"


@pytest.fixture
def woovi(home: Home) -> Lines:
    written = nginx(write_der(home.identities.load("woovi").certificate))
    return [(name, value) for name, values in written.items() for value in values]


@contextmanager
def gunicorn(home: Home, bind: str, *arguments: str, inherits: tuple[int, ...] = ()) -> Iterator[None]:
    """gunicorn as anybody starts it."""
    command = [sys.executable, "-m", "gunicorn", "--no-control-socket", "--bind", bind, *arguments, APP]
    environment = os.environ | {"MUTUA_HOME": str(home.path)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL, pass_fds=inherits) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def opened(address: str | tuple[str, int], source: str = "") -> socket.socket:
    """A connection to a server that may still be starting."""
    found: list[socket.socket] = []

    def connects() -> bool:
        made = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        made.settimeout(PATIENCE_SECONDS)
        try:
            if source:
                made.bind((source, 0))
            made.connect(address)
        except OSError:
            made.close()
            return False
        found.append(made)
        return True

    until(connects)
    return found[0]


def test_gunicorn_on_a_unix_socket(home: Home, tmp_path: Path, woovi: Lines) -> None:
    let_forward(home, 'dialect = "nginx"\nunix_socket = true')
    path = str(tmp_path / "app.sock")
    misspelt: Lines = [(name.replace("-", "_"), value) for name, value in woovi]
    # It believes headers of whoever comes through a Unix socket, and here it leaves them all to the application.
    with gunicorn(home, f"unix:{path}", "--header-map", "dangerous", "--forwarder-headers", "*"):
        status, told = ask(opened(path), [*woovi, ("X-Forwarded-For", "6.6.6.6")])
        assert (status, told["client"], told["chain"]) == (200, "woovi", 3)
        assert "ssl-client-cert" not in told["headers"]
        assert ask(opened(path))[0] == 401
        for lines in ([*woovi, *woovi], [*woovi, *misspelt], [*misspelt, *woovi], misspelt):
            assert ask(opened(path), lines)[0] == 400


def test_gunicorn_over_tcp_knows_the_proxy_by_its_socket(home: Home, woovi: Lines) -> None:
    let_forward(home, 'dialect = "nginx"\naddresses = ["127.0.0.2"]')
    with socket.create_server(("127.0.0.1", 0)) as listener:
        descriptor, address = listener.fileno(), listener.getsockname()
        # It takes the word of everybody for who is calling.
        believing = ("--proxy-protocol", "auto", "--proxy-allow-from", "*", "--forwarded-allow-ips", "*")
        with gunicorn(home, f"fd://{descriptor}", *believing, inherits=(descriptor,)):
            assert ask(opened(address, "127.0.0.2"), woovi)[0] == 200
            stranger = opened(address, "127.0.0.3")
            stranger.sendall(b"PROXY TCP4 127.0.0.2 127.0.0.1 4711 443\r\n")
            assert ask(stranger, woovi)[0] == 403
            for lie in ("X-Forwarded-For", "Forwarded", "Remote-Addr"):
                assert ask(opened(address, "127.0.0.3"), [(lie, "127.0.0.2"), *woovi])[0] == 403


@pytest.fixture
def gate(home: Home) -> Iterator[LiveGate]:
    home.clients.add("edge", allow=["GET /**"])
    home.identities.save("edge", home.authority.issue_client("edge"))
    made = LiveGate(home)
    yield made
    made.close()


class Wsgi:
    """The middleware under a server that does not tell of header lines; what reached the application."""

    def __init__(self, gate: LiveGate, **who: Any) -> None:
        self.environs: list[dict[str, Any]] = []
        forwarding = Forwarding(ForwardedSettings(dialect="nginx", **who))
        self._app = KnownClients(self._reached, gate=gate, forwarding=forwarding)

    def _reached(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        self.environs.append(environ)
        start_response("200 OK", [])
        return []

    def ask(self, connection: Connection, headers: dict[str, str]) -> int:
        environ = {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/x", "RAW_URI": "/x", **headers}
        statuses: list[str] = []
        for _ in self._app({**environ, CONNECTION: connection}, lambda status, *_: statuses.append(status)):
            continue
        return int(statuses[0][:3])


def in_environ(lines: Lines) -> dict[str, str]:
    return {
        f"HTTP_{name.upper().replace('-', '_')}": value if isinstance(value, str) else value.decode()
        for name, value in lines
    }


UNIX = Connection(None, "unix", SocketPeer(None))


def test_where_lines_are_not_told_nobody_may_forward(
    home: Home, gate: LiveGate, woovi: Lines, caplog: pytest.LogCaptureFixture
) -> None:
    edge = PeerCertificate.read(tuple(map(write_der, gate.trust.path(home.identities.load("edge").certificate))))
    door, over_tls = Wsgi(gate, unix_socket=True), Wsgi(gate, certificate="edge")
    with caplog.at_level("WARNING", "mutua.access"):
        for headers in ({}, in_environ(woovi)):
            assert door.ask(UNIX, headers) == 403
            assert over_tls.ask(Connection(edge, "10.0.0.5:1"), headers) == 403
    assert caplog.text.count('"reason": "untrusted_forwarder"') == 4
    assert door.environs == over_tls.environs == []


def test_where_lines_are_not_told_others_are_themselves_and_bring_no_certificate(
    home: Home, gate: LiveGate, woovi: Lines
) -> None:
    known = PeerCertificate.read(tuple(map(write_der, gate.trust.path(home.identities.load("woovi").certificate))))
    door = Wsgi(gate, addresses=(ip_network("10.0.0.5"),))
    client = Connection(known, "10.0.0.9:1")
    assert door.ask(client, {}) == 200
    for name in sorted(CERTIFICATE_HEADERS):
        assert door.ask(client, {f"HTTP_{name.upper().replace('-', '_')}": ""}) == 403
    assert len(door.environs) == 1


def test_a_header_that_was_given_another_name_is_taken_away_too(home: Home, gate: LiveGate) -> None:
    forwarding = Forwarding(
        ForwardedSettings(dialect="nginx", options={"certificate": "x-acme", "verify": "x-acme-ok"}, unix_socket=True)
    )
    assert forwarding.watches("X_ACME")
    assert forwarding.watches("x-Acme-ok")
    assert not forwarding.watches("x-acme-other")
    found = forwarding.read_unseen(UNIX, ["X_ACME"], gate)
    assert isinstance(found, Refusal)


def test_every_dialects_headers_are_known_by_the_names_of_cgi() -> None:
    forwarding = Forwarding(ForwardedSettings(dialect="rfc9440", unix_socket=True))
    for case in CASES.values():
        for name in case.dialect.headers:
            assert forwarding.watches(name.upper().replace("-", "_"))

"""Behind a proxy the doors do the same whatever server runs: on a Unix socket, and over TLS for a proxy with a name."""

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mutua import Home
from mutua.inbound.problems import problem
from mutua.pki.certificates import write_der
from mutua.reasons import Reason
from tests.inbound.connections import client_context, until
from tests.inbound.doors.test_workers import alive, children
from tests.inbound.forwarded.writing import nginx
from tests.inbound.forwarding.behind import APP, Behind, ask, behind, let_forward

WSGI = "tests.inbound.forwarding.told_wsgi:app"

DOORS: dict[str, tuple[str, ...]] = {
    "uvicorn-workers": ("--workers", "2"),
    "hypercorn": ("--server", "hypercorn"),
    "hypercorn-workers": ("--server", "hypercorn", "--workers", "2"),
    "gunicorn-gthread": ("--server", "gunicorn", "--workers", "2"),
    "gunicorn-sync": ("--server", "gunicorn", "--worker-class", "sync"),
    "gunicorn-asgi": ("--server", "gunicorn", "--worker-class", "asgi"),
    "gunicorn-uvicorn": ("--server", "gunicorn", "--worker-class", "uvicorn"),
}
"""Those that ``test_behind_proxy`` has not."""

OVER_TLS = tuple(name for name in DOORS if name not in {"uvicorn-workers", "hypercorn"})

DROPS_UNDERSCORES = {"gunicorn-gthread", "gunicorn-sync", "gunicorn-asgi"}
"""A header that is spelt with an underscore never reaches the gate; nobody can read it either."""

SPEAKS_WEBSOCKET = {"uvicorn-workers", "hypercorn", "gunicorn-asgi", "gunicorn-uvicorn"}

Lines = list[tuple[str, bytes | str]]


def app_of(door: str) -> str:
    return WSGI if door in {"gunicorn-gthread", "gunicorn-sync"} else APP


def forwarded(home: Home, name: str) -> Lines:
    written = nginx(write_der(home.identities.load(name).certificate))
    return [(header, value) for header, values in written.items() for value in values]


@pytest.fixture(scope="module")
def shared(home_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Home]]:
    """A home for each way in."""
    with ExitStack() as stack:
        homes = {}
        for way, text in (("unix", "unix_socket = true"), ("tls", 'certificate = "edge"')):
            folder = tmp_path_factory.mktemp(way) / "home"
            shutil.copytree(home_template, folder, symlinks=True)
            home = homes[way] = stack.enter_context(Home.open(folder))
            home.clients.add("edge")
            home.identities.save("edge", home.authority.issue_client("edge"))
            let_forward(home, f'dialect = "nginx"\n{text}')
        yield homes


@pytest.mark.parametrize("door", DOORS)
def test_on_a_unix_socket(door: str, shared: dict[str, Home], tmp_path: Path) -> None:
    home, path = shared["unix"], tmp_path / "app.sock"
    woovi, edge = forwarded(home, "woovi"), forwarded(home, "edge")
    with behind(home, "--unix", str(path), *DOORS[door], app=app_of(door)) as server:
        status, told = server.ask([*woovi, ("X-Forwarded-For", "6.6.6.6"), ("Client-Cert", ":AA==:")])
        assert (status, told["client"], told["chain"]) == (200, "woovi", 3)
        assert told["headers"] == ["connection", "host", "x-forwarded-for"]
        assert refused(server, []) == "no_certificate"
        assert refused(server, edge) == "not_granted"
        damaged: tuple[Lines, ...] = ([*woovi, *woovi], [*edge, *woovi], [(woovi[0][0], b"A" * 60_000)])
        for lines in damaged:
            assert refused(server, lines) == "malformed"
        misspelt: Lines = [("ssl_client_cert", woovi[0][1])]
        wanted = "no_certificate" if door in DROPS_UNDERSCORES else "malformed"
        assert refused(server, misspelt) == wanted
        if door in SPEAKS_WEBSOCKET:
            assert upgraded(server, woovi) == 101
            assert upgraded(server, edge) == 403
            assert server.refusal() == "not_granted"
        with ExitStack() as stack:
            for _ in range(20):  # who says nothing keeps no worker from its work
                silent = stack.enter_context(socket.socket(socket.AF_UNIX))
                silent.connect(str(path))
            assert server.ask(woovi)[0] == 200
    assert not path.exists()


def upgraded(server: Behind, lines: Lines) -> int:
    """The status of a WebSocket's handshake (RFC 6455 section 4.1)."""
    handshake = [("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "A" * 22 + "==")]
    head = [b"GET /feed HTTP/1.1", b"Host: x", b"Connection: Upgrade"]
    for name, value in (*handshake, *lines):
        head.append(b"%b: %b" % (name.encode(), value if isinstance(value, bytes) else value.encode()))
    with server.connect() as connection, connection.makefile("rb") as answer:
        connection.sendall(b"\r\n".join(head) + b"\r\n\r\n")
        return int(answer.readline().split()[1])


def refused(server: Behind, lines: Lines) -> str:
    status, _ = server.ask(lines)
    reason = server.refusal()
    assert status == problem(Reason(reason))[0]
    return reason


@pytest.mark.parametrize("door", OVER_TLS)
def test_over_tls_for_a_proxy_that_is_a_client(door: str, shared: dict[str, Home]) -> None:
    home = shared["tls"]
    woovi = forwarded(home, "woovi")
    with behind(home, "--identity", "api", "--port", "0", *DOORS[door], app=app_of(door)) as server:

        def through(name: str, lines: Lines) -> str:
            context = client_context(home, name)
            tls = context.wrap_socket(server.connect(), server_hostname="127.0.0.1")
            status, told = ask(tls, lines)
            return str(told["client"]) if status == 200 else server.refusal()

        assert through("edge", woovi) == "woovi"
        assert through("edge", []) == "no_certificate"
        assert through("edge", [*woovi, *woovi]) == "malformed"
        assert through("woovi", woovi) == "untrusted_forwarder"
        assert through("woovi", []) == "woovi"


@pytest.mark.parametrize("door", ["uvicorn-workers", "gunicorn-gthread"])
def test_a_worker_that_dies_leaves_the_unix_socket_to_the_others(
    door: str, shared: dict[str, Home], tmp_path: Path
) -> None:
    home, path = shared["unix"], tmp_path / "app.sock"
    woovi = forwarded(home, "woovi")
    with behind(home, "--unix", str(path), *DOORS[door], app=app_of(door)) as server:
        for number in (signal.SIGTERM, signal.SIGKILL):
            victim = min(listening(server, path))
            os.kill(victim, number)
            until(lambda gone=victim: not alive(gone))  # type: ignore[misc]
            until(lambda: len(listening(server, path)) == 2)
            assert path.is_socket()
            assert server.ask(woovi)[0] == 200


def listening(server: Behind, path: Path) -> set[int]:
    """The workers: children that hold the socket's listener."""
    lines = (line.split() for line in Path("/proc/net/unix").read_text().splitlines())
    inodes = {f"socket:[{fields[6]}]" for fields in lines if fields[-1] == str(path) and fields[3] == "00010000"}
    found = set()
    for pid in children(server.process.pid):
        try:
            if inodes & {str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()}:
                found.add(pid)
        except OSError:
            continue
    return found

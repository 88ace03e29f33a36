"""The doors behind a proxy, for real: a Unix socket, TCP for known addresses, TLS for a proxy that is a client."""

import grp
import os
import socket
import stat
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import unix_connect

from mutua import Home
from mutua.errors import AddressInUse, InvalidAddress
from mutua.inbound.unix_socket import bind_unix
from mutua.pki.certificates import write_der
from tests.inbound.connections import client_context
from tests.inbound.forwarded.writing import nginx, rfc9440, traefik
from tests.inbound.forwarding.behind import ask, behind, let_forward

Lines = list[tuple[str, bytes | str]]


def flat(written: dict[str, list[bytes]]) -> Lines:
    return [(name, value) for name, values in written.items() for value in values]


@pytest.fixture
def woovi(home: Home) -> Lines:
    """woovi's certificate as nginx forwards it."""
    return flat(nginx(write_der(home.identities.load("woovi").certificate)))


@pytest.fixture
def edge(home: Home) -> str:
    home.clients.add("edge")
    home.identities.save("edge", home.authority.issue_client("edge"))
    return "edge"


def test_a_unix_socket_for_its_owner(home: Home, tmp_path: Path, woovi: Lines, loop: str) -> None:
    let_forward(home, 'dialect = "nginx"\nunix_socket = true')
    path = tmp_path / "app.sock"
    with behind(home, "--unix", str(path), "--loop", loop) as server:
        assert server.address == f"unix:{path}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        status, told = server.ask([*woovi, ("X-Forwarded-For", "6.6.6.6")])
        assert (status, told["client"], told["chain"]) == (200, "woovi", 3)
        assert told["headers"] == ["connection", "host", "x-forwarded-for"]
        assert server.ask()[0] == 401
        assert server.refusal() == "no_certificate"
        for lines in ([*woovi, *woovi], [*woovi, ("ssl_client_cert", "x")], [("Ssl-Client-Cert", b"A" * 60_000)]):
            assert server.ask(lines)[0] == 400
            assert server.refusal() == "malformed"
    assert not path.exists()


def test_one_connection_carries_the_clients_of_many(home: Home, tmp_path: Path, woovi: Lines, edge: str) -> None:
    """A proxy keeps its connections: whoever came before on one says nothing of who comes next."""
    let_forward(home, 'dialect = "nginx"\nunix_socket = true')
    path = tmp_path / "app.sock"
    others = flat(nginx(write_der(home.identities.load(edge).certificate)))
    heads = [
        b"\r\n".join([b"GET /status HTTP/1.1", b"Host: x", *map(_line, lines), b"", b""])
        for lines in (woovi, [], others, woovi)
    ]
    with behind(home, "--unix", str(path)) as server, server.connect() as connection, connection.makefile("rb") as file:
        statuses = []
        for head in heads:
            connection.sendall(head)
            statuses.append(int(file.readline().split()[1]))
            length = 0
            while (line := file.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            file.read(length)
        assert statuses == [200, 401, 403, 200]
        assert [server.refusal(), server.refusal()] == ["no_certificate", "not_granted"]


def _line(line: tuple[str, bytes | str]) -> bytes:
    name, value = line
    return name.encode() + b": " + (value if isinstance(value, bytes) else value.encode())


def test_a_websocket_through_a_unix_socket(home: Home, tmp_path: Path, woovi: Lines) -> None:
    let_forward(home, 'dialect = "nginx"\nunix_socket = true')
    path = str(tmp_path / "app.sock")
    headers = [(name, value.decode()) for name, value in woovi if isinstance(value, bytes)]
    with behind(home, "--unix", path) as server:
        with unix_connect(path, "ws://localhost/feed", additional_headers=headers) as websocket:
            assert '"client": "woovi"' in str(websocket.recv())
        with pytest.raises(InvalidStatus, match="401"), unix_connect(path, "ws://localhost/feed"):
            pass
        assert server.refusal() == "no_certificate"


@pytest.mark.parametrize("loop", ["asyncio"])
def test_plain_tcp_for_an_address(home: Home, woovi: Lines, loop: str) -> None:
    let_forward(home, 'dialect = "nginx"\naddresses = ["127.0.0.2"]')
    with behind(home, "--port", "0", "--loop", loop) as server:
        assert server.address.startswith("http://127.0.0.1:")
        port = int(server.address.rpartition(":")[2])
        proxy = socket.create_connection(("127.0.0.1", port), 30, source_address=("127.0.0.2", 0))
        assert ask(proxy, woovi)[0] == 200
        for more in ([], [("X-Forwarded-For", "127.0.0.2")], [("Forwarded", "for=127.0.0.2")]):
            assert server.ask([*more, *woovi])[0] == 403
            assert server.refusal() == "untrusted_forwarder"
        assert server.ask()[0] == 401
        assert server.refusal() == "no_certificate"
        assert any("use a Unix socket" in line for line in server.talk)


def test_tls_for_a_proxy_that_is_a_client(home: Home, woovi: Lines, edge: str) -> None:
    let_forward(home, f'dialect = "rfc9440"\ncertificate = "{edge}"')
    identity = home.identities.load("woovi")
    forwarded = flat(rfc9440(*map(write_der, identity.chain)))
    with behind(home, "--identity", "api", "--port", "0") as server:

        def through(name: str, lines: Lines) -> int:
            context = client_context(home, name)
            return ask(context.wrap_socket(server.connect(), server_hostname="127.0.0.1"), lines)[0]

        assert through(edge, forwarded) == 200
        assert through(edge, []) == 401
        assert server.refusal() == "no_certificate"
        assert through("woovi", forwarded) == 403
        assert server.refusal() == "untrusted_forwarder"
        assert through("woovi", woovi) == 403
        assert server.refusal() == "untrusted_forwarder"
        assert through("woovi", []) == 200
        with pytest.raises((OSError, IndexError)):
            ask(server.connect(), forwarded)  # without TLS there is no door


def test_a_comma_in_traefiks_header_never_makes_another_leaf(home: Home, tmp_path: Path) -> None:
    let_forward(home, 'dialect = "traefik"\nunix_socket = true')
    leaf = write_der(home.identities.load("woovi").certificate)
    lines = flat(traefik(leaf))
    with behind(home, "--unix", str(tmp_path / "app.sock")) as server:
        assert server.ask(lines)[0] == 200
        assert server.ask([*lines, *lines])[0] == 400
        assert server.refusal() == "malformed"


@pytest.mark.parametrize(
    ("forwarded", "arguments", "told"),
    [
        ("", ("--unix", "x.sock"), "lets no proxy forward"),
        ('dialect = "nginx"\naddresses = ["10.0.0.5"]', ("--unix", "x.sock"), "over a Unix socket"),
        ('dialect = "nginx"\nunix_socket = true', ("--identity", "api"), "comes without TLS"),
        ('dialect = "nginx"\naddresses = ["10.0.0.5"]', ("--identity", "api"), "comes without TLS"),
        ('dialect = "nginx"\nunix_socket = true', ("--unix", "x.sock", "--identity", "api"), "no TLS on a Unix socket"),
        ('dialect = "nginx"\nunix_socket = true', (), "Missing option '--identity', or '--unix'"),
        ('dialect = "squid"\nunix_socket = true', ("--unix", "x.sock"), "'forwarded.dialect' must be one of"),
    ],
)
def test_what_would_not_be_safe_is_refused_at_start(
    home: Home, forwarded: str, arguments: tuple[str, ...], told: str
) -> None:
    if forwarded:
        let_forward(home, forwarded)
    with pytest.raises(AssertionError, match="error:") as caught, behind(home, *arguments):
        pass
    assert told in str(caught.value)


def test_what_is_left_of_a_socket_is_replaced_and_one_in_use_is_not(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    bind_unix(path).close()
    with bind_unix(path) as listener:
        listener.listen()
        with pytest.raises(AddressInUse, match="another process listens"):
            bind_unix(path)
    path.unlink()
    path.write_text("a file")
    with pytest.raises(AddressInUse, match="no socket"):
        bind_unix(path)
    assert path.read_text() == "a file"


@pytest.mark.parametrize(
    ("name", "group", "told"),
    [("a" * 200, None, "too long"), ("x/app.sock", None, "listen"), ("app.sock", "nobody-", "no group")],
)
def test_a_socket_that_cannot_be_made_is_told_of(tmp_path: Path, name: str, group: str | None, told: str) -> None:
    with pytest.raises(InvalidAddress, match=told):
        bind_unix(tmp_path / name, group)
    assert list(tmp_path.iterdir()) == []


def test_a_group_may_use_the_socket_too(tmp_path: Path) -> None:
    path, name = tmp_path / "app.sock", grp.getgrgid(os.getgid()).gr_name
    with bind_unix(path, name):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert path.stat().st_gid == os.getgid()

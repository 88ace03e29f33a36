"""nginx with the generated settings in front of an application: who gets in, who does not, and what forgery brings."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect as connect_websocket

from mutua import Home
from mutua.pki.certificates import write_der
from mutua.registry.credentials import Form
from mutua.registry.partners import by_certificate, by_subject
from mutua.tls.identity import Identity
from tests.inbound.certificates import present_identities
from tests.inbound.connections import until
from tests.inbound.forwarded.writing import CASES
from tests.inbound.forwarding.behind import Behind, ask, behind, let_forward
from tests.inbound.forwarding.nginx import connect, free_port, is_accepted, nginx, written
from tests.pki.hierarchy import NOW, issue, make_issuing_ca, make_root

Lines = list[tuple[str, bytes | str]]


class Front:
    """nginx, and the application behind it."""

    def __init__(self, home: Home, server: Behind, port: int) -> None:
        self.home, self.server, self.port = home, server, port

    def ask(self, identity: Identity | None, lines: Lines = [], path: str = "/status") -> tuple[int, dict[str, Any]]:  # noqa: B006
        return ask(connect(self.home, self.port, identity), lines, path)


Start = Callable[..., Front]


@pytest.fixture
def start(home: Home, peer: Callable[[str], str], tmp_path: Path) -> Iterator[Start]:
    """Starts both: ``start("--verify", "optional", more="...")``."""
    with ExitStack() as stack:

        def started(*arguments: str, more: str = "") -> Front:
            let_forward(home, 'dialect = "nginx"\nunix_socket = true')
            server = stack.enter_context(behind(home, "--unix", str(tmp_path / "app.sock")))
            port = free_port()
            options = ("--server-name", "localhost", "--identity", "api", "--listen", f"127.0.0.1:{port}")
            done = written(home, *options, "--upstream", server.address, *arguments)
            assert done.returncode == 0, done.stderr
            stack.enter_context(nginx(peer("nginx"), tmp_path, done.stdout, port, more))
            return Front(home, server, port)

        yield started


def forged(home: Home) -> Lines:
    """Another client's certificate in the headers of every dialect."""
    chain = [write_der(each) for each in home.authority.issue_client("woovi").chain]
    return [(name, value) for case in CASES.values() for name, values in case.write(*chain).items() for value in values]


def test_a_known_client_gets_in_and_is_told_of(home: Home, start: Start) -> None:
    front, woovi = start(), home.identities.load("woovi")
    status, told = front.ask(woovi, path="/a%20b?c=1")
    assert (status, told["client"], told["thumbprint"]) == (200, "woovi", woovi.thumbprint)
    assert told["path"] == "/a%20b"
    assert not [name for name in told["headers"] if "cert" in name or "ssl" in name]

    url, context = f"wss://localhost:{front.port}/feed", woovi.client_context(home.trust)
    with connect_websocket(url, ssl=context, proxy=None) as websocket:
        assert '"client": "woovi"' in str(websocket.recv())


def test_nobody_else_gets_in(home: Home, start: Start, tmp_path: Path) -> None:
    shown = present_identities(home, tmp_path / "stranger")
    front = start()
    for name in ("no certificate", "stranger's CA", "expired", "not yet valid", "wrong purpose", "revoked"):
        assert front.ask(shown[name])[0] == 400, name  # nginx itself
    for name, reason in (
        ("unregistered", "unknown_client"),
        ("suspended", "suspended"),
        ("outside the grant", "not_granted"),
    ):
        assert front.ask(shown[name])[0] == 403, name
        assert front.server.refusal() == reason


def test_what_happens_while_it_runs_counts_on_the_next_request(home: Home, start: Start) -> None:
    """nginx reads revocation lists when it starts; the gate knows at once."""
    home.clients.add("late", allow=["GET /**"])
    late, front = home.authority.issue_client("late"), start()
    assert front.ask(late)[0] == 200
    home.revocation.revoke(late.thumbprint)
    until(lambda: front.ask(late)[0] == 403)
    assert front.server.refusal() == "revoked"
    woovi = home.identities.load("woovi")
    assert front.ask(woovi)[0] == 200
    home.clients.suspend("woovi")
    until(lambda: front.ask(woovi)[0] == 403)
    assert front.server.refusal() == "suspended"


@pytest.mark.parametrize("more", ["", "underscores_in_headers on;"])
def test_a_forged_header_from_outside_changes_nothing(home: Home, start: Start, more: str) -> None:
    home.clients.add("narrow", allow=["GET /mine/**"])
    narrow, front = home.authority.issue_client("narrow"), start("--verify", "optional", more=more)
    lines = forged(home)
    spelled: Lines = [(name.replace("-", "_"), value) for name, value in lines]
    shouted: Lines = [(name.upper(), value) for name, value in lines]
    for each in (lines, spelled, shouted, [*lines, *lines], [*spelled, *shouted]):
        assert front.ask(None, each)[0] == 401
        assert front.server.refusal() == "no_certificate"
        assert front.ask(narrow, each)[0] == 403
        assert front.server.refusal() == "not_granted"
        status, told = front.ask(narrow, each, "/mine/x")
        assert (status, told["client"]) == (200, "narrow")
        assert not [name for name in told["headers"] if "cert" in name or "ssl" in name]


def test_without_any_certificate_mutua_says_why(home: Home, start: Start) -> None:
    front = start("--verify", "optional")
    assert front.ask(None)[0] == 401
    assert front.server.refusal() == "no_certificate"


def test_what_is_public_passes_nginx_without_a_certificate_and_nothing_else(home: Home, start: Start) -> None:
    settings = home.path / "mutua.toml"
    settings.write_text('public = ["GET /open"]\n' + settings.read_text())
    front = start()
    status, told = front.ask(None, path="/open")
    assert (status, told["client"]) == (200, None)
    assert front.ask(None, forged(home), "/open")[1]["headers"] == told["headers"]
    assert front.ask(None)[0] == 401
    assert front.server.refusal() == "no_certificate"
    options = ("--server-name", "localhost", "--identity", "api", "--verify", "on")
    assert "will demand a certificate for what is public too, such as GET /open" in written(home, *options).stderr


def test_partners_come_through_nginx(home: Home, start: Start) -> None:
    root = make_root(organization="Bank")
    ca = make_issuing_ca(root)
    below_root, below_ca, pinned = (
        issue(ca, names=[name]) for name in ("one.bank.example", "two.example", "three.example")
    )
    for name in ("one", "two", "three"):
        home.clients.add(name, allow=["GET /**"])
    home.credentials.add("one", by_subject([root.certificate], Form.DNS, "one.bank.example", now=NOW))
    front = start()
    assert front.ask(Identity(below_root.key, (below_root.certificate, ca.certificate)))[0] == 403
    assert front.server.refusal() == "unknown_issuer"  # nginx sends no intermediate, and none is registered
    home.credentials.add("two", by_subject([ca.certificate], Form.DNS, "two.example", now=NOW))
    home.credentials.add("three", by_certificate([pinned.certificate], now=NOW))
    sent = {each: Identity(each.key, (each.certificate, ca.certificate)) for each in (below_root, below_ca, pinned)}
    for each, name in ((below_root, "one"), (below_ca, "two"), (pinned, "three")):
        until(lambda each=sent[each], name=name: front.ask(each)[1].get("client") == name)  # type: ignore[misc]


def test_all_is_left_to_mutua(home: Home, start: Start, tmp_path: Path) -> None:
    """A self-signed certificate of a partner, which nginx could not verify."""
    shown = present_identities(home, tmp_path / "stranger")
    alone = issue(make_issuing_ca(make_root(organization="Alone")), names=["alone.example"])
    home.clients.add("alone", allow=["GET /**"])
    home.credentials.add("alone", by_certificate([alone.certificate], now=NOW))
    front = start("--verify", "optional_no_ca")
    assert front.ask(Identity(alone.key, alone.chain[:1]))[1]["client"] == "alone"
    assert front.ask(home.identities.load("woovi"))[1]["client"] == "woovi"
    for name, reason in (
        ("no certificate", "no_certificate"),
        ("stranger's CA", "unknown_issuer"),
        ("revoked", "revoked"),
        ("suspended", "suspended"),
    ):
        assert front.ask(shown[name])[0] in {401, 403}, name
        assert front.server.refusal() == reason


def test_tls_between_nginx_and_the_application(home: Home, peer: Callable[[str], str], tmp_path: Path) -> None:
    home.clients.add("edge")
    home.identities.save("edge", home.authority.issue_client("edge"))
    let_forward(home, 'dialect = "nginx"\ncertificate = "edge"')
    port = free_port()
    with behind(home, "--identity", "api", "--port", "0") as server:
        options = ("--server-name", "localhost", "--identity", "api", "--listen", f"127.0.0.1:{port}")
        done = written(home, *options, "--upstream", server.address, "--proxy-identity", "edge")
        assert 'certificate = "edge"' in done.stdout
        with nginx(peer("nginx"), tmp_path, done.stdout, port):
            front = Front(home, server, port)
            assert front.ask(home.identities.load("woovi"))[1]["client"] == "woovi"
            assert front.ask(home.identities.load("edge"))[0] == 403
            assert server.refusal() == "not_granted"
            with pytest.raises((OSError, ssl.SSLError, IndexError, ValueError)):
                ask(server.connect(), forged(home))


@pytest.mark.parametrize("verify", ["on", "optional", "optional_no_ca"])
@pytest.mark.parametrize("upstream", ["unix:/run/acme/api.sock", "10.0.0.5:8000", "[::1]:8000", "localhost:8000"])
def test_nginx_accepts_what_is_written(
    home: Home, peer: Callable[[str], str], tmp_path: Path, verify: str, upstream: str
) -> None:
    done = written(
        home, "--server-name", "api.acme.example", "--identity", "api", "--upstream", upstream, "--verify", verify
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert is_accepted(peer("nginx"), tmp_path, done.stdout)
    assert ("ssl_crl" in done.stdout.replace("No ssl_crl", "")) is (verify != "optional_no_ca")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--server-name", "a b"), "is not a name"),
        (("--server-name", "a.example;}"), "is not a name"),
        (("--server-name", "api.acme.example", "--identity", "api", "--upstream", "unix:/x;}"), "no upstream"),
        (
            ("--server-name", "api.acme.example", "--identity", "api", "--upstream", "http://127.0.0.1:8000"),
            "no upstream",
        ),
        (("--server-name", "api.acme.example", "--identity", "api", "--upstream", "https://127.0.0.1:1"), "own"),
        (("--server-name", "api.acme.example", "--identity", "api", "--listen", "443 default;"), "listened on"),
        (("--server-name", "api.acme.example"), "no identity"),
    ],
)
def test_what_nginx_would_misread_is_refused(home: Home, arguments: tuple[str, ...], told: str) -> None:
    done = written(home, *arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stdout == ""


def test_partners_are_told_of(home: Home) -> None:
    home.clients.add("bank")
    ca = make_issuing_ca(make_root(organization="Bank"))
    home.credentials.add("bank", by_subject([ca.certificate], Form.DNS, "api.bank.example", now=NOW))
    done = written(home, "--server-name", "localhost", "--identity", "api")
    assert "client-cas.pem" in done.stdout
    assert "do this again when a partner is registered" in done.stderr
    assert "--verify optional_no_ca" in done.stderr
    assert "without ssl_crl" in done.stderr

"""``mutua ca serve --est`` as a process, and the application without it."""

import asyncio
import signal
import ssl
import subprocess
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import closing
from typing import Any

import pytest

from mutua import Home
from mutua.pki.certificates import write_pem
from mutua.web.est import application, bodies
from mutua.web.est.door import LiveTrust
from tests.pki.hierarchy import key_of
from tests.serving import PATIENCE_SECONDS
from tests.web.est.asking import PKCS10, ROOT, EstServer, basic, certificates_in, issued, request_of
from tests.web.publishing import SERVE

EST = "https://localhost:8443"
KEY = key_of("through the door")
BODY = request_of(KEY)


@pytest.fixture
def own(home: Home) -> Iterator[EstServer]:
    """A server of one's own."""
    server = EstServer(home)
    yield server
    server.process.stop()


def leaf_of(server: EstServer) -> bytes | None:
    with closing(server.connect()) as connection:
        connection.connect()
        assert isinstance(connection.sock, ssl.SSLSocket)
        return connection.sock.getpeercert(binary_form=True)


def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_comes_through_it_is_done_by_est(own: EstServer) -> None:
    certificates_in(own.enrol(own.invite(), BODY))
    told = [(event.actor, event.kind) for event in own.home.audit.after(0)][-3:]
    assert [kind for _, kind in told] == ["invitation.made", "invitation.used", "certificate.issued"]
    assert [actor for actor, _ in told][1:] == ["est", "est"]
    assert told[0][0] == own.home.actor != "est"


def test_a_store_that_is_lost_and_comes_back_is_followed_again(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    with closing(LiveTrust(home)) as live:
        home.store.close()
        aside = home.store.path.with_suffix(".aside")
        home.store.path.rename(aside)
        until(lambda: "the store is lost" in caplog.text)
        aside.rename(home.store.path)
        with Home.open(home.path) as again:
            again.hierarchy.rotate()
            until(lambda: live.trust == again.trust)
        assert len(live.trust.anchors) == 3


def test_it_follows_its_own_renewal_and_the_cas_and_still_publishes(own: EstServer) -> None:
    home, before = own.home, leaf_of(own)
    held = home.authority.issue_client("woovi")
    home.identities.save("api", home.authority.issue_server("localhost"), replace=True)
    until(lambda: leaf_of(own) != before)
    home.hierarchy.rotate()
    new = home.authority.issue_client("woovi")
    until(lambda: len(certificates_in(own.ask("cacerts"))) == 3)
    for identity in (held, new):
        assert certificates_in(own.renew(BODY, identity))
    assert own.process.ask("/ca/root.crt").status == 200


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_both_in_good_order(own: EstServer, sent: signal.Signals) -> None:
    assert own.ask("cacerts").status == own.process.ask("/ca/root.crt").status == 200
    assert own.process.stop(sent) == (0 if sent is signal.SIGTERM else 130)
    assert "Traceback" not in "".join(own.process.talk)


def test_it_goes_on_after_being_killed(own: EstServer) -> None:
    invitation = own.invite()
    own.process.process.kill()
    own.process.stop()
    again = EstServer(own.home)
    assert issued(again.enrol(invitation, BODY), KEY, own.home)
    again.process.stop()
    own.home.audit.verify()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--est", "0"], "needs an address and an identity"),
        (["--identity", "api"], "needs an address and an identity"),
        (["--est", "0", "--identity", "nobody"], "no identity 'nobody'"),
        (["--est", "x:y", "--identity", "api"], "no address to listen on"),
        (["--est", "192.0.2.1:0", "--identity", "api"], "cannot listen"),
    ],
    ids=["no identity", "no address", "unknown", "address", "elsewhere"],
)
def test_what_cannot_be_served_is_said_at_once(home: Home, arguments: list[str], said: str) -> None:
    command = [*SERVE, "--home", str(home.path), "--port", "0", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_curl_and_openssl_are_enough(own: EstServer, peer: Callable[[str], str]) -> None:
    folder, invitation = own.home.path.parent, own.invite()
    (folder / "root.pem").write_bytes(write_pem([invitation.anchor]))
    shell = f"""
        set -eu
        {peer("openssl")} req -new -newkey rsa:2048 -noenc -keyout w.key -subj /CN=x -outform DER -out w.der 2>/dev/null
        {peer("openssl")} base64 -in w.der -out w.b64
        est() {{ {peer("curl")} --silent --fail --cacert root.pem -H 'Content-Type: application/pkcs10' "$@"; }}
        est -u '{invitation.client}:{invitation.token}' --data-binary @w.b64 {own.url}{ROOT}/simpleenroll -o w.p7
        openssl base64 -d -in w.p7 | openssl pkcs7 -inform DER -print_certs -out w.pem
        est --cert w.pem --key w.key --data-binary @w.b64 {own.url}{ROOT}/simplereenroll -o again.p7
        openssl base64 -d -in again.p7 | openssl pkcs7 -inform DER -print_certs -out again.pem
        est {own.url}{ROOT}/cacerts | openssl base64 -d | openssl pkcs7 -inform DER -print_certs -out cas.pem
        openssl verify -CAfile cas.pem w.pem again.pem
    """
    done = subprocess.run(["bash", "-c", shell], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "w.pem: OK\nagain.pem: OK\n"


# The application under other servers, spoken to in ASGI.


def spoken(home: Home, path: str, *, never: bool = False, **scope: Any) -> int:
    """The status of the answer to a POST."""

    async def receive() -> MutableMapping[str, Any]:
        if never:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": BODY, "more_body": False}

    answered: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        answered.append(message)

    headers = [(name.lower().encode(), value.encode()) for name, value in scope.pop("headers", PKCS10).items()]
    whole = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": f"{ROOT}/{path}",
        "raw_path": f"{ROOT}/{path}".encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 8443),
        **scope,
    }
    asyncio.run(application(home)(whole, receive, send))
    return int(answered[0]["status"])


def tls(home: Home, **others: Any) -> dict[str, Any]:
    chain = home.identities.load("woovi").chain
    return {"tls": {"client_cert_chain": [write_pem([each]).decode() for each in chain], **others}}


def test_another_server_that_tells_of_the_certificate_will_do(home: Home) -> None:
    assert spoken(home, "simplereenroll", extensions=tls(home)) == 200


@pytest.mark.parametrize("told", [{}, {"tls": {}}, {"tls": {"client_cert_chain": []}}, {"tls": None}])
def test_one_that_tells_nothing_lets_nobody_renew(home: Home, told: dict[str, Any]) -> None:
    assert spoken(home, "simplereenroll", extensions=told) == 403


def test_a_certificate_that_the_server_could_not_verify_is_none(home: Home) -> None:
    assert spoken(home, "simplereenroll", extensions=tls(home, client_cert_error="expired")) == 403


def test_without_tls_no_token_is_taken(home: Home) -> None:
    invitation = home.invitations.invite("woovi", url=EST)
    headers = {**PKCS10, **basic("woovi", invitation.token)}
    assert spoken(home, "simpleenroll", scheme="http", headers=headers) == 401
    assert spoken(home, "simplereenroll", scheme="http", extensions=tls(home)) == 403
    assert spoken(home, "simpleenroll", headers=headers) == 200


def test_a_body_that_never_comes_is_not_waited_for(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.01)
    assert spoken(home, "simplereenroll", never=True, extensions=tls(home)) == 408


def test_a_store_that_is_lost_is_said_to_come_back(home: Home) -> None:
    headers = {**PKCS10, **basic("woovi", b64encode(b"x" * 32).decode().rstrip("="))}
    home.store.close()
    home.store.path.unlink()
    assert spoken(home, "simpleenroll", headers=headers) == 503

"""The middleware in front of an ASGI application of one's own: scopes are its interface, so the tests make scopes."""

import asyncio
import json
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from starlette.requests import Request

from mutua import Home
from mutua.asgi import KnownClients, known_client
from mutua.errors import UnknownClient
from mutua.home.forwarded import ForwardedSettings
from mutua.inbound.connection import CONNECTION, HANG_UP, KNOWN_CLIENT, Connection, SocketPeer
from mutua.inbound.forwarding import Forwarding
from mutua.inbound.live_gate import LiveGate
from mutua.pki.certificates import write_der
from mutua.registry.clients import KnownClient
from mutua.registry.credentials import CredentialKind
from mutua.tls.identity import Identity
from tests.inbound.certificates import unregistered_identity
from tests.inbound.connections import until


class Application:
    """Remembers what reached it."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []
        self.fails = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        if self.fails:
            raise LookupError("the application's own")
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"in"})


@pytest.fixture
def gate(home: Home) -> Iterator[LiveGate]:
    running = LiveGate(home)
    yield running
    running.close()


@pytest.fixture
def app() -> Application:
    return Application()


@pytest.fixture
def woovi(home: Home) -> Identity:
    return home.identities.load("woovi")


def scope(tls: object = None, path: str = "/status", **more: Any) -> dict[str, Any]:
    extensions = {} if tls is None else {"tls": tls}
    kind = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "client": ("192.0.2.7", 4711)}
    return {**kind, "extensions": extensions, **more}


def ask(middleware: KnownClients, of: dict[str, Any], *incoming: dict[str, Any]) -> list[dict[str, Any]]:
    """What the middleware answers to a request."""
    sent, waiting = [], list(incoming)

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(middleware(of, receive, send))
    return sent


def pem(identity: Identity) -> str:
    return ssl.DER_cert_to_PEM_cert(write_der(identity.certificate))


SHAPES: dict[str, Callable[[Identity], str | bytes]] = {
    "PEM text": pem,
    "PEM bytes": lambda identity: pem(identity).encode(),
    "DER": lambda identity: write_der(identity.certificate),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_the_tls_extension_is_read(
    shape: str, gate: LiveGate, app: Application, woovi: Identity
) -> None:
    sent = ask(KnownClients(app, gate=gate), scope({"client_cert_chain": [SHAPES[shape](woovi)]}))
    assert sent[0]["status"] == 200
    (seen,) = app.scopes
    assert known_client(seen) == KnownClient("woovi", woovi.thumbprint, CredentialKind.ISSUED)
    assert seen["extensions"]["tls"] == {"client_cert_chain": [pem(woovi)], "client_cert_error": None}


REFUSED: dict[str, tuple[Callable[[Identity], object], int]] = {
    "no extension": (lambda _: None, 401),
    "empty extension": (lambda _: {}, 401),
    "empty chain": (lambda _: {"client_cert_chain": []}, 401),
    "an error beside the chain": (
        lambda who: {"client_cert_chain": [pem(who)], "client_cert_error": "certificate has expired"},
        401,
    ),
    "junk": (lambda _: {"client_cert_chain": ["-----BEGIN CERTIFICATE-----\njunk\n-----END CERTIFICATE-----"]}, 401),
    "junk bytes": (lambda _: {"client_cert_chain": [b"\x30\x03junk"]}, 401),
    "not ASCII": (lambda _: {"client_cert_chain": ["-----BEGIN é"]}, 401),
}


@pytest.mark.parametrize("case", REFUSED)
def test_without_a_certificate_that_can_be_read_nobody_gets_in(
    case: str, gate: LiveGate, app: Application, woovi: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    make, status = REFUSED[case]
    with caplog.at_level("INFO", "mutua.access"):
        sent = ask(KnownClients(app, gate=gate), scope(make(woovi)))
    assert sent[0]["status"] == status
    assert app.scopes == []
    assert '"reason": "no_certificate"' in caplog.text
    assert '"peer": "192.0.2.7:4711"' in caplog.text


def test_a_path_whose_raw_form_is_not_told_is_malformed(gate: LiveGate, app: Application, woovi: Identity) -> None:
    sent = ask(KnownClients(app, gate=gate), scope({"client_cert_chain": [pem(woovi)]}, raw_path=None))
    assert (sent[0]["status"], app.scopes) == (400, [])


def test_the_answer_is_constant_and_head_has_no_body(gate: LiveGate, app: Application) -> None:
    sent = ask(KnownClients(app, gate=gate), scope(method="HEAD"))
    assert sent[0]["status"] == 401
    headers = dict(sent[0]["headers"])
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"www-authenticate"] == b"ClientCertificate"
    assert sent[1]["body"] == b""
    assert ask(KnownClients(app, gate=gate), scope())[1]["body"] == (
        b'{"type":"about:blank","title":"Unauthorized","status":401}'
    )


def test_a_scope_of_an_unknown_type_is_let_through_by_nobody(gate: LiveGate, app: Application) -> None:
    with pytest.raises(RuntimeError, match="webtransport"):
        ask(KnownClients(app, gate=gate), scope(type="webtransport"))
    assert app.scopes == []


@pytest.mark.parametrize("forged", ["woovi", {"peer": "woovi"}, object()], ids=["text", "mapping", "object"])
def test_a_forged_state_is_no_identity(forged: object, gate: LiveGate, app: Application) -> None:
    state = {CONNECTION: forged, KNOWN_CLIENT: KnownClient("woovi", "x", CredentialKind.ISSUED)}
    sent = ask(KnownClients(app, gate=gate), scope(state=state))
    assert (sent[0]["status"], app.scopes) == (401, [])


def test_forged_headers_are_no_identity(gate: LiveGate, app: Application, woovi: Identity) -> None:
    headers = [
        (b"client-cert", b":" + pem(woovi).encode() + b":"),
        (b"x-forwarded-client-cert", b"Hash=" + woovi.thumbprint.encode()),
        (b"x-client-cert", pem(woovi).encode()),
    ]
    assert ask(KnownClients(app, gate=gate), scope(headers=headers))[0]["status"] == 401
    assert app.scopes == []


TOLD_NOTHING: dict[str, Callable[[Identity], object]] = {
    "no extension": lambda _: None,
    "an extension without a chain": lambda _: {},
    "an extension that is none": lambda _: "nothing",
}
BAD: dict[str, Callable[[Identity], object]] = {
    name: make for name, (make, _) in REFUSED.items() if name not in {"no extension", "empty extension", "empty chain"}
}


@pytest.fixture
def public(home: Home) -> Iterator[LiveGate]:
    """A gate with a public path."""
    settings = home.path / "mutua.toml"
    settings.write_text('public = ["GET /healthz"]\n' + settings.read_text())
    with Home.open(home.path) as opened, closing(LiveGate(opened)) as running:
        yield running


def test_a_public_path_is_anyones_where_the_server_says_that_no_certificate_was_shown(
    public: LiveGate, app: Application, caplog: pytest.LogCaptureFixture
) -> None:
    guarded = KnownClients(app, gate=public)
    nobody: dict[str, object] = {"client_cert_chain": []}
    forged = {KNOWN_CLIENT: KnownClient("woovi", "x", CredentialKind.ISSUED)}
    with caplog.at_level("INFO", "mutua.access"):
        assert ask(guarded, scope(nobody, "/healthz", state=forged))[0]["status"] == 200
        assert ask(guarded, scope(nobody, "/status"))[0]["status"] == 401
    (seen,) = app.scopes
    assert KNOWN_CLIENT not in seen["state"]
    assert seen["extensions"]["tls"] == {"client_cert_chain": [], "client_cert_error": None}
    with pytest.raises(UnknownClient, match="this path is public and no certificate was shown"):
        known_client(Request(seen))
    lines = [json.loads(record.getMessage()) for record in caplog.records]
    assert [(line["event"], line["client"], line["thumbprint"], line.get("public")) for line in lines] == [
        ("admitted", None, None, True),
        ("refused", None, None, None),
    ]


def test_what_is_public_is_so_from_the_start_of_a_gate_to_its_end(
    home: Home, public: LiveGate, app: Application
) -> None:
    settings = home.path / "mutua.toml"
    settings.write_text(settings.read_text().replace("/healthz", "/status"))
    before = public.version
    home.clients.add("something-changes")
    until(lambda: public.version > before)
    told: dict[str, object] = {"client_cert_chain": []}
    guarded = KnownClients(app, gate=public)
    assert [ask(guarded, scope(told, path))[0]["status"] for path in ("/healthz", "/status")] == [200, 401]


@pytest.mark.parametrize("make", [*TOLD_NOTHING.values(), *BAD.values()], ids=[*TOLD_NOTHING, *BAD])
def test_nobody_gets_to_a_public_path_of_whom_the_server_does_not_say_so(
    make: Callable[[Identity], object], public: LiveGate, app: Application, woovi: Identity
) -> None:
    assert ask(KnownClients(app, gate=public), scope(make(woovi), "/healthz"))[0]["status"] == 401
    assert app.scopes == []


def test_a_suspended_client_is_refused_on_a_public_path_and_a_known_one_is_known(
    home: Home, public: LiveGate, app: Application, woovi: Identity
) -> None:
    home.clients.add("bare")
    bare = home.authority.issue_client("bare")
    guarded = KnownClients(app, gate=public)
    until(lambda: ask(guarded, scope({"client_cert_chain": [pem(bare)]}, "/healthz"))[0]["status"] == 200)
    assert known_client(app.scopes[-1]).name == "bare"
    assert ask(guarded, scope({"client_cert_chain": [pem(bare)]}))[0]["status"] == 403
    home.clients.suspend("bare")
    until(lambda: ask(guarded, scope({"client_cert_chain": [pem(bare)]}, "/healthz"))[0]["status"] == 403)


def test_a_websocket_of_anyone_opens_where_it_is_public_and_is_asked_about_at_every_message(
    public: LiveGate, app: Application
) -> None:
    guarded = KnownClients(app, gate=public)
    told: dict[str, object] = {"client_cert_chain": []}
    dial = {"type": "websocket.connect"}
    assert ask(guarded, scope(told, type="websocket"), dial) == [{"type": "websocket.close", "code": 1008}]
    assert app.scopes == []
    ask(guarded, scope(told, "/healthz", type="websocket"), dial)
    assert [each["path"] for each in app.scopes] == ["/healthz"]


ENDS = {"suspended": True, "not_granted": False, "malformed": False}


@pytest.mark.parametrize("version", ["1.1", "2"])
@pytest.mark.parametrize("reason", ENDS)
def test_the_connection_ends_with_a_refusal_of_the_client_and_with_no_other(
    reason: str, version: str, home: Home, gate: LiveGate, app: Application, woovi: Identity
) -> None:
    if reason == "suspended":
        home.clients.suspend("woovi")
    asked = {"suspended": "/status", "not_granted": "/status", "malformed": "/a/../b"}[reason]
    method = "DELETE" if reason == "not_granted" else "GET"
    guarded = KnownClients(app, gate=gate)
    hung_up: list[str] = []
    answers: list[Any] = []

    def is_refused() -> bool:
        state = {HANG_UP: lambda: hung_up.append(reason)}
        request = scope({"client_cert_chain": [pem(woovi)]}, asked, method=method, http_version=version, state=state)
        answers.append(ask(guarded, request)[0])
        return bool(answers[-1]["status"] != 200)

    until(is_refused)
    said = dict(answers[-1]["headers"]).get(b"connection")
    assert said == (b"close" if ENDS[reason] and version == "1.1" else None)
    assert hung_up == [reason] * ENDS[reason]


def forwarded(certificate: bytes | None, path: str, hung_up: list[bool]) -> dict[str, Any]:
    """A request that a proxy has passed on over a connection that other clients use too."""
    state = {CONNECTION: Connection(None, "unix", SocketPeer(None)), HANG_UP: lambda: hung_up.append(True)}
    headers = [] if certificate is None else [(b"client-cert", certificate)]
    return scope(path=path, headers=headers, state=state, http_version="1.1")


def field(identity: Identity) -> bytes:
    return b":" + b64encode(write_der(identity.certificate)) + b":"


def test_behind_a_proxy_the_same_is_public_and_no_refusal_of_one_client_ends_the_connection_of_all(
    home: Home, public: LiveGate, app: Application, woovi: Identity
) -> None:
    forwarding = Forwarding(ForwardedSettings(dialect="rfc9440", unix_socket=True))
    guarded, hung_up = KnownClients(app, gate=public, forwarding=forwarding), list[bool]()

    def answer(certificate: bytes | None, path: str) -> int:
        start = ask(guarded, forwarded(certificate, path, hung_up))[0]
        assert b"connection" not in dict(start["headers"])
        return int(start["status"])

    assert [answer(None, path) for path in ("/healthz", "/status", "/healthz/..")] == [200, 401, 400]
    assert [answer(field(woovi), path) for path in ("/healthz", "/status")] == [200, 200]
    assert answer(field(unregistered_identity(home)), "/healthz") == 403
    assert answer(b":junk:", "/healthz") == 400
    home.clients.suspend("woovi")
    until(lambda: answer(field(woovi), "/healthz") == 403)
    assert hung_up == []
    assert [CONNECTION in seen["state"] for seen in app.scopes] == [False] * len(app.scopes)


def test_a_refused_websocket_is_answered_or_closed(gate: LiveGate, app: Application) -> None:
    dialled = scope(type="websocket")
    closed = ask(KnownClients(app, gate=gate), dialled, {"type": "websocket.connect"})
    assert closed == [{"type": "websocket.close", "code": 1008}]
    dialled["extensions"]["websocket.http.response"] = {}
    answered = ask(KnownClients(app, gate=gate), dialled, {"type": "websocket.connect"})
    assert [message["type"] for message in answered] == [
        "websocket.http.response.start",
        "websocket.http.response.body",
    ]
    assert answered[0]["status"] == 401
    assert app.scopes == []


def test_an_error_of_the_application_stays_its_own_and_is_logged(
    gate: LiveGate, app: Application, woovi: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    app.fails = True
    with caplog.at_level("INFO", "mutua.access"), pytest.raises(LookupError):
        ask(KnownClients(app, gate=gate), scope({"client_cert_chain": [pem(woovi)]}))
    assert '"status": 500' in caplog.text


def test_the_lifespan_starts_the_gate_and_closes_it(home: Home, app: Application) -> None:
    middleware = KnownClients(app, home)
    held: list[LiveGate] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        held.append(middleware.gate)

    middleware.app = application
    ask(middleware, {"type": "lifespan"})
    (gate,) = held
    assert not gate._watcher._thread.is_alive()
    assert middleware.gate is not gate
    middleware.gate.close()


def test_a_gate_that_was_given_is_left_to_its_giver(
    home: Home, gate: LiveGate, app: Application, woovi: Identity
) -> None:
    middleware = KnownClients(app, gate=gate)
    ask(middleware, {"type": "lifespan"})
    home.clients.suspend("woovi")
    until(lambda: ask(middleware, scope({"client_cert_chain": [pem(woovi)]}))[0]["status"] == 403)


def test_the_home_may_be_given_as_a_path(home: Home, app: Application, woovi: Identity) -> None:
    middleware = KnownClients(app, str(home.path))
    assert ask(middleware, scope({"client_cert_chain": [pem(woovi)]}))[0]["status"] == 200
    middleware.gate.close()


def test_a_request_and_its_scope_tell_the_same_client(gate: LiveGate, app: Application, woovi: Identity) -> None:
    ask(KnownClients(app, gate=gate), scope({"client_cert_chain": [pem(woovi)]}))
    (seen,) = app.scopes
    assert known_client(Request(seen)) == known_client(seen)
    assert known_client(Request(seen)).name == "woovi"


@pytest.mark.parametrize("outside", [scope(), scope(state={KNOWN_CLIENT: "woovi"}), {}, None])
def test_outside_the_gate_nobody_is_known(outside: Any) -> None:
    with pytest.raises(UnknownClient):
        known_client(outside)
    if outside:
        with pytest.raises(UnknownClient):
            known_client(Request(outside))

"""The middleware in front of an ASGI application of one's own: scopes are its interface, so the tests make scopes."""

import asyncio
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.requests import Request

from mutua import Home
from mutua.asgi import KnownClients, known_client
from mutua.errors import UnknownClient
from mutua.inbound.connection import CONNECTION, KNOWN_CLIENT
from mutua.inbound.live_gate import LiveGate
from mutua.pki.certificates import write_der
from mutua.registry.clients import KnownClient
from mutua.registry.credentials import CredentialKind
from mutua.tls.identity import Identity
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
    "no extension": (lambda _: None, 403),
    "empty extension": (lambda _: {}, 403),
    "empty chain": (lambda _: {"client_cert_chain": []}, 403),
    "an error beside the chain": (
        lambda who: {"client_cert_chain": [pem(who)], "client_cert_error": "certificate has expired"},
        403,
    ),
    "junk": (lambda _: {"client_cert_chain": ["-----BEGIN CERTIFICATE-----\njunk\n-----END CERTIFICATE-----"]}, 403),
    "junk bytes": (lambda _: {"client_cert_chain": [b"\x30\x03junk"]}, 403),
    "not ASCII": (lambda _: {"client_cert_chain": ["-----BEGIN é"]}, 403),
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
    assert sent[0]["status"] == 403
    assert dict(sent[0]["headers"])[b"content-type"] == b"application/problem+json"
    assert sent[1]["body"] == b""
    assert ask(KnownClients(app, gate=gate), scope())[1]["body"] == (
        b'{"type":"about:blank","title":"Forbidden","status":403}'
    )


def test_a_scope_of_an_unknown_type_is_let_through_by_nobody(gate: LiveGate, app: Application) -> None:
    with pytest.raises(RuntimeError, match="webtransport"):
        ask(KnownClients(app, gate=gate), scope(type="webtransport"))
    assert app.scopes == []


@pytest.mark.parametrize("forged", ["woovi", {"peer": "woovi"}, object()], ids=["text", "mapping", "object"])
def test_a_forged_state_is_no_identity(forged: object, gate: LiveGate, app: Application) -> None:
    state = {CONNECTION: forged, KNOWN_CLIENT: KnownClient("woovi", "x", CredentialKind.ISSUED)}
    sent = ask(KnownClients(app, gate=gate), scope(state=state))
    assert (sent[0]["status"], app.scopes) == (403, [])


def test_forged_headers_are_no_identity(gate: LiveGate, app: Application, woovi: Identity) -> None:
    headers = [
        (b"client-cert", b":" + pem(woovi).encode() + b":"),
        (b"x-forwarded-client-cert", b"Hash=" + woovi.thumbprint.encode()),
        (b"x-client-cert", pem(woovi).encode()),
    ]
    assert ask(KnownClients(app, gate=gate), scope(headers=headers))[0]["status"] == 403
    assert app.scopes == []


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
    assert answered[0]["status"] == 403
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

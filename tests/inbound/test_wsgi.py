"""The middleware in front of a WSGI application of one's own: environs are its interface, so tests make environs."""

import json
import logging
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mutua import Home
from mutua.errors import UnknownClient
from mutua.inbound.connection import CONNECTION, Connection
from mutua.inbound.forwarded.dialects import DIALECTS
from mutua.inbound.live_gate import LiveGate
from mutua.inbound.wsgi_environ import clean, request_of
from mutua.pki.certificates import write_der
from mutua.registry.clients import KnownClient
from mutua.registry.credentials import CredentialKind
from mutua.tls.identity import Identity
from mutua.tls.peer import PeerCertificate
from mutua.wsgi import KnownClients, known_client
from tests.inbound.certificates import strangers_identity, unregistered_identity
from tests.inbound.connections import LiveConnection, client_context, until
from tests.serving import ROOT


class Application:
    """Remembers what reached it."""

    def __init__(self) -> None:
        self.environs: list[dict[str, Any]] = []
        self.fails = False
        self.body: Any = [b"in"]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        self.environs.append(dict(environ))
        if self.fails:
            raise LookupError("the application's own")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return self.body


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


def environ(path: str = "/status", /, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": path, "RAW_URI": path}
    made |= {"QUERY_STRING": ""}
    made |= {"REMOTE_ADDR": "192.0.2.7", "REMOTE_PORT": "4711", **more}
    setup_testing_defaults(made)
    return made


def proved(gate: LiveGate, identity: Identity) -> Connection:
    """What a door of ours hands over."""
    return Connection(
        PeerCertificate.read(tuple(map(write_der, gate.trust.path(identity.certificate)))), "192.0.2.7:4711"
    )


def ask(middleware: KnownClients, of: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    """What the middleware answers, watched by wsgiref's validator."""
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], error: Any = None) -> Any:
        started.append((int(status[:3]), dict(headers)))
        return lambda _: None

    body = middleware(of, start_response)
    try:
        data = b"".join(body)
    finally:
        if hasattr(body, "close"):
            body.close()
    return (*started[-1], data)


def pem(identity: Identity) -> str:
    return ssl.DER_cert_to_PEM_cert(write_der(identity.certificate))


def test_a_known_client_reaches_the_application_and_is_introduced(
    gate: LiveGate, app: Application, woovi: Identity
) -> None:
    status, _, body = ask(KnownClients(app, gate=gate), environ(**{CONNECTION: proved(gate, woovi)}))
    assert (status, body) == (200, b"in")
    (seen,) = app.environs
    assert known_client(seen) == KnownClient("woovi", woovi.thumbprint, CredentialKind.ISSUED)
    assert seen["SSL_CLIENT_VERIFY"] == "SUCCESS"
    assert seen["SSL_CLIENT_CERT"] == pem(woovi)
    assert CONNECTION not in seen


def test_the_variables_are_those_of_openssl(
    gate: LiveGate, app: Application, woovi: Identity, peer: Callable[[str], str], tmp_path: Path
) -> None:
    ask(KnownClients(app, gate=gate), environ(**{CONNECTION: proved(gate, woovi)}))
    (seen,) = app.environs
    (tmp_path / "leaf.pem").write_text(seen["SSL_CLIENT_CERT"])
    command = [peer("openssl"), "x509", "-in", str(tmp_path / "leaf.pem"), "-noout", "-nameopt", "RFC2253"]
    said = subprocess.run(
        [*command, "-subject", "-issuer", "-serial", "-fingerprint", "-sha1"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    told = dict(line.split("=", 1) for line in said.stdout.splitlines())
    assert seen["SSL_CLIENT_S_DN"] == told["subject"].strip()
    assert seen["SSL_CLIENT_I_DN"] == told["issuer"].strip()
    assert seen["SSL_CLIENT_M_SERIAL"] == told["serial"]
    fingerprint = next(value for name, value in told.items() if "ingerprint" in name)
    assert seen["SSL_CLIENT_FINGERPRINT"] == fingerprint.replace(":", "").lower()


def test_apaches_word_counts_only_where_the_server_is_said_to_verify(
    gate: LiveGate, app: Application, woovi: Identity
) -> None:
    told = {"SSL_CLIENT_VERIFY": "SUCCESS", "SSL_CLIENT_CERT": pem(woovi)}
    assert ask(KnownClients(app, gate=gate), environ(**told))[0] == 401
    assert app.environs == []
    assert ask(KnownClients(app, gate=gate, server_verifies=True), environ(**told))[0] == 200
    assert known_client(app.environs[0]).name == "woovi"
    assert app.environs[0]["SSL_CLIENT_CERT_CHAIN_0"].startswith("-----BEGIN")


SERVERS_WORDS: dict[str, Callable[[Identity], dict[str, str]]] = {
    "nothing": lambda _: {},
    "not verified": lambda who: {"SSL_CLIENT_VERIFY": "NONE", "SSL_CLIENT_CERT": pem(who)},
    "generously verified": lambda who: {"SSL_CLIENT_VERIFY": "GENEROUS", "SSL_CLIENT_CERT": pem(who)},
    "failed": lambda who: {"SSL_CLIENT_VERIFY": "FAILED:expired", "SSL_CLIENT_CERT": pem(who)},
    "verified in other letters": lambda who: {"SSL_CLIENT_VERIFY": "success", "SSL_CLIENT_CERT": pem(who)},
    "a certificate alone": lambda who: {"SSL_CLIENT_CERT": pem(who)},
    "no certificate": lambda _: {"SSL_CLIENT_VERIFY": "SUCCESS"},
    "an empty certificate": lambda _: {"SSL_CLIENT_VERIFY": "SUCCESS", "SSL_CLIENT_CERT": ""},
    "junk": lambda _: {"SSL_CLIENT_VERIFY": "SUCCESS", "SSL_CLIENT_CERT": pem_of("anVuaw==")},
    "not ASCII": lambda _: {"SSL_CLIENT_VERIFY": "SUCCESS", "SSL_CLIENT_CERT": pem_of("é")},
    "in a header": lambda who: {"HTTP_SSL_CLIENT_VERIFY": "SUCCESS", "HTTP_SSL_CLIENT_CERT": pem(who)},
}


def pem_of(body: str) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("case", SERVERS_WORDS)
def test_without_a_verified_certificate_nobody_gets_in(
    case: str, gate: LiveGate, app: Application, woovi: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    guarded = KnownClients(app, gate=gate, server_verifies=True)
    with caplog.at_level("INFO", "mutua.access"):
        assert ask(guarded, environ(**SERVERS_WORDS[case](woovi)))[0] == 401
    assert app.environs == []
    assert '"reason": "no_certificate"' in caplog.text
    assert '"peer": "192.0.2.7:4711"' in caplog.text


def test_a_certificate_that_a_careless_server_verified_is_known_to_nobody(
    home: Home, gate: LiveGate, app: Application, tmp_path: Path
) -> None:
    guarded = KnownClients(app, gate=gate, server_verifies=True)
    for identity in (unregistered_identity(home), strangers_identity(tmp_path / "stranger")):
        told = {"SSL_CLIENT_VERIFY": "SUCCESS", "SSL_CLIENT_CERT": pem(identity)}
        assert ask(guarded, environ(**told))[0] == 403
    assert app.environs == []


@pytest.mark.parametrize("forged", ["woovi", {"peer": "woovi"}, object()], ids=["text", "mapping", "object"])
def test_a_forged_connection_is_no_identity(forged: object, gate: LiveGate, app: Application) -> None:
    known = KnownClient("woovi", "x", CredentialKind.ISSUED)
    keys = {CONNECTION: forged, "mutua.known_client": known, "gunicorn.socket": forged, "werkzeug.socket": forged}
    assert ask(KnownClients(app, gate=gate), environ(**keys))[0] == 401
    assert app.environs == []


def header_key(name: str) -> str:
    return "HTTP_" + name.upper().replace("-", "_")


FORGED = sorted(
    {header_key(name) for make in DIALECTS.values() for name in make().headers}
    | {"HTTP_SSL_CLIENT_VERIFY", "HTTP_SSL_CLIENT_S_DN", "HTTP_X_SSL_CLIENT_S_DN", "HTTP_X_SSL_CERT"}
    | {"HTTP_X_CLIENT_CERTIFICATE", "HTTP_X_ARR_CLIENTCERT", "HTTP_MUTUA_KNOWN_CLIENT", "HTTP_X_TLS_CLIENT_SUBJECT"}
    | {"SSL_CLIENT_S_DN_CN", "SSL_CLIENT_V_REMAIN", "mutua.known_client", "mutua.anything"}
)


@pytest.mark.parametrize("key", FORGED)
def test_nothing_that_looks_like_an_identity_reaches_the_application(
    key: str, gate: LiveGate, app: Application, woovi: Identity
) -> None:
    forged = environ(**{CONNECTION: proved(gate, woovi), key: "forged"})
    assert ask(KnownClients(app, gate=gate), forged)[0] == 200
    assert app.environs[0].get(key) != "forged"


def test_other_headers_are_left_alone() -> None:
    kept = environ(HTTP_X_FORWARDED_FOR="203.0.113.9", HTTP_AUTHORIZATION="x", HTTP_X_REQUEST_ID="1", SSL_PROTOCOL="y")
    before = dict(kept)
    clean(kept)
    assert kept == before


PATHS: dict[str, dict[str, str]] = {
    "no raw path": {"RAW_URI": ""},
    "another raw path": {"RAW_URI": "/else"},
    "two raw paths": {"REQUEST_URI": "/else"},
    "dot segments": {"RAW_URI": "/x/../status"},
    "dot segments that the server left": {"RAW_URI": "/x/../status", "PATH_INFO": "/x/../status"},
    "an encoded slash": {"RAW_URI": "/a%2Fb", "PATH_INFO": "/a/b"},
    "encoded twice": {"RAW_URI": "/%2573", "PATH_INFO": "/%73"},
    "two slashes": {"RAW_URI": "//status", "PATH_INFO": "//status"},
    "a script that the path does not begin with": {"SCRIPT_NAME": "/webhook"},
    "a script from a header": {
        "RAW_URI": "/webhook/x",
        "SCRIPT_NAME": "/webhook",
        "PATH_INFO": "/x",
        "HTTP_SCRIPT_NAME": "/webhook",
    },
    "a path from a header": {"HTTP_PATH_INFO": "/admin"},
    "the server's own form": {"RAW_URI": "*", "PATH_INFO": ""},
    "an authority": {"RAW_URI": "other.example:443", "PATH_INFO": "other.example:443"},
    "not UTF-8": {"RAW_URI": "/%ff", "PATH_INFO": "/\xff"},
    "no WSGI text": {"PATH_INFO": "/status\u2028"},
    "an absolute form without a path": {"RAW_URI": "https://api.example", "PATH_INFO": ""},
}


@pytest.mark.parametrize("case", PATHS)
def test_a_path_that_could_mean_two_things_is_malformed(
    case: str, gate: LiveGate, app: Application, woovi: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    asked = environ(**{CONNECTION: proved(gate, woovi), **PATHS[case]})
    with caplog.at_level("INFO", "mutua.access"):
        assert ask(KnownClients(app, gate=gate), asked)[0] == 400
    assert app.environs == []
    assert '"reason": "malformed"' in caplog.text


def test_without_any_raw_path_the_gate_refuses(gate: LiveGate, app: Application, woovi: Identity) -> None:
    asked = environ(**{CONNECTION: proved(gate, woovi)})
    del asked["RAW_URI"]
    assert ask(KnownClients(app, gate=gate), asked)[0] == 400
    assert app.environs == []


@pytest.mark.parametrize(
    "told",
    [
        {"RAW_URI": "/status?a=/../b"},
        {"RAW_URI": "https://api.example/status?x"},
        {"REQUEST_URI": "/status"},
        {"RAW_URI": "/caf%C3%A9", "PATH_INFO": "/caf\xc3\xa9"},
        {"RAW_URI": "/mounted/status", "SCRIPT_NAME": "/mounted", "PATH_INFO": "/status"},
    ],
    ids=["query", "absolute form", "both told the same", "UTF-8", "mounted"],
)
def test_a_path_that_means_one_thing_is_let_through(
    told: dict[str, str], gate: LiveGate, app: Application, woovi: Identity
) -> None:
    asked = environ(**{CONNECTION: proved(gate, woovi), **told})
    assert ask(KnownClients(app, gate=gate), asked)[0] == 200


def test_a_grant_covers_the_whole_path_of_a_mounted_application(home: Home, gate: LiveGate, app: Application) -> None:
    home.clients.add("narrow", allow=["GET /webhook/*"])
    narrow = proved(gate, home.authority.issue_client("narrow"))
    guarded = KnownClients(app, gate=gate)
    inside = {"RAW_URI": "/webhook/x", "SCRIPT_NAME": "/webhook", "PATH_INFO": "/x"}
    until(lambda: ask(guarded, environ(**{CONNECTION: narrow, **inside}))[0] == 200)
    outside = {"RAW_URI": "/admin/webhook/x", "SCRIPT_NAME": "/admin", "PATH_INFO": "/webhook/x"}
    assert ask(guarded, environ(**{CONNECTION: narrow, **outside}))[0] == 403


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.text(max_size=20),
    script=st.text(max_size=5),
    raw=st.one_of(st.none(), st.text(max_size=20)),
)
def test_whatever_the_server_tells_is_read_or_left_unread(path: str, script: str, raw: str | None) -> None:
    asked: dict[str, Any] = {"REQUEST_METHOD": "GET", "SCRIPT_NAME": script, "PATH_INFO": path}
    if raw is not None:
        asked["RAW_URI"] = raw
    request = request_of(asked)
    assert isinstance(request.path, str)
    assert request.raw_path is None or isinstance(request.raw_path, bytes)


def test_the_answer_is_constant_and_head_has_no_body(gate: LiveGate, app: Application) -> None:
    guarded = KnownClients(app, gate=gate)
    status, headers, body = ask(guarded, environ())
    assert (status, body) == (401, b'{"type":"about:blank","title":"Unauthorized","status":401}')
    assert headers == {
        "Content-Type": "application/problem+json",
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "Www-Authenticate": "ClientCertificate",
    }
    assert ask(guarded, environ(REQUEST_METHOD="HEAD")) == (401, headers, b"")


def test_it_keeps_to_pep_3333(gate: LiveGate, app: Application, woovi: Identity) -> None:
    guarded = validator(KnownClients(validator(app), gate=gate))
    for connection in (proved(gate, woovi), None):
        body = guarded(environ(**{CONNECTION: connection}), lambda *_: lambda _: None)
        assert b"".join(body)
        body.close()  # type: ignore[attr-defined]


class Closable(list[bytes]):
    closed = 0

    def close(self) -> None:
        self.closed += 1


def test_the_line_is_written_when_the_server_has_done_with_the_answer(
    gate: LiveGate, app: Application, woovi: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    app.body = Closable([b"a", b"b"])
    guarded = KnownClients(app, gate=gate)
    with caplog.at_level("INFO", "mutua.access"):
        body = guarded(environ(**{CONNECTION: proved(gate, woovi)}), lambda *_: None)
        assert list(body) == [b"a", b"b"]
        assert caplog.text == ""
        body.close()  # type: ignore[attr-defined]
    line = json.loads(caplog.records[-1].getMessage())
    assert (line["event"], line["client"], line["status"], line["path"]) == ("admitted", "woovi", 200, "/status")
    assert app.body.closed == 1


def test_without_lines_the_answer_is_the_applications_own(
    gate: LiveGate, app: Application, woovi: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("WARNING", "mutua.access"):
        body = KnownClients(app, gate=gate)(environ(**{CONNECTION: proved(gate, woovi)}), lambda *_: None)
    assert body is app.body


def test_an_error_of_the_application_stays_its_own_and_is_logged(
    gate: LiveGate, app: Application, woovi: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    app.fails = True
    with caplog.at_level("INFO", "mutua.access"), pytest.raises(LookupError):
        ask(KnownClients(app, gate=gate), environ(**{CONNECTION: proved(gate, woovi)}))
    assert '"status": 500' in caplog.text


def test_a_refused_client_is_hung_up_on_where_the_door_can(gate: LiveGate, app: Application, woovi: Identity) -> None:
    hung_up: list[bool] = []
    for connection in (proved(gate, woovi), None):
        ask(
            KnownClients(app, gate=gate),
            environ(**{CONNECTION: connection, "mutua.hang_up": lambda: hung_up.append(True)}),
        )
    assert hung_up == [True]


def test_a_client_that_is_refused_for_what_it_asks_alone_is_not_hung_up_on(
    gate: LiveGate, app: Application, woovi: Identity
) -> None:
    hung_up: list[bool] = []
    keys = {CONNECTION: proved(gate, woovi), "mutua.hang_up": lambda: hung_up.append(True)}
    for asked in ({"REQUEST_METHOD": "DELETE"}, {"PATH_INFO": "/a/../b", "RAW_URI": "/a/../b"}):
        assert ask(KnownClients(app, gate=gate), environ(**keys, **asked))[0] in {400, 403}
    assert (hung_up, app.environs) == ([], [])


@pytest.fixture
def public(home: Home) -> Iterator[LiveGate]:
    """A gate with a public path."""
    settings = home.path / "mutua.toml"
    settings.write_text('public = ["GET /status"]\n' + settings.read_text())
    with Home.open(home.path) as opened, closing(LiveGate(opened)) as running:
        yield running


def test_a_public_path_is_anyones_where_the_server_says_that_no_certificate_was_shown(
    public: LiveGate, app: Application, caplog: pytest.LogCaptureFixture
) -> None:
    guarded = KnownClients(app, gate=public, server_verifies=True)
    forged = {"mutua.known_client": KnownClient("woovi", "x", CredentialKind.ISSUED)}
    with caplog.at_level("INFO", "mutua.access"):
        assert ask(guarded, environ(SSL_CLIENT_VERIFY="NONE", **forged))[0] == 200
        assert ask(guarded, environ(**{CONNECTION: Connection(None, "192.0.2.7:4711")}))[0] == 200
    for seen in app.environs:
        with pytest.raises(UnknownClient, match="this path is public and no certificate was shown"):
            known_client(seen)
        assert not any(key.startswith("SSL_CLIENT") for key in seen)
    line = json.loads(caplog.records[-1].getMessage())
    assert (line["event"], line["client"], line["thumbprint"], line["public"]) == ("admitted", None, None, True)


@pytest.mark.parametrize("case", SERVERS_WORDS)
def test_nobody_gets_to_a_public_path_of_whom_the_server_does_not_say_so(
    case: str, public: LiveGate, app: Application, woovi: Identity
) -> None:
    guarded = KnownClients(app, gate=public, server_verifies=True)
    assert ask(guarded, environ(**SERVERS_WORDS[case](woovi)))[0] == 401
    assert ask(KnownClients(app, gate=public), environ(SSL_CLIENT_VERIFY="NONE"))[0] == 401
    assert app.environs == []


def test_a_suspension_counts_at_the_next_request(home: Home, gate: LiveGate, app: Application, woovi: Identity) -> None:
    guarded, connection = KnownClients(app, gate=gate), proved(gate, woovi)
    assert ask(guarded, environ(**{CONNECTION: connection}))[0] == 200
    home.clients.suspend("woovi")
    until(lambda: ask(guarded, environ(**{CONNECTION: connection}))[0] == 403)


@pytest.mark.parametrize("as_path", [True, False])
def test_the_home_is_opened_by_the_first_request(
    as_path: bool, home: Home, app: Application, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    guarded = KnownClients(app, str(home.path) if as_path else home)
    assert ask(guarded, environ())[0] == 401
    guarded.gate.close()


class Flasks:
    """A request as frameworks have it."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self.environ = environ


def test_a_request_and_its_environ_tell_the_same_client(gate: LiveGate, app: Application, woovi: Identity) -> None:
    ask(KnownClients(app, gate=gate), environ(**{CONNECTION: proved(gate, woovi)}))
    (seen,) = app.environs
    assert known_client(Flasks(seen)) is known_client(seen)


@pytest.mark.parametrize(
    "outside",
    [environ(), environ(**{"mutua.known_client": "woovi"}), {}, None, Flasks({}), Flasks(None)],  # type: ignore[arg-type]
)
def test_outside_the_gate_nobody_is_known(outside: Any) -> None:
    with pytest.raises(UnknownClient):
        known_client(outside)


@pytest.fixture
def werkzeugs(home: Home, app: Application, gate: LiveGate) -> Iterator[int]:
    """The port of werkzeug's own server, which demands certificates; the middleware is put in by hand."""
    from werkzeug.serving import make_server

    context = home.identities.load("api").server_context(home.trust)
    server = make_server("127.0.0.1", 0, KnownClients(app, gate=gate), threaded=True, ssl_context=context)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield server.port
    server.shutdown()
    serving.join()
    server.server_close()


def test_werkzeugs_socket_is_enough(home: Home, app: Application, werkzeugs: int) -> None:
    with LiveConnection(werkzeugs, client_context(home)) as connection:
        assert connection.get("/status") == 200
        address = connection.address
    (seen,) = app.environs
    assert known_client(seen).name == "woovi"
    assert seen["SSL_CLIENT_CERT_CHAIN_0"].startswith("-----BEGIN")
    assert f"{seen['REMOTE_ADDR']}:{seen['REMOTE_PORT']}" == address


def test_so_is_that_of_a_gunicorn_of_ones_own(home: Home, tmp_path: Path) -> None:
    identity = home.path / "identities" / "api"
    (tmp_path / "own.py").write_text(
        "from mutua.wsgi import KnownClients\nfrom tests.wsgi_echo import app\n"
        f"guarded = KnownClients(app, {str(home.path)!r})\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        port = listener.getsockname()[1]
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            "own:guarded",
            "-k",
            "gthread",
            "--bind",
            f"fd://{listener.fileno()}",
        ]
        command += ["--keyfile", str(identity / "key.pem"), "--certfile", str(identity / "chain.pem")]
        command += ["--ca-certs", str(home.path / "ca.pem"), "--cert-reqs", "1", "--no-control-socket"]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        with subprocess.Popen(
            command, cwd=tmp_path, env=environment, pass_fds=[listener.fileno()], stdout=-3, stderr=-3
        ) as server:
            try:
                with LiveConnection(port, client_context(home)) as connection:
                    assert connection.get("/status") == 200
                # It was told to ask for a certificate, and to let in whoever has none. The gate does not.
                with LiveConnection(port, home.trust.client_context()) as connection:
                    assert connection.get("/status") == 401
            finally:
                server.terminate()

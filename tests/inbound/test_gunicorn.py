"""What is gunicorn's own about its door: its settings, its processes, its blocking sockets."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from gunicorn.config import make_settings  # type: ignore[import-untyped]

from mutua import Home
from mutua.errors import InvalidSettings, RefusedRenewal
from mutua.inbound.gunicorn.application import DoorApplication
from mutua.inbound.gunicorn.plan import Plan, Words
from mutua.inbound.gunicorn.settings import TUNABLE
from mutua.inbound.gunicorn.upkeep import UpkeepProcess
from mutua.pki.certificates import write_pem
from tests.home.renewing import by_connection
from tests.inbound.certificates import strangers_identity
from tests.inbound.connections import LiveConnection, client_context, until
from tests.inbound.gunicorn_server import APPS, GunicornServing, command, environment
from tests.inbound.test_hostile_peers import client_hello, hostile_bytes, throw
from tests.serving import ROOT, Serving

WORKERS = tuple(APPS)
BLOCKING = ("gthread", "sync")
SILENT_PEERS = 50


@pytest.fixture
def begin(home: Home) -> Iterator[Callable[..., GunicornServing]]:
    """Starts gunicorn: ``begin("gthread", workers=2)``."""
    with ExitStack() as stack:

        def start(worker: str, **options: Any) -> GunicornServing:
            serving = GunicornServing.begin(home.path, worker, **options)
            stack.callback(serving.stop)
            return serving

        yield start


def one_request(home: Home, serving: Serving, path: str = "/status", identity: str = "woovi") -> int:
    with LiveConnection(serving.port, client_context(home, identity)) as connection:
        return connection.get(path)


def raw(home: Home, serving: Serving, request: bytes, identity: str = "woovi") -> bytes:
    plain = socket.create_connection(("127.0.0.1", serving.port), timeout=30)
    with client_context(home, identity).wrap_socket(plain, server_hostname="127.0.0.1") as tls:
        tls.sendall(request)
        data = b""
        while chunk := tls.recv(65536):
            data += chunk
    return data


def assert_nothing_for_nobody(home: Home, serving: Serving) -> None:
    """Without a certificate and without TLS there is not one byte of an answer."""
    request = b"GET /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = home.trust.client_context()
        context.minimum_version = context.maximum_version = version
        assert answer_for_nobody(serving, context, request) == b""
    with socket.create_connection(("127.0.0.1", serving.port), timeout=30) as plain:
        plain.sendall(request)
        assert not plain.recv(65536).startswith(b"HTTP")


def answer_for_nobody(serving: Serving, context: ssl.SSLContext, request: bytes) -> bytes:
    plain = socket.create_connection(("127.0.0.1", serving.port), timeout=30)
    try:
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as tls:
            tls.sendall(request)
            return tls.recv(65536)
    except (ssl.SSLError, ConnectionError):
        return b""


# Its settings.

FAIL_OPEN: dict[str, str] = {
    "ca_certs": "ca_certs = {ca!r}",
    "keyfile": "keyfile = {key!r}",
    "certfile": "certfile = {chain!r}",
    "ciphers": "ciphers = 'ALL:@SECLEVEL=0'",
    "do_handshake_on_connect": "do_handshake_on_connect = True",
    "suppress_ragged_eofs": "suppress_ragged_eofs = False",
    "ssl_context": "def ssl_context(conf, default):\n    return default()",
    "forwarded_allow_ips": "forwarded_allow_ips = '*'",
    "forwarder_headers": "forwarder_headers = '*'",
    "secure_scheme_headers": "secure_scheme_headers = {{'X-SCHEME': 'https'}}",
    "header_map": "header_map = 'dangerous'",
    "proxy_protocol": "proxy_protocol = True",
    "protocol": "protocol = 'uwsgi'",
    "http_protocols": "http_protocols = 'h2,h1'",
    "http2_cleartext": "http2_cleartext = 'both'",
    "bind": "bind = '0.0.0.0:8000'",
    "worker_class": "worker_class = 'gevent'",
    "workers": "workers = 3",
    "wsgi_app": "wsgi_app = 'other:app'",
    "strip_header_spaces": "strip_header_spaces = True",
    "casefold_http_method": "casefold_http_method = True",
    "permit_obsolete_folding": "permit_obsolete_folding = True",
    "capture_output": "capture_output = True",
    "daemon": "daemon = True",
    "dirty_workers": "dirty_workers = 1",
}


def refused_start(
    home: Home, folder: Path, *, worker: str = "uvicorn", app: str | None = None, **variables: str
) -> dict[str, str]:
    """How a start fails, as the error tells it."""
    done = subprocess.run(
        command(home.path, worker, 1, app),
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    told: dict[str, str] = json.loads(done.stderr.splitlines()[-1])
    return told


def lay_down(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str = "", arguments: str = "") -> None:
    """What a start does with gunicorn's own settings."""
    (folder / "gunicorn.conf.py").write_text(text + "\n")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GUNICORN_CMD_ARGS", arguments)
    with closing(UpkeepProcess(folder)) as upkeep, closing(Words()) as words:
        plan = Plan(app="x:y", home=folder, identity=folder, words=words, sightings=upkeep.sightings)
        DoorApplication(plan, workers=1)


def filled(home: Home, text: str) -> str:
    folder = home.path / "identities" / "api"
    return text.format(ca=str(home.path / "ca.pem"), key=str(folder / "key.pem"), chain=str(folder / "chain.pem"))


@pytest.mark.parametrize("setting", FAIL_OPEN)
def test_a_setting_that_opens_the_door_is_refused_with_the_remedy(
    setting: str, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidSettings, match=setting) as refused:
        lay_down(tmp_path, monkeypatch, filled(home, FAIL_OPEN[setting]))
    assert refused.value.hint.startswith(f"take out {setting}: ")


@pytest.mark.parametrize(
    ("arguments", "setting"),
    [
        ("--ca-certs {ca}", "ca_certs"),
        ("--keyfile {key} --certfile {chain} --cert-reqs 0", "certfile"),
        ("--forwarded-allow-ips='*'", "forwarded_allow_ips"),
        ("--bind 127.0.0.1:1", "bind"),
    ],
)
def test_so_is_one_in_the_environment(
    arguments: str, setting: str, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidSettings, match=setting):
        lay_down(tmp_path, monkeypatch, arguments=filled(home, arguments))


@pytest.mark.parametrize("worker", ["gthread", "uvicorn"])
def test_nothing_listens_where_a_setting_was_refused(worker: str, home: Home, tmp_path: Path) -> None:
    (tmp_path / "gunicorn.conf.py").write_text(filled(home, FAIL_OPEN["ca_certs"]))
    told = refused_start(home, tmp_path, worker=worker)
    assert (told["code"], "ca_certs" in told["message"]) == ("invalid_settings", True)


def test_every_setting_is_known_to_gunicorn_and_those_of_tls_are_not_to_be_chosen() -> None:
    known = make_settings()
    assert known.keys() >= TUNABLE
    assert not [name for name in TUNABLE if known[name].section in {"SSL", "HTTP/2"}]


@pytest.mark.parametrize(
    ("text", "arguments"),
    [("keepalive = ", ""), ("raise RuntimeError('x')", ""), ("timeout = 'soon'", ""), ("", "--no-such")],
)
def test_settings_that_cannot_be_read_are_told_of(
    text: str, arguments: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidSettings, match="cannot be read"):
        lay_down(tmp_path, monkeypatch, text, arguments)


ENVIRONMENT = {
    "FORWARDED_ALLOW_IPS": "*",
    "WEB_CONCURRENCY": "3",
    "PORT": "1",
    "GUNICORN_CMD_ARGS": "--threads 2 --keep-alive 7 --max-requests 1000",
}


@pytest.mark.parametrize("worker", WORKERS)
def test_what_the_environment_says_opens_nothing(
    worker: str, home: Home, begin: Callable[..., GunicornServing]
) -> None:
    serving = begin(worker, variables=ENVIRONMENT)
    assert_nothing_for_nobody(home, serving)
    # Where its peer counts as a proxy, gunicorn takes these for the path and the scheme.
    headers = b"Host: localhost\r\nSCRIPT_NAME: /webhook\r\nPATH_INFO: /webhook/x\r\nX-Forwarded-Proto: http\r\n"
    headers += b"X-Forwarded-For: 203.0.113.9\r\nSSL_CLIENT_VERIFY: SUCCESS\r\nSsl-Client-S-Dn: CN=admin\r\n"
    answer = raw(home, serving, b"GET /webhook/x HTTP/1.1\r\n" + headers + b"Connection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    seen = serving.next_line("reached")
    assert (seen["path"], seen["client"], seen["address"]) == ("/webhook/x", "woovi", "127.0.0.1")
    assert seen.get("scheme", "https") == "https"
    if worker in BLOCKING:
        assert seen["environ"]["SSL_CLIENT_S_DN"] == "CN=woovi"
        assert not {"HTTP_SSL_CLIENT_S_DN", "HTTP_SCRIPT_NAME", "HTTP_PATH_INFO"} & set(seen["environ"])
    serving.stop()
    assert {line["client"] for line in serving.reached()} == {"woovi"}


@pytest.mark.parametrize("worker", BLOCKING)
def test_a_header_never_moves_the_path_that_a_grant_is_for(
    worker: str, home: Home, begin: Callable[..., GunicornServing]
) -> None:
    home.clients.add("narrow", allow=["GET /webhook/**"])
    home.identities.save("narrow", home.authority.issue_client("narrow"))
    serving = begin(worker, variables=ENVIRONMENT)
    for name in (b"SCRIPT_NAME", b"Script-Name", b"script_name", b"SCRIPT-NAME"):
        request = (
            b"GET /webhook/admin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + name + b": /webhook\r\n\r\n"
        )
        raw(home, serving, request, "narrow")
    assert one_request(home, serving, "/webhook/last", "narrow") == 200
    serving.stop()
    assert {line["path"] for line in serving.reached()} <= {"/webhook/admin", "/webhook/last"}


def test_settings_that_open_nothing_count(home: Home, begin: Callable[..., GunicornServing], tmp_path: Path) -> None:
    (tmp_path / "gunicorn.conf.py").write_text(
        "threads = 2\nraw_env = ['GREETING=hello']\n"
        "def post_worker_init(worker):\n    worker.log.warning('my own hook, %d threads', worker.cfg.threads)\n"
    )
    serving = begin("gthread", folder=tmp_path)
    assert one_request(home, serving) == 200
    assert "my own hook, 2 threads" in serving.talk


# What it is given.


def test_an_application_that_cannot_be_loaded_is_told_of_as_by_the_other_doors(home: Home, tmp_path: Path) -> None:
    told = refused_start(home, tmp_path, worker="gthread", app="nowhere:app")
    assert (told["code"], "nowhere" in told["message"]) == ("app_not_found", True)


@pytest.mark.parametrize(
    ("worker", "app", "remedy"),
    [
        ("gthread", "tests.echo:app", "asgi"),
        ("sync", "tests.echo:app", "asgi"),
        ("asgi", "tests.wsgi_echo:app", "gthread"),
        ("uvicorn", "tests.wsgi_echo:app", "gthread"),
    ],
)
def test_an_application_of_the_other_kind_is_refused_at_once(
    worker: str, app: str, remedy: str, home: Home, tmp_path: Path
) -> None:
    told = refused_start(home, tmp_path, worker=worker, app=app)
    assert (told["code"], remedy in told["hint"]) == ("app_not_found", True)


def test_an_unknown_worker_a_missing_identity_and_a_missing_home_are_told_of(home: Home, tmp_path: Path) -> None:
    assert refused_start(home, tmp_path, worker="gevent", app="x:y")["code"] == "invalid_input"
    (home.path / "identities" / "api" / "key.pem").unlink()
    assert refused_start(home, tmp_path)["code"] == "unreadable_file"
    (home.path / "mutua.toml").unlink()
    assert refused_start(home, tmp_path)["code"] == "home_not_found"


# Its blocking sockets.


@pytest.mark.parametrize("worker", BLOCKING)
def test_silent_peers_keep_nobody_waiting(worker: str, home: Home, begin: Callable[..., GunicornServing]) -> None:
    serving = begin(worker)
    silent = [socket.create_connection(("127.0.0.1", serving.port), timeout=30) for _ in range(SILENT_PEERS)]
    try:
        for number, plain in enumerate(silent):
            plain.sendall(client_hello()[: number * 3])
        assert one_request(home, serving) == 200
    finally:
        for plain in silent:
            plain.close()


@pytest.mark.parametrize("worker", BLOCKING)
def test_clients_that_ask_for_nothing_keep_nobody_waiting(
    worker: str, home: Home, begin: Callable[..., GunicornServing]
) -> None:
    serving = begin(worker)
    with ExitStack() as stack:
        for _ in range(SILENT_PEERS):
            stack.enter_context(LiveConnection(serving.port, client_context(home)))
        assert one_request(home, serving) == 200


@pytest.mark.parametrize("worker", BLOCKING)
def test_a_silent_peer_is_dropped(
    worker: str, home: Home, begin: Callable[..., GunicornServing], tmp_path: Path
) -> None:
    (tmp_path / "gunicorn.conf.py").write_text(
        "from mutua.inbound.gunicorn import handshakes\n"
        "handshakes.HANDSHAKE_SECONDS = handshakes.FIRST_REQUEST_SECONDS = 1\n"
    )
    serving = begin(worker, folder=tmp_path)
    with socket.create_connection(("127.0.0.1", serving.port), timeout=30) as plain:
        plain.sendall(client_hello()[:100])
        assert plain.recv(1) == b""
    with LiveConnection(serving.port, client_context(home)) as connection:
        connection.tls.settimeout(30)
        assert connection.tls.recv(1) == b""


@pytest.mark.parametrize("worker", BLOCKING)
def test_arbitrary_bytes_disturb_nobody(worker: str, home: Home, begin: Callable[..., GunicornServing]) -> None:
    serving = begin(worker)
    for data in hostile_bytes():
        throw(serving, data)
    assert one_request(home, serving) == 200
    serving.stop()
    assert "Traceback" not in serving.talk
    assert {line["client"] for line in serving.reached()} == {"woovi"}
    assert {line["reason"] for line in serving.lines if line["event"] == "refused"} <= {"handshake_failed", "malformed"}


@pytest.mark.parametrize("worker", BLOCKING)
def test_a_rejected_certificate_is_named_in_the_log(
    worker: str, home: Home, begin: Callable[..., GunicornServing], tmp_path: Path
) -> None:
    serving, stranger = begin(worker), strangers_identity(tmp_path / "stranger")
    context = stranger.client_context(home.trust)
    with pytest.raises(ssl.SSLError, match="unknown ca"), LiveConnection(serving.port, context) as connection:
        connection.tls.recv(1)
    line = serving.next_line("refused")
    assert (line["reason"], line["thumbprint"]) == ("unknown_issuer", stranger.thumbprint)
    assert line["peer"].startswith("127.0.0.1:")


def status_and_session(
    serving: Serving, context: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> tuple[int, ssl.SSLSession | None]:
    """One request on a connection of its own, resumed if a session is given."""
    plain = socket.create_connection(("127.0.0.1", serving.port), timeout=30)
    with context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as tls:
        assert tls.session_reused == (session is not None)
        tls.sendall(b"GET /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        status = int(tls.recv(12)[9:])
        return status, tls.session


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
@pytest.mark.parametrize("worker", BLOCKING)
def test_a_resumed_session_is_judged_anew(
    worker: str, version: ssl.TLSVersion, home: Home, begin: Callable[..., GunicornServing]
) -> None:
    serving, context = begin(worker), client_context(home, version=version)
    status, session = status_and_session(serving, context)
    assert status == 200
    assert status_and_session(serving, context, session)[0] == 200
    home.clients.suspend("woovi")
    until(lambda: status_and_session(serving, context, session)[0] == 403)
    assert serving.next_line("refused")["reason"] == "suspended"


def test_the_connection_of_a_refused_client_ends_with_the_answer(
    home: Home, begin: Callable[..., GunicornServing]
) -> None:
    serving = begin("gthread")
    home.clients.suspend("woovi")
    until(lambda: one_request(home, serving) == 403)
    answer = raw(home, serving, b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"connection: close" in answer.lower()


# Its processes.


def children(process: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def serving_process(home: Home, serving: GunicornServing) -> int:
    assert one_request(home, serving) == 200
    return int(serving.next_line("reached")["process"])


@pytest.mark.parametrize("worker", BLOCKING)
def test_new_connections_get_the_new_certificate(
    worker: str, home: Home, begin: Callable[..., GunicornServing]
) -> None:
    serving = begin(worker, workers=2)
    renewed = home.authority.issue_server("localhost", "127.0.0.1")
    home.identities.save("api", renewed, replace=True)
    shown = ssl.PEM_cert_to_DER_cert(write_pem(renewed.chain[:1]).decode())

    def is_renewed() -> bool:
        with LiveConnection(serving.port, client_context(home)) as connection:
            leaf = connection.tls.getpeercert(binary_form=True)
            assert connection.get() == 200
            return leaf == shown

    until(is_renewed)


def listens(process: int, port: int) -> bool:
    """Whether the process has the socket that listens on the port."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = {
        f"socket:[{line[9]}]" for line in lines if line[3] == "0A" and int(line[1].rpartition(":")[2], 16) == port
    }
    return any(str(each.readlink()) in inodes for each in Path(f"/proc/{process}/fd").iterdir())


def test_one_process_beside_the_workers_keeps_the_home_in_order(
    home: Home, begin: Callable[..., GunicornServing]
) -> None:
    serving = begin("gthread", workers=2)
    arbiter = serving.process.pid
    until(lambda: len(children(arbiter)) == 3)
    upkeep = [each for each in children(arbiter) if not listens(each, serving.port)]
    assert len(upkeep) == 1
    assert len(list(Path(f"/proc/{arbiter}/task").iterdir())) == 1, "the arbiter forks, and has a thread"
    os.kill(upkeep[0], signal.SIGKILL)
    until(lambda: len(set(children(arbiter)) - set(upkeep)) == 3)
    everyone = children(arbiter)
    assert serving.stop() == 0
    assert not [each for each in everyone if Path(f"/proc/{each}").exists()]


def test_what_each_workers_gate_has_seen_is_written_down(home: Home, begin: Callable[..., GunicornServing]) -> None:
    first = home.identities.load("woovi")
    home.identities.save("woovi", by_connection(home, first), replace=True)
    serving = begin("gthread", workers=2)
    assert one_request(home, serving) == 200
    assert serving.stop() == 0
    with pytest.raises(RefusedRenewal, match="is in use"):
        by_connection(home, first)


def test_a_worker_that_dies_is_replaced(home: Home, begin: Callable[..., GunicornServing]) -> None:
    serving = begin("gthread")
    before = serving_process(home, serving)
    os.kill(before, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{before}").exists())
    assert serving_process(home, serving) != before


def test_a_worker_that_dies_while_the_store_is_away_comes_back_with_it(
    home: Home, begin: Callable[..., GunicornServing]
) -> None:
    serving = begin("gthread")
    before = serving_process(home, serving)
    (home.path / "store.db").rename(home.path / "away.db")
    os.kill(before, signal.SIGKILL)
    until(lambda: "cannot start" in serving.talk)
    assert serving.process.poll() is None
    (home.path / "away.db").rename(home.path / "store.db")
    assert serving_process(home, serving) != before


def test_sighup_reads_the_settings_anew_and_goes_on_where_they_would_open_the_door(
    home: Home, begin: Callable[..., GunicornServing], tmp_path: Path
) -> None:
    file = tmp_path / "gunicorn.conf.py"
    hook = "def post_worker_init(worker):\n    worker.log.warning('keepalive %d', worker.cfg.keepalive)\n"
    file.write_text("keepalive = 6\n" + hook)
    serving = begin("gthread", folder=tmp_path)
    before = serving_process(home, serving)
    file.write_text("forwarded_allow_ips = '*'\n")
    serving.process.send_signal(signal.SIGHUP)
    until(lambda: "Going on with the settings before" in serving.talk)
    assert serving_process(home, serving) == before
    file.write_text("keepalive = 7\n" + hook)
    serving.process.send_signal(signal.SIGHUP)
    until(lambda: "keepalive 7" in serving.talk)
    until(lambda: serving_process(home, serving) != before)


def test_what_follows_serve_runs_once_and_in_the_first_process(home: Home, tmp_path: Path) -> None:
    program = f"""
import os, signal, atexit
from mutua.inbound.gunicorn import serve
me = os.getpid()
try:
    serve("tests.wsgi_echo:app", identity="api", home={str(home.path)!r}, port=0, workers=2,
          on_start=lambda _: os.kill(me, signal.SIGTERM))
finally:
    print("after", os.getpid() == me)
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "after True\n"), done.stderr

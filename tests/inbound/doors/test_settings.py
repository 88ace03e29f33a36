"""What servers take from the environment and from files beside the application cannot open a door (facts: each of
them has a setting that asks for no certificate, or believes a header about who is calling).
"""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mutua import Home, serve
from tests.inbound.connections import client_context
from tests.inbound.doors.calls import Http1Caller, alert_of, context_for
from tests.inbound.doors.doors import HTTP1, spoken
from tests.inbound.doors.test_workers import children
from tests.serving import ROOT, Serving

ENVIRONMENT = {
    "WEB_CONCURRENCY": "7",
    "FORWARDED_ALLOW_IPS": "*",
    "UVICORN_SSL_CERT_REQS": "0",
    "UVICORN_PROXY_HEADERS": "1",
    "UVICORN_FORWARDED_ALLOW_IPS": "*",
    "UVICORN_WORKERS": "7",
    "UVICORN_PORT": "1",
    "UVICORN_RELOAD": "1",
    "HYPERCORN_CONFIG": "hypercorn.toml",
    "HYPERCORN_VERIFY_MODE": "CERT_NONE",
    "HYPERCORN_INSECURE_BIND": "127.0.0.1:0",
}

FILES = {
    "hypercorn.toml": 'verify_mode = 0\ninsecure_bind = ["127.0.0.1:0"]\nworkers = 7\n',
    ".env": "".join(f"{name}={value}\n" for name, value in ENVIRONMENT.items()),
    "pyproject.toml": '[tool.uvicorn]\nproxy_headers = true\n[tool.hypercorn]\nverify_mode = "CERT_NONE"\n',
    "uvicorn.ini": "[uvicorn]\nssl_cert_reqs = 0\n",
}


@pytest.mark.parametrize("server", ["uvicorn", "hypercorn"])
def test_neither_environment_nor_files_open_a_door(
    server: str, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    for name, value in (ENVIRONMENT | {"PYTHONPATH": str(ROOT)}).items():
        monkeypatch.setenv(name, value)
    serving = Serving.start(home, arguments=("--server", server), folder=folder)
    try:
        alert, address = alert_of(serving.port, context_for(HTTP1, home.trust.client_context()))
        assert alert == "certificate required"
        assert serving.refusal_of(address)["reason"] == "no_certificate"
        assert children(serving.process.pid) == set()
    finally:
        serving.stop()
    assert serving.reached() == []


@pytest.mark.parametrize(("door_name", "protocol"), spoken(HTTP1))
def test_a_header_never_changes_who_is_calling(protocol: str, serving: Serving, shared_home: Home) -> None:
    context = context_for(protocol, client_context(shared_home))
    plain = socket.create_connection(("127.0.0.1", serving.port), timeout=60)
    with plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as tls:
        caller = Http1Caller(tls)
        tls.sendall(
            b"GET /forwarded HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            b"X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: http\r\nX-Real-IP: 203.0.113.9\r\n"
            b"Forwarded: for=203.0.113.9\r\nClient-Cert: :AAAA:\r\nX-SSL-Client-Verify: SUCCESS\r\n\r\n"
        )
        assert tls.recv(12) == b"HTTP/1.1 200"
        while tls.recv(65536):
            continue
    while (line := serving.next_line("admitted"))["path"] != "/forwarded":
        continue
    assert line["peer"] == caller.address
    assert {line["address"] for line in serving.reached()} == {"127.0.0.1"}


@pytest.mark.parametrize("setting", ["ssl_cert_reqs", "proxy_headers", "verify_mode", "insecure_bind", "config"])
def test_no_setting_of_a_server_can_be_given_to_serve(setting: str, home: Home) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        serve("tests.echo:app", identity="api", home=home, **{setting: 0})  # type: ignore[arg-type]


@pytest.mark.parametrize("option", ["--ssl-cert-reqs=0", "--proxy-headers", "--insecure-bind=127.0.0.1:0", "-c=x"])
def test_no_option_of_a_server_is_taken(option: str, home: Home) -> None:
    command = [sys.executable, "-m", "mutua", "serve", "tests.echo:app", "--identity", "api", "--home", str(home.path)]
    done = subprocess.run([*command, option], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: No such option")

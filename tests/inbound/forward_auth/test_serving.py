"""``mutua gate serve``: where it answers, whom, and when it does not start."""

import http.client
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from mutua import Home
from mutua.home.settings import SETTINGS_FILE
from tests.inbound.forward_auth.gate_process import GateProcess
from tests.serving import PATIENCE_SECONDS, ROOT

QUESTION = {"X-Original-Method": "GET", "X-Original-URI": "/status"}


def let_ask(home: Home, who: str) -> None:
    with (home.path / SETTINGS_FILE).open("a") as file:
        file.write(f'\n[forwarded]\ndialect = "nginx"\n{who}\n')


def ask(connection: socket.socket, headers: dict[str, str]) -> int:
    caller = http.client.HTTPConnection("localhost")
    caller.sock = connection
    caller.request("GET", "/decision", headers=headers)
    response = caller.getresponse()
    response.read()
    return response.status


@pytest.fixture
def woovi(home: Home) -> dict[str, str]:
    """woovi's question as nginx asks it."""
    leaf = home.identities.load("woovi").chain_pem().decode().partition("-----END")[0]
    return {**QUESTION, "ssl-client-cert": quote(f"{leaf}-----END CERTIFICATE-----\n", safe="")}


def test_a_unix_socket_for_its_owner_that_goes_with_the_process(
    home: Home, tmp_path: Path, woovi: dict[str, str], loop: str
) -> None:
    let_ask(home, "unix_socket = true")
    path = tmp_path / "gate.sock"
    with GateProcess(home.path, "--for", "nginx", "--unix", str(path), "--loop", loop) as gate:
        assert gate.address == f"unix:{path}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE_SECONDS)
            connection.connect(os.fspath(path))
            statuses = [ask(connection, headers) for headers in (woovi, QUESTION, {}, woovi)]
        assert statuses == [200, 401, 403, 200]
        events = [gate.line() for _ in statuses]
        assert [each.get("reason") for each in events] == [None, "no_certificate", "malformed", None]
    assert not path.exists()
    assert gate.process.returncode == 0


def test_what_it_sees_is_seen_by_who_runs_it(home: Home, tmp_path: Path) -> None:
    let_ask(home, "unix_socket = true")
    path = tmp_path / "gate.sock"
    with GateProcess(home.path, "--for", "nginx", "--unix", str(path)):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE_SECONDS)
            connection.connect(os.fspath(path))
            assert ask(connection, QUESTION) == 401
        done = _mutua("gate", "refusals", "--home", str(home.path), "--json")
        assert '"no_certificate"' in done.stdout
        assert '"/status"' in done.stdout


def test_tcp_for_stated_addresses_alone(home: Home, woovi: dict[str, str]) -> None:
    let_ask(home, 'addresses = ["127.0.0.2"]')
    with GateProcess(home.path, "--for", "nginx", "--port", "0") as gate:
        port = int(gate.address.rpartition(":")[2])
        for source, status in (("127.0.0.2", 200), ("127.0.0.3", 403)):
            with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS, (source, 0)) as connection:
                assert ask(connection, {**woovi, "X-Forwarded-For": "127.0.0.2"}) == status
        assert [gate.line()["event"], gate.line()["reason"]] == ["admitted", "untrusted_forwarder"]


@pytest.mark.parametrize(
    ("forwarded", "arguments", "code", "told"),
    [
        (None, ("--for", "nginx", "--unix", "x.sock"), 2, "lets no proxy forward"),
        ('addresses = ["10.0.0.5"]', ("--for", "nginx", "--unix", "x.sock"), 2, "over a Unix socket"),
        ("unix_socket = true", ("--for", "nginx"), 2, "lets no address"),
        ('certificate = "edge"', ("--for", "nginx"), 2, "lets no address"),
        ("unix_socket = true", ("--unix", "x.sock"), 2, "'--for'"),
        ("unix_socket = true", ("--for", "squid", "--unix", "x.sock"), 2, "squid"),
        ("unix_socket = true", ("--for", "nginx", "--unix", "x" * 200), 2, "too long"),
    ],
    ids=["no statement", "other statement", "no socket", "certificate", "no proxy", "other proxy", "long path"],
)
def test_it_does_not_start_for_nobody(
    home: Home, tmp_path: Path, forwarded: str | None, arguments: tuple[str, ...], code: int, told: str
) -> None:
    if forwarded is not None:
        let_ask(home, forwarded)
    done = _mutua("gate", "serve", "--home", str(home.path), *arguments, folder=tmp_path)
    assert done.returncode == code
    assert told in done.stderr
    assert list(tmp_path.glob("*.sock")) == []


def _mutua(*arguments: str, folder: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "mutua", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)

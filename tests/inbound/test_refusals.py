"""Every reason for which the uvicorn door refuses: what its log says, what curl says, what the application sees."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mutua import Home
from mutua.pki.certificates import write_pem
from mutua.tls.identity import Identity
from tests.inbound.cases import CASES
from tests.inbound.certificates import present_identities
from tests.inbound.connections import LiveConnection, client_context
from tests.serving import Serving

TLS_VERSIONS = ("1.2", "1.3")


@pytest.fixture(scope="module")
def home(home_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("refusals") / "home"
    shutil.copytree(home_template, folder, symlinks=True)
    with Home.open(folder) as opened:
        yield opened


@pytest.fixture(scope="module")
def identities(home: Home, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Identity | None]:
    return present_identities(home, tmp_path_factory.mktemp("stranger") / "home")


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def serving(request: pytest.FixtureRequest, home: Home, identities: object) -> Iterator[Serving]:
    """One server for each loop. When it has stopped, everything that reached the application is known."""
    running = Serving.start(home, loop=request.param)
    yield running
    running.stop()
    assert {(line["client"], line["path"]) for line in running.reached()} <= {
        ("woovi", "/status/a"),
        ("woovi", "/mark"),
    }


@pytest.fixture
def curl(peer: Callable[[str], str], home: Home, tmp_path: Path) -> Callable[..., tuple[str, int, str]]:
    """Runs curl; returns its own words, the HTTP status or 0, and its address."""
    (tmp_path / "ca.pem").write_bytes(write_pem(home.trust.anchors))
    # Level 0, or curl itself would not load the weak key.
    (tmp_path / "openssl.cnf").write_text(
        "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = any\n"
        "[any]\nCipherString = DEFAULT@SECLEVEL=0\n"
    )
    environment = os.environ | {"OPENSSL_CONF": str(tmp_path / "openssl.cnf")}

    def run(url: str, identity: Identity | None, version: str) -> tuple[str, int, str]:
        command = [peer("curl"), "-sS", "-v", "--path-as-is", "--max-time", "30", "--cacert", str(tmp_path / "ca.pem")]
        command += [f"--tlsv{version}", "--tls-max", version]
        if identity is not None:
            (tmp_path / "client.pem").write_bytes(identity.chain_pem() + identity.key_pem())
            command += ["--cert", str(tmp_path / "client.pem")]
        command += ["--output", str(tmp_path / "body"), "--write-out", "%{http_code} %{local_ip}:%{local_port}", url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
        status, address = done.stdout.split()
        return done.stderr, int(status), address

    return run


@pytest.mark.parametrize("version", TLS_VERSIONS)
@pytest.mark.parametrize("name", CASES)
def test_a_refusal_is_logged_in_full_told_to_curl_and_kept_from_the_application(
    name: str,
    version: str,
    serving: Serving,
    home: Home,
    identities: dict[str, Identity | None],
    curl: Callable[..., tuple[str, int, str]],
) -> None:
    case, identity = CASES[name], identities[name]
    said, status, address = curl(serving.url + case.path.format("a"), identity, version)
    lines = _lines_until_now(serving, home)
    logged = [line for line in lines if line["event"] in {"admitted", "refused"}]

    assert [(line["event"], line.get("reason")) for line in logged] == [
        ("refused", case.reason) if case.reason else ("admitted", None)
    ]
    assert logged[0]["thumbprint"] == (identity.thumbprint if identity else None)
    assert logged[0]["client"] == case.client
    assert logged[0]["peer"] == address
    if case.alerts:
        # "tlsv13 alert certificate required", or "(IN), TLS alert, certificate expired": curl has its ways.
        assert re.search(f"alert,? {case.alerts[TLS_VERSIONS.index(version)]}", said)
        assert status == 0
    else:
        assert status == case.status == logged[0]["status"]
    assert any(line["event"] == "reached" for line in lines) == (case.reason is None)


def _lines_until_now(serving: Serving, home: Home) -> list[dict[str, Any]]:
    """Everything the server has written by now: up to a request of our own, which is taken out."""
    before = len(serving.lines)
    with LiveConnection(serving.port, client_context(home)) as connection:
        assert connection.get("/mark") == 200
        while (line := serving.next_line("admitted"))["path"] != "/mark" or line["peer"] != connection.address:
            continue
    return [line for line in serving.lines[before:] if line.get("path") != "/mark"]

"""Seen from outside: what a running server tells of a request, through each of its ways."""

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from mutua import Home
from mutua.inbound.seen.workers import refused_certificate, states
from mutua.pki.certificates import write_der
from tests.inbound.certificates import unregistered_identity
from tests.inbound.connections import LiveConnection, client_context, until
from tests.serving import Serving


def place(serving: Serving) -> str:
    """Where its metrics and health are."""
    found = re.search(r"for monitoring, over plain http: (\S+)", serving.talk)
    assert found is not None
    return found[1]


def page(serving: Serving, path: str) -> str:
    with urllib.request.urlopen(f"http://{place(serving)}{path}", timeout=30) as answer:
        text: str = answer.read().decode()
        return text


def counted(serving: Serving, series: str) -> int:
    found = re.search(rf"^{re.escape(series)} (\d+)$", page(serving, "/metrics"), re.MULTILINE)
    assert found is not None
    return int(found[1])


def said_by(*arguments: str) -> Any:
    command = [sys.executable, "-m", "mutua", *arguments]
    return json.loads(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout)


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("line", ["--access-log", "--no-access-log"])
def test_an_admission_and_a_refusal_are_told_everywhere(
    home: Home, serve: Callable[..., Serving], workers: str, line: str
) -> None:
    serving = serve(arguments=("--workers", workers, "--metrics", "0", "--health", "0", line))
    assert page(serving, "/healthz") == page(serving, "/readyz") == "ok\n"
    with LiveConnection(serving.port, client_context(home)) as connection:
        assert connection.get("/status") == 200
        assert connection.get("/a/../b") == 400
    refused = serving.next_line("refused")
    until(lambda: counted(serving, "mutua_admitted_total") == 1)
    assert counted(serving, 'mutua_refused_total{reason="malformed"}') == 1
    assert counted(serving, "mutua_handshake_seconds_count") == 1
    assert counted(serving, "mutua_workers") == int(workers)
    [told] = said_by("gate", "refusals", "--json", "--home", str(home.path))
    assert {key: told[key] for key in ("id", "reason", "client", "peer", "detail", "thumbprint")} == {
        key: refused[key] for key in ("id", "reason", "client", "peer", "detail", "thumbprint")
    }
    status = said_by("status", "--json", "--home", str(home.path))
    assert len(status["gates"]) == int(workers)
    assert status["refused_last_hour"]["malformed"] == 1


def test_the_certificate_of_a_refused_request_is_there_by_its_id(home: Home, serve: Callable[..., Serving]) -> None:
    serving, identity = serve(), unregistered_identity(home)
    with LiveConnection(serving.port, identity.client_context(home.trust)) as connection:
        assert connection.get("/status") == 403
    _, der = refused_certificate(home.path, serving.next_line("refused")["id"])
    assert der == write_der(identity.certificate)


def test_when_a_server_has_ended_nobody_is_found(home: Home, serve: Callable[..., Serving]) -> None:
    serving = serve()
    assert len(states(home.path)) == 1
    serving.stop()
    assert states(home.path) == []

"""Every line of the access log is counted, and a refusal is kept under the id in its line."""

import json
import logging
import time
from collections.abc import Iterator

import pytest

from mutua import Home
from mutua.gate.decision import Refusal
from mutua.inbound.access_log import access, log_handshake, log_request
from mutua.inbound.connection import Connection
from mutua.inbound.seen.record import RECORD
from mutua.pki.certificates import write_der
from mutua.reasons import Reason
from mutua.registry.clients import KnownClient
from mutua.registry.credentials import CredentialKind
from mutua.tls.handshake import HandshakeFailure
from mutua.tls.peer import PeerCertificate

WOOVI = KnownClient("woovi", "t" * 43, CredentialKind.ISSUED)
NOBODY = Connection(None, "127.0.0.1:50000")


class Kept(logging.Handler):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The lines of the access log."""
    kept = Kept()
    monkeypatch.setattr(access, "handlers", [kept])
    monkeypatch.setattr(access, "propagate", False)
    before = access.level
    access.setLevel(logging.INFO)
    yield kept.lines
    access.setLevel(before)


def log(decision: KnownClient | Refusal, connection: Connection = NOBODY) -> None:
    log_request(decision, connection, method="GET", path="/x", status=200, started=time.perf_counter())


def test_the_id_in_the_line_of_a_refused_request_finds_it_with_its_certificate(home: Home, lines: list[str]) -> None:
    leaf = write_der(home.identities.load("woovi").certificate)
    peer = PeerCertificate.read((leaf,))
    before = RECORD.refused[Reason.REVOKED].value
    log(Refusal(Reason.REVOKED, "gone", "woovi", peer.thumbprint), Connection(peer, "[::1]:5"))

    line = json.loads(lines[-1])
    found = RECORD.refusals.find(line["id"])
    assert found is not None
    assert (found.reason, found.detail, found.client, found.thumbprint, found.peer, found.method, found.path) == (
        "revoked",
        "gone",
        "woovi",
        peer.thumbprint,
        "[::1]:5",
        "GET",
        "/x",
    )
    assert found.certificate == leaf
    assert list(line)[:3] == ["time", "event", "id"]
    assert RECORD.refused[Reason.REVOKED].value == before + 1


def test_the_id_in_the_line_of_a_refused_handshake_finds_it(lines: list[str]) -> None:
    log_handshake(HandshakeFailure(reason=Reason.EXPIRED, detail="too late", thumbprint="t"), "127.0.0.1:1")

    found = RECORD.refusals.find(json.loads(lines[-1])["id"])
    assert found is not None
    assert (found.reason, found.detail, found.thumbprint, found.path) == ("expired", "too late", "t", None)


@pytest.mark.parametrize("level", [logging.INFO, logging.CRITICAL])
def test_both_are_counted_whether_or_not_they_are_written(lines: list[str], level: int) -> None:
    access.setLevel(level)
    before = RECORD.admitted.value, RECORD.refused[Reason.SUSPENDED].value
    log(WOOVI)
    log(Refusal(Reason.SUSPENDED, "no", "woovi", None))
    log_handshake(HandshakeFailure(reason=Reason.SUSPENDED, detail="no"), "")
    assert (RECORD.admitted.value, RECORD.refused[Reason.SUSPENDED].value) == (before[0] + 1, before[1] + 2)
    assert len(lines) == (3 if level == logging.INFO else 0)


def test_the_line_of_an_admission_has_no_id(lines: list[str]) -> None:
    log(WOOVI)
    assert "id" not in json.loads(lines[-1])

"""A worker's socket: what it says, to whom, and what it makes of those who mean no good."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from base64 import b64decode
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mutua import Home
from mutua.gate.decision import Refusal
from mutua.inbound.connection import Connection
from mutua.inbound.live_gate import LiveGate
from mutua.inbound.seen import answering
from mutua.inbound.seen.record import Record
from mutua.inbound.seen.ring import MAX_REFUSALS, MAX_TEXT
from mutua.inbound.seen.run_folder import connect
from mutua.inbound.seen.state import WorkerState
from mutua.inbound.seen.worker import Seen, seen
from mutua.pki.certificates import write_der
from mutua.reasons import Reason
from mutua.tls.peer import PeerCertificate
from tests.inbound.seen.conftest import ask, read_all

STATE = b'{"ask": "state"}\n'

HOSTILE = {
    "nothing": b"",
    "an empty line": b"\n",
    "no JSON": b"GET / HTTP/1.1\r\n\r\n",
    "no object": b"[1, 2]\n",
    "nested": b"[" * 8000 + b"\n",
    "a number without an end": b'{"ask": ' + b"9" * 8000 + b"}\n",
    "too long a line": b'{"ask": "state", "x": "' + b"x" * 20_000 + b'"}\n',
    "no line end": b"x" * 7000,
    "bytes": bytes(range(256)) * 20 + b"\n",
    "no such question": b'{"ask": "passphrase"}\n',
    "an object for an id": b'{"ask": "certificate", "id": {}}\n',
}


def answers(path: Path | None, question: bytes) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in ask(path, question).splitlines()]
    assert lines.pop() == {"end": True}
    return lines


def test_it_says_what_it_has_counted_and_what_its_gate_knows(
    home: Home, gate: LiveGate, record: Record, refuse: Callable[..., str]
) -> None:
    identity = home.identities.load("api")
    record.admitted.add()
    record.handshakes.add(0.002)
    refuse(Reason.EXPIRED)
    with closing(Seen(home.path, gate, lambda: identity, record)) as worker:
        worker.start()
        [state] = answers(worker.path, STATE)
        assert WorkerState.read(state).is_ready is False
        started: list[int] = []
        worker.on_start(started.append)(8443)
        read = WorkerState.read(answers(worker.path, STATE)[0])
    assert started == [8443]
    assert (read.pid, read.is_ready, read.admitted, sum(read.handshakes)) == (os.getpid(), True, 1, 1)
    assert set(read.refused) == {reason.value for reason in Reason}
    assert {reason: number for reason, number in read.refused.items() if number} == read.last_hour == {"expired": 1}
    assert read.snapshot_version == home.snapshot().version
    assert read.max_stale == home.settings.max_stale
    assert not read.is_stale
    assert (read.identity_thumbprint, read.identity_ends) == (identity.thumbprint, identity.not_after.timestamp())


def test_it_tells_refusals_and_only_the_new_ones_to_who_knows_the_others(
    worker: Seen, refuse: Callable[..., str]
) -> None:
    identifiers = [refuse(), refuse()]
    head, *told = answers(worker.path, b'{"ask": "refusals"}\n')
    assert [each["id"] for each in told] == identifiers
    identifiers.append(refuse())
    question = {"ask": "refusals", "of": head["instance"], "after": told[-1]["number"]}
    assert [each["id"] for each in answers(worker.path, json.dumps(question).encode() + b"\n")[1:]] == identifiers[2:]
    question["of"] = "somebody who was here before"
    assert [each["id"] for each in answers(worker.path, json.dumps(question).encode() + b"\n")[1:]] == identifiers


def test_it_hands_out_the_certificate_that_was_refused(home: Home, worker: Seen, record: Record) -> None:
    der = write_der(home.identities.load("woovi").certificate)
    connection = Connection(PeerCertificate.read((der,)), "127.0.0.1:1")
    identifier = record.refuse(Refusal(Reason.UNKNOWN_CLIENT, "who?"), connection, "GET", "/")
    question = json.dumps({"ask": "certificate", "id": identifier}).encode() + b"\n"
    [found] = answers(worker.path, question)
    assert b64decode(found["certificate"]) == der
    assert answers(worker.path, b'{"ask": "certificate", "id": "000000000000"}\n') == []


@pytest.mark.parametrize("name", HOSTILE)
def test_nonsense_gets_no_answer_and_the_next_question_does(worker: Seen, name: str) -> None:
    assert ask(worker.path, HOSTILE[name]) in {b"", b'{"end": true}\n'}
    assert answers(worker.path, STATE)


def test_those_who_hang_disturb_nobody(worker: Seen) -> None:
    assert worker.path is not None
    hanging = [connect(worker.path, 30) for _ in range(answering.MAX_EXCHANGES - 1)]
    try:
        for each in hanging[::2]:
            each.sendall(b'{"ask":')
        assert answers(worker.path, STATE)
    finally:
        for each in hanging:
            each.close()


def test_those_who_hang_are_dropped_in_the_end(worker: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "EXCHANGE_SECONDS", 0.2)
    assert worker.path is not None
    with connect(worker.path, 30) as hanging:
        hanging.sendall(b'{"ask": ')
        assert read_all(hanging) == b""


def test_one_who_does_not_read_a_long_answer_disturbs_nobody(worker: Seen, refuse: Callable[..., str]) -> None:
    for _ in range(MAX_REFUSALS):
        refuse(path="\U0001f600" * MAX_TEXT, detail="\x00" * MAX_TEXT)
    assert worker.path is not None
    with connect(worker.path, 30) as hanging:
        hanging.sendall(b'{"ask": "refusals"}\n')
        assert len(answers(worker.path, b'{"ask": "refusals"}\n')) == MAX_REFUSALS + 1


def test_whoever_comes_when_too_many_hang_is_sent_away_and_served_later(worker: Seen) -> None:
    assert worker.path is not None
    hanging = [connect(worker.path, 30) for _ in range(answering.MAX_EXCHANGES)]
    assert ask(worker.path, STATE) == b""
    for each in hanging:
        each.close()
    for _ in range(500):
        if ask(worker.path, STATE):
            return
    pytest.fail("it never recovered")


def test_when_it_ends_its_socket_and_its_thread_are_gone(home: Home, gate: LiveGate) -> None:
    with seen(home, gate) as worker:
        assert worker.path is not None
        hanging = connect(worker.path, 30)
        assert "mutua-seen" in {thread.name for thread in threading.enumerate()}
    assert not worker.path.exists()
    assert "mutua-seen" not in {thread.name for thread in threading.enumerate()}
    with hanging:
        assert read_all(hanging) == b""


def test_where_no_socket_can_be_made_it_says_so_and_goes_on(
    home: Home, gate: LiveGate, caplog: pytest.LogCaptureFixture
) -> None:
    (home.path / "run").write_text("in the way")
    with seen(home.path, gate) as worker:
        assert worker.path is None
        assert worker.state().pid == os.getpid()
    assert "nobody can ask this process" in caplog.text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_another_user_is_told_nothing_even_where_the_modes_would_let_them_in(
    gate: LiveGate, record: Record, caplog: pytest.LogCaptureFixture
) -> None:
    with tempfile.TemporaryDirectory() as name, closing(Seen(Path(name), gate, record=record)) as worker:
        worker.start()
        assert worker.path is not None
        for path, mode in ((Path(name), 0o711), (worker.path.parent, 0o711), (worker.path, 0o666)):
            path.chmod(mode)
        program = f"import os, socket\nos.setresuid(65534, 65534, 65534)\ns = socket.socket(socket.AF_UNIX)\n\
s.connect({str(worker.path)!r})\ntry: print(s.sendall({STATE!r}) or s.recv(100))\nexcept ConnectionError: print(b'')"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout == "b''\n"
        assert "the user 65534 asked what this process sees" in caplog.text
        assert answers(worker.path, STATE)


def test_a_question_may_come_a_byte_at_a_time(worker: Seen) -> None:
    assert worker.path is not None
    with connect(worker.path, 30) as connection:
        for byte in STATE:
            connection.send(bytes([byte]))
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection).endswith(b'{"end": true}\n')

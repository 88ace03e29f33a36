"""Asking all workers at once: the dead, the hanging and the lying do no harm."""

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mutua import Home
from mutua.errors import HomeNotFound, InvalidInput
from mutua.gate.decision import Refusal
from mutua.inbound.connection import Connection
from mutua.inbound.live_gate import LiveGate
from mutua.inbound.seen import ring, workers
from mutua.inbound.seen.record import Record
from mutua.inbound.seen.ring import Ring
from mutua.inbound.seen.run_folder import listen
from mutua.inbound.seen.worker import Seen
from mutua.inbound.seen.workers import Refusals, refused_certificate, require_home, states
from mutua.pki.certificates import write_der
from mutua.reasons import Reason
from mutua.tls.peer import PeerCertificate

LIES = {
    "nothing": b"",
    "no JSON": b"hello\n",
    "no objects": b'[1]\n{"end": true}\n',
    "no end": b'{"instance": "x"}\n',
    "another state": b'{"pid": "seven"}\n{"end": true}\n',
    "a nest": b"[" * 100_000 + b"\n",
    "numbers for texts": b'{"instance": "x"}\n{"number": 1, "at": 1.0, "id": 5}\n{"end": true}\n',
    "a time beyond the calendar": b'{"instance": "x"}\n{"number": 1, "at": 1e300}\n{"end": true}\n',
}


@contextmanager
def impostor(home: Path, answer: bytes | None) -> Iterator[None]:
    """Something that listens in ``run/`` and gives this answer to anybody, or none and hangs."""
    listener, path = listen(home)
    kept: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if answer is None:
                kept.append(connection)
                continue
            with connection, suppress(OSError):
                connection.recv(65_536)
                connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()
        path.unlink()
        for each in kept:
            each.close()


@pytest.fixture
def second(home: Home, gate: LiveGate) -> Iterator[tuple[Seen, Record]]:
    """Another worker of the same home."""
    record = Record()
    made = Seen(home.path, gate, record=record)
    made.start()
    yield made, record
    made.close()


def refuse(record: Record, reason: Reason = Reason.EXPIRED) -> str:
    return record.refuse(Refusal(reason, "no"), Connection(None, ""), "GET", "/")


def test_every_worker_is_asked(home: Home, worker: Seen, second: tuple[Seen, Record]) -> None:
    found = states(home.path)
    assert [each.name for each in found] == sorted(
        path.name for path in (worker.path, second[0].path) if path is not None
    )
    assert [each.state for each in found if each.state is not None and each.pid == os.getpid()]
    assert all(each.is_of(os.getpid()) and each.is_of(os.getppid()) and not each.is_of(1) for each in found)


def test_a_dead_one_is_passed_over(home: Home, worker: Seen) -> None:
    listener, path = listen(home.path)
    listener.close()
    assert path.exists()
    assert [each.name for each in states(home.path)] == [worker.path.name if worker.path else ""]


@pytest.mark.parametrize("name", LIES)
def test_one_that_talks_nonsense_says_nothing(home: Home, worker: Seen, name: str) -> None:
    with impostor(home.path, LIES[name]):
        found = states(home.path)
        assert sorted(each.state is None for each in found) == [False, True]
        assert Refusals(home.path).fresh() == []
        with pytest.raises(InvalidInput):
            refused_certificate(home.path, "0" * 12)


def test_one_that_hangs_is_named_and_holds_up_nobody_for_long(
    home: Home, worker: Seen, refuse: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "ANSWER_SECONDS", 0.5)
    identifier = refuse()
    asked = Refusals(home.path)
    with impostor(home.path, None):
        assert [each["id"] for each in asked.fresh()] == [identifier]
        [silent] = asked.silent
        assert silent != (worker.path and worker.path.name)
        assert sorted(each.state is None for each in states(home.path)) == [False, True]


def test_one_that_never_ends_is_cut_off(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "MAX_ANSWER_BYTES", 100_000)
    with impostor(home.path, b'{"instance": "x"}\n' * 50_000 + b'{"end": true}\n'):
        [found] = states(home.path)
        assert found.answer is None


def test_refusals_of_all_workers_come_once_and_in_order(
    home: Home, worker: Seen, record: Record, second: tuple[Seen, Record]
) -> None:
    asked = Refusals(home.path)
    identifiers = [refuse(each) for each in (record, second[1], record)]
    assert [each["id"] for each in asked.fresh()] == identifiers
    assert asked.fresh() == []
    newer = [refuse(each) for each in (second[1], record)]
    assert [each["id"] for each in asked.fresh()] == newer
    assert asked.missed == 0


def test_a_worker_that_takes_anothers_place_is_heard_from_its_first_refusal(home: Home, gate: LiveGate) -> None:
    asked = Refusals(home.path)
    told = []
    for _ in range(3):
        record = Record()
        worker = Seen(home.path, gate, record=record)
        worker.start()
        identifier = refuse(record)
        told.append([each["id"] for each in asked.fresh()] == [identifier])
        worker.close()
        assert asked.fresh() == []
    assert told == [True] * 3


def test_those_that_were_forgotten_before_they_could_be_told_are_counted(
    home: Home, worker: Seen, record: Record
) -> None:
    asked = Refusals(home.path)
    refuse(record)
    assert len(asked.fresh()) == 1
    for _ in range(ring.MAX_REFUSALS + 7):
        refuse(record)
    assert len(asked.fresh()) == ring.MAX_REFUSALS
    assert asked.missed == 7


def test_the_certificate_of_a_refusal_is_found_by_its_id(home: Home, worker: Seen, second: tuple[Seen, Record]) -> None:
    der = write_der(home.identities.load("woovi").certificate)
    connection = Connection(PeerCertificate.read((der,)), "127.0.0.1:1")
    identifier = second[1].refuse(Refusal(Reason.UNKNOWN_CLIENT, "who?"), connection, "GET", "/")
    refusal, found = refused_certificate(home.path, identifier)
    assert found == der
    assert refusal["reason"] == "unknown_client"


@pytest.mark.parametrize("identifier", ["", "0" * 12, "../../etc/passwd", "\x00", "é" * 5000])
def test_an_id_that_nobody_remembers(home: Home, worker: Seen, identifier: str) -> None:
    with pytest.raises(InvalidInput, match="remembers"):
        refused_certificate(home.path, identifier)


def test_a_refusal_without_a_certificate(home: Home, worker: Seen, record: Record) -> None:
    with pytest.raises(InvalidInput, match="without a certificate"):
        refused_certificate(home.path, refuse(record))


def test_there_has_to_be_a_home(tmp_path: Path) -> None:
    with pytest.raises(HomeNotFound):
        require_home(tmp_path)


def test_everything_at_its_longest_still_fits_into_an_answer() -> None:
    longest = Ring()
    text = "\U0001f600" * ring.MAX_TEXT
    longest.add(1.5, "untrusted_forwarder", text, peer=text, client=text, thumbprint=text, method=text, path=text)
    [kept] = longest.since()
    line = json.dumps({"number": ring.MAX_REFUSALS, "at": kept.at, **kept.as_json()})
    assert len(line) * ring.MAX_REFUSALS < workers.MAX_ANSWER_BYTES

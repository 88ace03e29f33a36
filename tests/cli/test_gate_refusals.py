"""``mutua gate refusals``: the refusals of every worker, and those that come while one looks."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from queue import Queue
from typing import IO, Any

import pytest

from mutua import Home
from mutua.gate.decision import Refusal
from mutua.inbound.connection import Connection
from mutua.inbound.live_gate import LiveGate
from mutua.inbound.seen.record import Record
from mutua.inbound.seen.worker import Seen
from mutua.reasons import Reason
from tests.cli.conftest import Run

KEYS = ["id", "time", "reason", "detail", "client", "thumbprint", "peer", "method", "path"]
PATIENCE_SECONDS = 30


@pytest.fixture
def gate(home: Home) -> Iterator[LiveGate]:
    with closing(LiveGate(home)) as running:
        yield running


@pytest.fixture
def records(home: Home, gate: LiveGate) -> Iterator[list[Record]]:
    """What two workers have seen."""
    made = [Record(), Record()]
    workers = [Seen(home.path, gate, record=record) for record in made]
    for worker in workers:
        worker.start()
    yield made
    for worker in workers:
        worker.close()


def refuse(
    record: Record,
    reason: Reason = Reason.NOT_GRANTED,
    *,
    client: str | None = "woovi",
    detail: str = "no grant covers GET /x",
    path: str = "/x",
) -> str:
    return record.refuse(Refusal(reason, detail, client), Connection(None, "127.0.0.1:5"), "GET", path)


def test_all_workers_are_merged_the_newest_last(mutua: Run, records: list[Record]) -> None:
    identifiers = [refuse(records[number]) for number in (1, 0, 1)]
    result = mutua("gate", "refusals")
    assert (result.code, result.err) == (0, "")
    heading, *lines = result.out.splitlines()
    assert heading.split() == ["TIME", "ID", "REASON", "CLIENT", "PEER", "DETAIL"]
    assert [line.split()[2] for line in lines] == identifiers
    assert lines[0].split()[3:] == ["not_granted", "woovi", "127.0.0.1:5", "no", "grant", "covers", "GET", "/x"]


def test_as_json_with_stable_keys(mutua: Run, records: list[Record]) -> None:
    identifier = refuse(records[0], Reason.UNKNOWN_CLIENT, client=None)
    [found] = mutua("gate", "refusals", "--json").json
    assert list(found) == KEYS
    assert (found["id"], found["reason"], found["client"], found["path"]) == (identifier, "unknown_client", None, "/x")


def test_one_reason_one_client_and_so_many(mutua: Run, records: list[Record]) -> None:
    granted = [refuse(records[0]), refuse(records[1])]
    revoked = refuse(records[0], Reason.REVOKED, client="bank")

    def ids(*options: str) -> list[str]:
        return [each["id"] for each in mutua("gate", "refusals", "--json", *options).json]

    assert ids("--reason", "not_granted") == ids("--client", "woovi") == granted
    assert ids("--client", "bank") == ids("-n", "1") == [revoked]
    assert ids("-n", "0") == ids("--client", "nobody") == []
    assert ids("--client", "woovi", "-n", "1") == granted[1:]


def test_what_a_peer_wrote_cannot_move_the_cursor(mutua: Run, records: list[Record]) -> None:
    refuse(records[0], client="\x1b[2J", detail="a\nb\u202e", path="/\x07")
    result = mutua("gate", "refusals")
    assert len(result.out.splitlines()) == 2
    assert not {"\x1b", "\u202e", "\x07"} & set(result.out)
    assert "/\\x07: a\\nb\\u202e" in result.out


def test_without_a_gate_it_says_so(mutua: Run) -> None:
    result = mutua("gate", "refusals")
    assert (result.code, result.out) == (0, "")
    assert "mutua status" in result.err
    assert mutua("gate", "refusals", "--json").json == []


def test_it_needs_no_store(mutua: Run, home: Home, records: list[Record]) -> None:
    identifier = refuse(records[0])
    (home.path / "store.db").rename(home.path / "gone")
    assert mutua("gate", "refusals", "--json").json[0]["id"] == identifier
    (home.path / "gone").rename(home.path / "store.db")


def test_there_has_to_be_a_home(mutua: Run) -> None:
    assert mutua("gate", "refusals", "--home", "nothing").code == 3


def test_a_run_folder_that_others_can_write_is_not_believed(mutua: Run, home: Home, records: list[Record]) -> None:
    (home.path / "run").chmod(0o777)
    result = mutua("gate", "refusals")
    assert result.code == 4
    assert "chmod 700" in result.err


def test_following_goes_on_while_workers_come_and_go(home: Home, gate: LiveGate) -> None:
    command = [sys.executable, "-m", "mutua", "gate", "refusals", "--follow", "--json", "--home", str(home.path)]
    following = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert following.stdout is not None
    told: Queue[dict[str, Any]] = Queue()
    thread = threading.Thread(target=_read, args=(following.stdout, told))
    thread.start()
    try:
        for _ in range(3):
            record = Record()
            with closing(Seen(home.path, gate, record=record)) as worker:
                worker.start()
                for _ in range(2):
                    identifier = refuse(record)
                    assert told.get(timeout=PATIENCE_SECONDS)["id"] == identifier
        following.send_signal(signal.SIGINT)
        assert following.wait(PATIENCE_SECONDS) == 130
    finally:
        following.kill()
        thread.join()
        _, said = following.communicate()
    assert said.strip() == ""
    assert told.empty()


def _read(stream: IO[str], told: "Queue[dict[str, Any]]") -> None:
    for line in stream:
        told.put(json.loads(line))

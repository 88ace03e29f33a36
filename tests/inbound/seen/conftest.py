"""A gate with what it sees, and ways to have it see something."""

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mutua import Home
from mutua.gate.decision import Refusal
from mutua.inbound.connection import Connection
from mutua.inbound.live_gate import LiveGate
from mutua.inbound.seen.record import Record
from mutua.inbound.seen.run_folder import connect
from mutua.inbound.seen.worker import Seen
from mutua.reasons import Reason


@pytest.fixture
def record() -> Record:
    """What has been seen, and by nobody else in this process."""
    return Record()


@pytest.fixture
def gate(home: Home) -> Iterator[LiveGate]:
    with closing(LiveGate(home)) as running:
        yield running


@pytest.fixture
def worker(home: Home, gate: LiveGate, record: Record) -> Iterator[Seen]:
    """A worker that can be asked about ``record``."""
    with closing(Seen(home.path, gate, record=record)) as made:
        made.start()
        yield made


@pytest.fixture
def refuse(record: Record) -> Callable[..., str]:
    """Have somebody refused; returns the id."""

    def refused(
        reason: Reason = Reason.NOT_GRANTED, *, client: str | None = "woovi", path: str = "/x", detail: str = "no"
    ) -> str:
        refusal = Refusal(reason, detail, client, None)
        return record.refuse(refusal, Connection(None, "127.0.0.1:50000"), "GET", path)

    return refused


def ask(path: Path | None, question: bytes) -> bytes:
    """Everything that a worker answers; empty when it hangs up."""
    assert path is not None
    with connect(path, 30) as connection:
        connection.sendall(question)
        connection.shutdown(socket.SHUT_WR)
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    """What comes until the other side closes, or breaks off."""
    parts = []
    try:
        while part := connection.recv(65_536):
            parts.append(part)
    except ConnectionError:
        pass
    return b"".join(parts)

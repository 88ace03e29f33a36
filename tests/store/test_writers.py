import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select

from mutua.store import events
from mutua.store.events import Event
from mutua.store.schema import clients
from mutua.store.schema import events as rows
from mutua.store.store import Store
from tests.conftest import soak

PROGRAM = """
import sys
from pathlib import Path
from mutua.store.store import Store
from tests.store.test_writers import write

write(Store.open(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3]))
"""


def write(store: Store, writer: str, count: int) -> None:
    """``count`` transactions, each a row and its event."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(count):
        with store.write() as connection:
            name = f"{writer}-{number}"
            connection.execute(insert(clients).values(name=name, state="active", created_at=at))
            events.append(connection, Event(at=at, actor=writer, kind="client.added", subject=name, body={}))


def assert_nothing_is_lost(store: Store, writers: list[str], count: int) -> None:
    expected = {f"{writer}-{number}" for writer in writers for number in range(count)}
    with store.read() as connection:
        assert set(connection.execute(select(clients.c.name)).scalars()) == expected
        told = connection.execute(select(rows.c.id, rows.c.subject).order_by(rows.c.id)).all()
        assert [row.id for row in told] == list(range(1, len(expected) + 1))
        assert {row.subject for row in told} == expected
        assert events.verify(connection) == len(expected)


@pytest.mark.soak
def test_threads_that_write_at_once_lose_nothing(store: Store) -> None:
    writers, count = ["ana", "bia", "caio", "davi"], soak(share=20, whole=500)
    with ThreadPoolExecutor(len(writers)) as pool:
        list(pool.map(lambda writer: write(store, writer, count), writers))
    assert_nothing_is_lost(store, writers, count)


@pytest.mark.soak
def test_processes_that_write_at_once_lose_nothing(store: Store, pytestconfig: pytest.Config) -> None:
    writers, count = ["ana", "bia"], soak(share=30, whole=1000)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(store.path), writer, str(count)], cwd=pytestconfig.rootpath
        )
        for writer in writers
    ]
    assert [process.wait() for process in processes] == [0, 0]
    assert_nothing_is_lost(store, writers, count)

"""Several who write at once: no gap, no event lost, whoever else comes by."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, insert, select, text

import mutua.store.migrations
from mutua.store import events
from mutua.store.events import Event
from mutua.store.schema import clients
from mutua.store.schema import events as rows
from mutua.store.store import SCHEMA_REVISION, Store
from tests.conftest import soak

OLDEST = "0001"

PROGRAM = """
import sys
from tests.store.test_writers import open_at, write

write(open_at(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
"""


def open_at(location: str) -> Store:
    return Store.open(location if "://" in location else Path(location))


def sign(_head: bytes) -> bytes:
    return b"signed"


def write(store: Store, writer: str, count: int) -> None:
    """``count`` transactions, each a row and its event."""
    for number in range(count):
        write_one(store, writer, f"{writer}-{number}")


def write_one(store: Store, writer: str, name: str) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    with store.write() as connection:
        connection.execute(insert(clients).values(name=name, state="active", created_at=at))
        events.append(connection, [Event(at=at, actor=writer, kind="client.added", subject=name, body={})], sign)


def assert_nothing_is_lost(store: Store, writers: list[str], count: int) -> None:
    expected = {f"{writer}-{number}" for writer in writers for number in range(count)}
    with store.read() as connection:
        assert set(connection.execute(select(clients.c.name)).scalars()) == expected
        told = connection.execute(select(rows.c.id, rows.c.subject).order_by(rows.c.id)).all()
        assert [row.id for row in told] == list(range(1, len(expected) + 1))
        assert {row.subject for row in told} == expected
        assert events.verify(connection).count == len(expected)


def run_processes(location: Path | str, writers: list[str], count: int, root: Path) -> None:
    commands = [[sys.executable, "-c", PROGRAM, str(location), writer, str(count)] for writer in writers]
    processes = [subprocess.Popen(each, cwd=root) for each in commands]
    assert [process.wait() for process in processes] == [0] * len(writers)


@pytest.mark.soak
def test_threads_that_write_at_once_lose_nothing(store: Store) -> None:
    writers, count = ["ana", "bia", "caio", "davi"], soak(share=20, whole=500)
    with ThreadPoolExecutor(len(writers)) as pool:
        list(pool.map(lambda writer: write(store, writer, count), writers))
    assert_nothing_is_lost(store, writers, count)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_processes_that_write_at_once_lose_nothing(
    store: Store, location: Path | str, pytestconfig: pytest.Config
) -> None:
    writers, count = ["ana", "bia"], soak(share=30, whole=10_000)
    run_processes(location, writers, count, pytestconfig.rootpath)
    assert_nothing_is_lost(store, writers, count)


def test_ids_follow_the_commits_for_whoever_watches(store: Store) -> None:
    """A watcher that has seen event n has seen every event before it, or a change would pass it by."""
    writers, count = ["ana", "bia", "caio"], 20
    with ThreadPoolExecutor(len(writers)) as pool:
        writing = [pool.submit(write, store, writer, count) for writer in writers]
        while not all(each.done() for each in writing):
            with store.read() as connection:
                seen = connection.execute(select(rows.c.id).order_by(rows.c.id)).scalars().all()
                assert seen == list(range(1, events.last_id(connection) + 1))
    assert_nothing_is_lost(store, writers, count)


@pytest.fixture
def old_location(empty_location: Path | str) -> Path | str:
    """A store of the first mutua, with one client and one event."""
    url = f"sqlite:///{empty_location}" if isinstance(empty_location, Path) else empty_location
    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(Path(mutua.store.migrations.__file__).parent))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, OLDEST)
        connection.execute(text("INSERT INTO clients VALUES ('woovi', 'active', 0)"))
    engine.dispose()
    return empty_location


def test_an_old_store_is_brought_up_to_date_with_what_is_in_it(old_location: Path | str) -> None:
    store = Store.open(old_location)
    with store.read() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [SCHEMA_REVISION]
        assert connection.execute(select(clients.c.name)).scalars().all() == ["woovi"]
    write(store, "ana", 1)
    store.close()


def test_an_upgrade_that_fails_changes_nothing(old_location: Path | str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped(Exception):
        pass

    def upgrade(config: Config, to: str) -> None:
        real(config, to)
        raise Stopped

    real: Callable[[Config, str], None] = command.upgrade
    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", upgrade)
        with pytest.raises(Stopped):
            Store.open(old_location)
    engine = create_engine(f"sqlite:///{old_location}" if isinstance(old_location, Path) else old_location)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [OLDEST]
        assert connection.execute(text("SELECT sealed_key FROM authorities")).all() == []
    engine.dispose()
    Store.open(old_location).close()


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_processes_that_find_an_old_store_at_once_upgrade_it_once_and_go_on(
    old_location: Path | str, pytestconfig: pytest.Config
) -> None:
    writers, count = ["ana", "bia", "caio"], soak(share=10, whole=500)
    run_processes(old_location, writers, count, pytestconfig.rootpath)
    store = Store.open(old_location)
    with store.write() as connection:
        connection.execute(text("DELETE FROM clients WHERE name = 'woovi'"))
    assert_nothing_is_lost(store, writers, count)
    store.close()


def test_threads_that_find_an_old_store_at_once_upgrade_it_once(old_location: Path | str) -> None:
    def work(writer: str) -> None:
        store = Store.open(old_location)
        write(store, writer, 5)
        store.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, ["ana", "bia", "caio", "davi"]))
    store = Store.open(old_location)
    with store.read() as connection:
        assert events.verify(connection).count == 20
    store.close()


def test_readers_and_writers_go_on_while_the_store_is_upgraded_again_and_again(store: Store) -> None:
    """An upgrade that finds nothing to do locks and looks like any other."""
    with ThreadPoolExecutor(3) as pool:
        writing = [pool.submit(write, store, writer, 20) for writer in ("ana", "bia")]
        while not all(each.done() for each in writing):
            store.upgrade()
            with store.read() as connection:
                events.verify(connection)
    assert_nothing_is_lost(store, ["ana", "bia"], 20)

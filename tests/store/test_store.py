import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Queue

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, inspect, select, text
from sqlalchemy.exc import IntegrityError

import mutua.store.migrations
from mutua.errors import AlreadyExists, InvalidAddress, StoreUnreachable, UnreadableStore
from mutua.store import events
from mutua.store import store as store_module
from mutua.store.events import Event
from mutua.store.schema import clients, credentials, metadata
from mutua.store.store import SCHEMA_REVISION, Store

Append = Callable[[Store], int]

FOLDER = Path(mutua.store.migrations.__file__).parent


def revision(store: Store, value: str | None) -> None:
    with store.write() as connection:
        if value is None:
            connection.execute(text("DELETE FROM alembic_version"))
        else:
            connection.execute(text("UPDATE alembic_version SET version_num = :value"), {"value": value})


def test_a_place_that_is_taken_is_not_touched(store: Store, location: Path | str, append: Append) -> None:
    append(store)
    with pytest.raises(AlreadyExists, match="already"):
        Store.create(location)
    with store.read() as connection:
        assert events.verify(connection).count == 1


def test_a_new_store_has_the_tables_and_no_rows(empty_location: Path | str) -> None:
    store = Store.create(empty_location)
    with store.read() as connection:
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, "alembic_version"}
        assert events.verify(connection).count == 0
        assert connection.execute(select(clients)).all() == []
    store.close()
    Store.open(empty_location).close()


def test_of_a_store_that_cannot_be_finished_nothing_is_left(
    empty_location: Path | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(Exception):
        pass

    def upgrade(config: Config, _to: str) -> None:
        config.attributes["connection"].execute(text("CREATE TABLE clients (name TEXT)"))
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr("alembic.command.upgrade", upgrade)
        with pytest.raises(Stopped):
            Store.create(empty_location)
    Store.create(empty_location).close()


def test_two_who_create_at_once_make_one_store(empty_location: Path | str) -> None:
    def create(_: int) -> bool:
        try:
            Store.create(empty_location).close()
        except AlreadyExists:
            return False
        return True

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(create, range(3))) == [False, False, True]
    Store.open(empty_location).close()


def differences(connection: Connection) -> list[tuple[object, ...]]:
    """What the tables have otherwise than the schema. Comments are for who reads that, and not in the database."""
    # The one index over an expression has a test of its own: test_thumbprints.py.
    warnings.filterwarnings("ignore", ".* expression-based index '?ix_certificates_thumbprint")
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    found = compare_metadata(context, metadata)
    flat = [change for item in found for change in (item if isinstance(item, list) else [item])]
    return [change for change in flat if change[0] != "modify_comment"]


def test_migrations_make_the_tables_that_the_schema_describes(store: Store) -> None:
    with store.read() as connection:
        assert differences(connection) == []


def test_the_comparison_notices_a_column_of_another_type(store: Store) -> None:
    with store.write() as connection:
        connection.execute(text("ALTER TABLE events DROP COLUMN at"))
        connection.execute(text("ALTER TABLE events ADD COLUMN at VARCHAR(40)"))
        assert ("modify_type", None, "events", "at") in [change[:4] for change in differences(connection)]


def test_primary_keys_are_those_of_the_schema(store: Store) -> None:
    with store.read() as connection:
        for table in metadata.sorted_tables:
            found = inspect(connection).get_pk_constraint(table.name)["constrained_columns"]
            assert found == [column.name for column in table.primary_key]


def test_the_newest_migration_is_the_revision_this_code_works_with(store: Store) -> None:
    assert ScriptDirectory(str(FOLDER)).get_current_head() == SCHEMA_REVISION
    with store.read() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [SCHEMA_REVISION]


def test_upgrading_twice_changes_nothing(store: Store, append: Append) -> None:
    append(store)
    store.upgrade()
    with store.read() as connection:
        assert events.verify(connection).count == 1
    assert append(store) == 2


def test_a_failing_transaction_leaves_neither_row_nor_event(
    store: Store, happening: Event, sign: Callable[[bytes], bytes]
) -> None:
    def fail() -> None:
        with store.write() as connection:
            connection.execute(insert(clients).values(name="woovi", state="active", created_at=happening.at))
            events.append(connection, [happening], sign)
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    with store.read() as connection:
        assert connection.execute(select(clients)).all() == []
        assert events.verify(connection).count == 0


def test_a_batch_is_written_whole_or_not_at_all(store: Store, happening: Event, sign: Callable[[bytes], bytes]) -> None:
    with store.write() as connection:
        assert events.append(connection, [happening] * 1000, sign) == 1000
    twice = [{"name": name, "state": "active", "created_at": happening.at} for name in "aba"]
    with pytest.raises(IntegrityError), store.write() as connection:
        connection.execute(insert(clients), twice)
    with store.read() as connection:
        assert events.verify(connection).count == 1000
        assert connection.execute(select(clients)).all() == []


def of_nobody(value: str) -> dict[str, object]:
    """A pin of a client that is not there."""
    named = dict.fromkeys(("value", "match_key"), value)
    return {"id": 1, "client": "nobody", "kind": "pin", "form": "spki", "authority": "", **named}


def test_a_credential_of_nobody_is_refused_as_our_mistake(store: Store) -> None:
    with pytest.raises(IntegrityError) as wrong, store.write() as connection:
        connection.execute(insert(credentials).values(of_nobody("never to be shown")))
    assert "never to be shown" not in str(wrong.value)


def test_references_are_checked_after_an_upgrade_too(store: Store) -> None:
    store.upgrade()
    for _ in range(2):
        with pytest.raises(IntegrityError), store.write() as connection:
            connection.execute(insert(credentials).values(of_nobody("x")))


def test_a_reader_sees_one_moment_while_another_writes(store: Store, append: Append) -> None:
    with store.read() as reader:
        assert events.last_id(reader) == 0
        assert append(store) == 1
        assert events.last_id(reader) == 0
    with store.read() as reader:
        assert events.last_id(reader) == 1


def test_writers_take_turns(store: Store, append: Append) -> None:
    """The second starts when the first has committed, and sees what it wrote."""
    order: Queue[str] = Queue()

    def second() -> None:
        order.put(f"second wrote {append(store)}")

    with store.write() as connection:
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.1)
        order.put(f"first saw {events.last_id(connection)}")
    thread.join()
    assert [order.get_nowait(), order.get_nowait()] == ["first saw 0", "second wrote 1"]


def test_a_writer_that_waits_too_long_is_told_so(
    location: Path | str, store: Store, append: Append, impatient: None
) -> None:
    waiting = Store.open(location)
    with store.write(), pytest.raises(UnreadableStore) as told, waiting.write():
        pass
    assert "nothing was written" in told.value.message
    assert told.value.hint.startswith("see w")
    assert append(waiting) == 1
    waiting.close()


def test_many_threads_share_the_connections_there_are(store: Store, append: Append) -> None:
    with ThreadPoolExecutor(24) as pool:
        assert sorted(pool.map(lambda _: append(store), range(48))) == list(range(1, 49))


def test_who_gets_no_connection_is_told_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.engine.pool, "_timeout", 0.05)
    held = [store.engine.connect() for _ in range(15)]
    with pytest.raises(StoreUnreachable, match="every connection"), store.read():
        pass
    for connection in held:
        connection.close()
    with store.read() as connection:
        assert events.last_id(connection) == 0


def test_a_store_of_a_newer_mutua_is_refused_and_left_alone(location: Path | str, store: Store) -> None:
    revision(store, "9999")
    for attempt in (lambda: Store.open(location), store.upgrade, lambda: enter(store.read), lambda: enter(store.write)):
        with pytest.raises(UnreadableStore, match="newer"):
            attempt()
    with store.engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"


def enter(transaction: Callable[[], object]) -> None:
    with transaction():  # type: ignore[attr-defined]
        raise AssertionError("it should not have begun")


def test_a_process_of_an_older_mutua_stops_when_the_store_is_upgraded(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would read and write tables that it does not know."""
    monkeypatch.setattr(store_module, "SCHEMA_REVISION", "0001")
    with pytest.raises(UnreadableStore, match="newer"), store.write():
        pass


def test_a_store_that_has_become_older_is_refused_until_it_is_opened_anew(
    location: Path | str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(store_module, "SCHEMA_REVISION", "9998")
        with pytest.raises(UnreadableStore, match="older"), store.read():
            pass


def test_a_store_without_a_revision_is_told_as_that(location: Path | str, store: Store) -> None:
    revision(store, None)
    for attempt in (lambda: Store.open(location), store.upgrade, lambda: enter(store.read)):
        with pytest.raises(UnreadableStore, match="lost its revision"):
            attempt()


def test_a_revision_that_never_was_is_told_as_that(location: Path | str, store: Store) -> None:
    revision(store, "0000")
    with pytest.raises(UnreadableStore, match="cannot be brought up to date"):
        Store.open(location)


def test_a_database_without_a_store_is_told_as_that(empty_location: Path | str) -> None:
    if isinstance(empty_location, Path):
        empty_location.touch()
    for _ in range(2):
        with pytest.raises(UnreadableStore, match="no store"):
            Store.open(empty_location)


def test_a_table_that_is_gone_is_told_as_damage(store: Store) -> None:
    with store.write() as connection:
        connection.execute(text("DROP TABLE grants"))
    with pytest.raises(UnreadableStore, match="grants") as told, store.read() as connection:
        connection.execute(select(metadata.tables["grants"])).all()
    assert "nothing was written" not in told.value.message


def test_asking_for_a_proof_of_what_was_never_cut_off_is_answered_no(store: Store) -> None:
    assert not store.committed(StoreUnreachable("something else"))


@pytest.mark.parametrize(
    "location",
    ["store.db", "", "mysql://mutua:s3cret@db/mutua", "postgresql+asyncpg://u:s3cret@db/x", "postgresql+psycopg://u:s3cret@db:port/x"],
)  # fmt: skip
def test_what_is_no_address_of_a_store_is_refused_without_showing_it(location: str) -> None:
    with pytest.raises(InvalidAddress) as refused:
        Store(location)
    assert "s3cret" not in f"{refused.value} {refused.value.hint}"
    assert "postgresql+psycopg://" in refused.value.hint


def test_without_psycopg_sqlite_works_and_postgresql_says_what_to_install(tmp_path: Path) -> None:
    program = """
import sys; sys.modules["psycopg"] = None
from pathlib import Path
from mutua.errors import MissingExtra
from mutua.store.store import Store
Store.create(Path(sys.argv[1])).close()
try:
    Store.open("postgresql+psycopg://mutua@localhost/mutua")
except MissingExtra as error:
    print(error.hint)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "store.db")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "pip install 'mutua[postgresql]'\n"


def test_importing_the_store_imports_no_psycopg() -> None:
    program = "import sys, mutua.store.store; sys.exit('psycopg' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_an_error_in_the_block_is_raised_as_it_is(store: Store) -> None:
    for transaction in (store.read, store.write):
        error = ValueError("mine")
        with suppress(ValueError):
            with transaction():
                raise error
            pytest.fail("it was swallowed")
        assert error.__cause__ is None

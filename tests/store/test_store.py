import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

import mutua.store.migrations
from mutua.errors import BrokenAudit, UnreadableStore
from mutua.store import events
from mutua.store.events import Event
from mutua.store.schema import clients, credentials, metadata
from mutua.store.store import SCHEMA_REVISION, Store, is_unavailable


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 10_000)],
)
def test_every_connection_is_durable_and_checks_references(store: Store, pragma: str, value: object) -> None:
    with store.read() as first, store.read() as second:
        assert first.execute(text(f"PRAGMA {pragma}")).scalar() == value
        assert second.execute(text(f"PRAGMA {pragma}")).scalar() == value


def test_the_file_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = Store.create(tmp_path / "store.db")
        with store.read():
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        store.close()
    finally:
        os.umask(before)
    assert modes["store.db"] == 0o600
    assert set(modes.values()) == {0o600}


def test_creating_never_touches_a_store_that_is_there(store: Store) -> None:
    before = store.path.read_bytes()
    with pytest.raises(FileExistsError):
        Store.create(store.path)
    assert store.path.read_bytes() == before


def test_migrations_make_the_tables_that_the_schema_describes(store: Store) -> None:
    with store.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_the_comparison_notices_a_column_of_another_type(store: Store) -> None:
    with store.write() as connection:
        connection.execute(text("ALTER TABLE events DROP COLUMN at"))
        connection.execute(text("ALTER TABLE events ADD COLUMN at VARCHAR(40)"))
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = [change[:4] for changes in compare_metadata(context, metadata) for change in changes]
    assert ("modify_type", None, "events", "at") in found


def test_primary_keys_are_those_of_the_schema(store: Store) -> None:
    with store.read() as connection:
        for table in metadata.sorted_tables:
            rows = connection.execute(text(f"PRAGMA table_info({table.name})"))
            assert [row.name for row in rows if row.pk] == [column.name for column in table.primary_key]


def test_the_newest_migration_is_the_revision_this_code_works_with(store: Store) -> None:
    folder = Path(mutua.store.migrations.__file__).parent
    assert ScriptDirectory(str(folder)).get_current_head() == SCHEMA_REVISION
    with store.read() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [SCHEMA_REVISION]


def test_upgrading_twice_changes_nothing(store: Store, happening: Event) -> None:
    with store.write() as connection:
        events.append(connection, happening)
    store.upgrade()
    with store.read() as connection:
        assert events.verify(connection) == 1


def test_a_failing_transaction_leaves_neither_row_nor_event(store: Store, happening: Event) -> None:
    def fail() -> None:
        with store.write() as connection:
            connection.execute(insert(clients).values(name="woovi", state="active", created_at=happening.at))
            events.append(connection, happening)
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    with store.read() as connection:
        assert connection.execute(select(clients)).all() == []
        assert events.verify(connection) == 0


def test_a_credential_of_nobody_is_refused(store: Store) -> None:
    with pytest.raises(IntegrityError), store.write() as connection:
        connection.execute(insert(credentials).values(client="nobody", kind="issued", value="x"))


def test_a_reader_sees_one_moment_while_another_writes(store: Store, happening: Event) -> None:
    with store.read() as reader:
        assert events.last_id(reader) == 0
        with store.write() as writer:
            events.append(writer, happening)
        assert events.last_id(reader) == 0
    with store.read() as reader:
        assert events.last_id(reader) == 1


def test_a_writer_takes_the_lock_at_once(store: Store) -> None:
    with closing(sqlite3.connect(store.path, timeout=0, isolation_level=None)) as other:
        with store.write(), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.execute("BEGIN IMMEDIATE")


def test_a_store_of_a_newer_mutua_is_refused_and_left_alone(store: Store) -> None:
    with store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(UnreadableStore, match="newer"):
        Store.open(store.path)
    with store.read() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"


def test_a_missing_store_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(UnreadableStore, match="no store"):
        Store.open(tmp_path / "store.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not a database at all, but long enough to have a header" * 40])
def test_what_is_no_store_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(content)
    with pytest.raises(UnreadableStore):
        Store.open(path)


def test_a_store_with_a_damaged_first_page_is_refused(store: Store) -> None:
    store.close()
    data = bytearray(store.path.read_bytes())
    data[100:4096] = b"\xff" * 3996
    store.path.write_bytes(data)
    with pytest.raises(UnreadableStore):
        Store.open(store.path)


def test_a_page_damaged_further_in_is_told_when_it_is_read(store: Store, happening: Event) -> None:
    with store.write() as connection:
        for _ in range(200):
            events.append(connection, happening)
        page = connection.execute(text("SELECT rootpage FROM sqlite_master WHERE name = 'events'")).scalar_one()
    store.close()
    data = bytearray(store.path.read_bytes())
    data[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    store.path.write_bytes(data)
    with pytest.raises(BrokenAudit), store.read() as connection:
        events.verify(connection)
    with pytest.raises(UnreadableStore, match="malformed"), store.read() as connection:
        connection.execute(select(metadata.tables["events"])).all()


def test_opening_does_not_leave_connections_behind_when_it_fails(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"damaged" * 1000)
    for _ in range(3):
        with pytest.raises(UnreadableStore):
            Store.open(path)
    opened = {each.resolve() for each in Path("/proc/self/fd").iterdir() if each.is_symlink()}
    assert path.resolve() not in opened


def test_being_locked_out_is_told_apart_from_a_wrong_statement(store: Store) -> None:
    store.close()
    store.path.unlink()
    store.path.mkdir()
    with pytest.raises(UnreadableStore, match="unable to open") as lost, store.read():
        pass
    assert is_unavailable(lost.value)
    assert not is_unavailable(ValueError("wrong"))

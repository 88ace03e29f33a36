"""What only a store on a server can meet: its connections, its refusals, its neighbours."""

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import insert, make_url, select, text
from sqlalchemy.exc import DatabaseError

from mutua.errors import DiskFull, InvalidAddress, MutuaError, StoreUnreachable, UnreadableStore
from mutua.store import events, postgresql, postgresql_errors
from mutua.store.events import Event
from mutua.store.postgresql import WRITERS_LOCK
from mutua.store.schema import clients
from mutua.store.store import SCHEMA_REVISION, Store
from tests.postgresql import Cluster, running_cluster
from tests.store.watching import eventually, hears, is_quiet

Append = Callable[[Store], int]
Sign = Callable[[bytes], bytes]


@pytest.fixture
def database() -> str:
    return "postgresql"


@pytest.fixture
def url(location: str) -> str:
    return location


def database_of(url: str) -> str:
    return make_url(url).database or ""


def last(store: Store) -> int:
    with store.read() as connection:
        return events.verify(connection).count


def test_a_writer_holds_the_lock_and_its_commit_waits_for_the_disk(
    store: Store, behind: "psycopg.Connection[Any]"
) -> None:
    query = f"SELECT pg_try_advisory_xact_lock({WRITERS_LOCK})"
    with store.write() as connection:
        assert behind.execute(query).fetchone() == (False,)
        assert connection.execute(text("SHOW synchronous_commit")).scalar() == "on"
        assert connection.execute(text("SHOW lock_timeout")).scalar() == "10s"
        assert connection.execute(text("SHOW idle_in_transaction_session_timeout")).scalar() == "1min"
        assert connection.execute(text("SHOW transaction_isolation")).scalar() == "read committed"
    assert behind.execute(query).fetchone() == (True,)


def test_a_reader_can_change_nothing(store: Store, happening: Event, sign: Sign) -> None:
    with store.read() as connection:
        assert connection.execute(text("SHOW transaction_isolation")).scalar() == "repeatable read"
        assert connection.execute(text("SHOW idle_in_transaction_session_timeout")).scalar() == "0"
    with pytest.raises(UnreadableStore, match="takes no changes") as told, store.read() as connection:
        events.append(connection, [happening], sign)
    assert "nothing was written" not in told.value.message


@pytest.mark.parametrize(
    ("theirs", "ours"), [("off", "on"), ("local", "local"), ("remote_apply", "remote_apply"), ("on", "on")]
)
def test_a_commit_is_never_less_durable_than_on_disk(
    url: str, store: Store, behind: "psycopg.Connection[Any]", theirs: str, ours: str
) -> None:
    behind.execute(f"ALTER DATABASE {store.engine.url.database} SET synchronous_commit = '{theirs}'")
    fresh = Store.open(url)
    with fresh.write() as connection:
        assert connection.execute(text("SHOW synchronous_commit")).scalar() == ours
    fresh.close()


def test_a_block_that_goes_on_after_a_failed_statement_is_not_committed(store: Store, happening: Event) -> None:
    """The server answers such a commit with a rollback, and the driver with silence."""

    def write() -> None:
        with store.write() as connection:
            connection.execute(insert(clients).values(name="woovi", state="active", created_at=happening.at))
            with suppress(DatabaseError):
                connection.execute(text("SELECT no_such_function()"))

    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        write()
    with store.read() as connection:
        assert connection.execute(select(clients)).all() == []


def test_a_million_rows_are_read_as_they_are_iterated(store: Store) -> None:
    with store.read() as connection:
        result = connection.execution_options(yield_per=100).execute(text("SELECT generate_series(1, 1000000)"))
        assert [row[0] for row, _ in zip(result, range(250), strict=False)] == list(range(1, 251))


def test_a_writer_that_is_frozen_loses_its_turn(
    store: Store, append: Append, happening: Event, sign: Sign, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    begin = {how: [each.replace("60000", "100") for each in sent] for how, sent in postgresql._BEGIN.items()}
    monkeypatch.setattr(postgresql, "_BEGIN", begin)
    other = Store.open(url)

    def freeze() -> None:
        with store.write() as connection:
            events.append(connection, [happening], sign)
            assert append(other) == 1
            events.append(connection, [happening], sign)

    with pytest.raises(StoreUnreachable, match="nothing was written"):
        freeze()
    other.close()
    assert append(store) == 2


def test_passwords_come_from_where_libpq_looks_and_are_never_shown(
    url: str,
) -> None:
    location = url.replace("mutua@", "mutua:s3cret@") + "&password=s3cret2&sslpassword=s3cret3&connect_timeout=7"
    store = Store.open(location)
    assert last(store) == 0
    texts = [store.location, repr(store), repr(store.engine)]
    with pytest.raises(StoreUnreachable) as told:
        Store.open(location.replace("test_", "nowhere_"))
    texts += [told.value.message, told.value.hint]
    with pytest.raises(UnreadableStore) as damaged, store.write() as connection:
        connection.execute(text("SELECT * FROM nowhere"))
    texts += [damaged.value.message, damaged.value.hint, repr(damaged.value.__cause__)]
    assert not [each for each in texts if "s3cret" in each]
    assert store.location == url
    store.close()


def test_a_password_that_is_wanted_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_cluster("local all mutua trust\nlocal all all scram-sha-256\n") as guarded:
        with guarded.connect() as connection:
            connection.execute("CREATE ROLE woovi LOGIN PASSWORD 's3cret'")
            connection.execute("CREATE DATABASE woovi OWNER woovi")
        url = guarded.url("woovi", user="woovi")
        monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))
        with pytest.raises(StoreUnreachable, match="no password supplied") as told:
            Store.create(url)
        assert "export PGPASSWORD" in told.value.hint
        monkeypatch.setenv("PGPASSWORD", "s3cret")
        Store.create(url).close()
        monkeypatch.delenv("PGPASSWORD")
        passwords = tmp_path / "pgpass"
        passwords.write_text("*:*:*:woovi:s3cret\n")
        passwords.chmod(0o600)
        monkeypatch.setenv("PGPASSFILE", str(passwords))
        Store.open(url).close()


def test_an_option_that_libpq_does_not_know_is_refused(url: str) -> None:
    with pytest.raises(InvalidAddress, match='invalid connection option "colour"'):
        Store.open(f"{url}&colour=blue")


def test_a_server_without_room_for_another_connection_is_told_as_that(
    url: str, behind: "psycopg.Connection[Any]"
) -> None:
    behind.execute("CREATE ROLE one LOGIN CONNECTION LIMIT 0")
    try:
        with pytest.raises(StoreUnreachable, match="too many connections") as told:
            Store.open(url.replace("mutua@", "one@"))
        assert "max_connections" in told.value.hint
    finally:
        behind.execute("DROP ROLE one")


def test_a_database_that_takes_no_changes_is_told_as_that(
    url: str, store: Store, append: Append, behind: "psycopg.Connection[Any]"
) -> None:
    behind.execute(f"ALTER DATABASE {store.engine.url.database} SET default_transaction_read_only = on")
    fresh = Store.open(url)
    assert last(fresh) == 0
    with pytest.raises(UnreadableStore, match=r"takes no changes: .*; nothing was written$"):
        append(fresh)
    fresh.close()


def test_a_user_without_rights_is_told_as_that(
    url: str, empty_location: str, behind: "psycopg.Connection[Any]"
) -> None:
    behind.execute("CREATE ROLE guest LOGIN")
    try:
        with pytest.raises(UnreadableStore, match="is closed to its user: permission denied for") as told:
            Store.open(url.replace("mutua@", "guest@"))
        assert told.value.hint.endswith("-c '\\dp'")
        with pytest.raises(UnreadableStore, match="is closed to its user: permission denied for schema public"):
            Store.create(empty_location.replace("mutua@", "guest@"))
    finally:
        behind.execute("DROP ROLE guest")


def test_a_gate_needs_no_more_than_to_read(
    url: str, store: Store, append: Append, behind: "psycopg.Connection[Any]"
) -> None:
    behind.execute("CREATE ROLE gate LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO gate")
    reading = Store.open(url.replace("mutua@", "gate@"))
    feed = reading.feed()
    assert feed.changed()
    append(store)
    assert hears(feed)
    assert last(reading) == 1
    with pytest.raises(UnreadableStore, match="is closed to its user"):
        append(reading)
    feed.close()
    reading.close()
    behind.execute("DROP OWNED BY gate; DROP ROLE gate")


def test_a_database_in_another_encoding_is_refused(cluster: Cluster) -> None:
    with cluster.database("TEMPLATE template0 ENCODING 'LATIN1'") as name:
        with pytest.raises(UnreadableStore, match="its encoding is not UTF8") as told:
            Store.create(cluster.url(name))
        assert "--encoding=UTF8" in told.value.hint


def test_a_statement_that_the_server_breaks_off_is_told(store: Store) -> None:
    slow = text("SELECT set_config('statement_timeout', '20', true), pg_sleep(0.1)")

    def read() -> None:
        with store.read() as connection:
            for _ in range(2):
                connection.execute(slow)

    with pytest.raises(StoreUnreachable, match=r"broke off: .*statement timeout"):
        read()


@pytest.mark.parametrize(
    ("state", "kind", "hint"),
    [
        ("08006", StoreUnreachable, "do it again"),
        ("57P02", StoreUnreachable, "do it again"),
        ("53200", StoreUnreachable, "do it again"),
        ("40P01", StoreUnreachable, "do it again"),
        ("53100", DiskFull, "make room"),
        ("58030", UnreadableStore, "restore it"),
        ("XX001", UnreadableStore, "restore it"),
    ],
)
@pytest.mark.parametrize("writing", [False, True])
def test_what_a_server_in_trouble_says_is_told_with_what_to_do(
    store: Store, state: str, kind: type[MutuaError], hint: str, writing: bool
) -> None:
    error = psycopg.errors.lookup(state)("trouble\n  of its own")
    told = postgresql_errors.explain(error, store.location, writing=writing)
    assert type(told) is kind
    assert told.hint.startswith(hint)
    assert told.message.endswith(": trouble of its own" + "; nothing was written" * writing)


@pytest.mark.parametrize("state", ["23505", "22021", "42601"])
def test_a_wrong_statement_is_not_the_servers_fault(state: str) -> None:
    error = psycopg.errors.lookup(state)("wrong")
    assert postgresql_errors.explain(error, "here", writing=True) is None


def test_each_schema_has_room_for_a_store(cluster: Cluster, empty_location: str, append: Append) -> None:
    with cluster.connect(database_of(empty_location)) as connection:
        connection.execute("CREATE SCHEMA one; CREATE SCHEMA two")
    first, second = (f"{empty_location}&options=-csearch_path%3D{schema}" for schema in ("one", "two"))
    stores = [Store.create(url) for url in (first, second)]
    assert stores[0].location == first
    feeds = [store.feed() for store in stores]
    assert all(feed.changed() for feed in feeds)
    append(stores[0])
    assert hears(feeds[0])
    assert is_quiet(feeds[1], seconds=1.0), "what is told to one store's watchers is nothing to the other's"
    assert [last(store) for store in stores] == [1, 0]
    with pytest.raises(UnreadableStore, match="no store"):
        Store.open(empty_location)
    for feed, store in zip(feeds, stores, strict=True):
        feed.close()
        store.close()


def test_without_a_schema_to_put_it_a_store_cannot_be_made(empty_location: str) -> None:
    with pytest.raises(UnreadableStore, match="no schema has been selected to create in"):
        Store.create(f"{empty_location}&options=-csearch_path%3Dnowhere")


def test_an_upgrade_waits_for_who_reads_and_who_comes_after_waits_for_it(
    url: str, store: Store, behind: "psycopg.Connection[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader whose snapshot is older than the tables would find them empty."""
    results: list[str] = []

    def upgrade() -> None:
        Store.open(url).close()
        results.append("upgraded")

    def read() -> None:
        with store.read() as connection:
            assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == SCHEMA_REVISION
            results.append("read")

    def migrate(config: Config, _to: str) -> None:
        config.attributes["connection"].execute(text(f"UPDATE alembic_version SET version_num = '{SCHEMA_REVISION}'"))

    monkeypatch.setattr(command, "upgrade", migrate)
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'alembic_version'::regclass"
    upgrading, reading = threading.Thread(target=upgrade), threading.Thread(target=read)
    behind.execute("UPDATE alembic_version SET version_num = '0001'")
    with store.engine.connect() as long, long.begin():
        upgrading.start()
        eventually(lambda: behind.execute(waiting).fetchone() == (1,))
        reading.start()
        eventually(lambda: behind.execute(waiting).fetchone() == (2,))
        assert results == []
    upgrading.join()
    reading.join()
    # Which thread comes to say so first is not the database's to decide; what the reader found is.
    assert sorted(results) == ["read", "upgraded"]

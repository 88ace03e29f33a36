"""A server that goes away, at the worst moment too, and one whose disk is full."""

import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import insert, make_url, select

from mutua.errors import DiskFull, StoreUnreachable, UnreadableStore
from mutua.store import events
from mutua.store import store as store_module
from mutua.store.events import Event
from mutua.store.schema import clients
from mutua.store.store import Store
from tests.conftest import soak
from tests.postgresql import SERVER_USER, Cluster, server_folder
from tests.store.small_disk import append_until_full, fill_up, grow, small_disk
from tests.store.watching import eventually
from tests.store.wire import Cut, Wire

Append = Callable[[Store], int]
Sign = Callable[[bytes], bytes]


@pytest.fixture
def database() -> str:
    return "postgresql"


@pytest.fixture
def url(location: str) -> str:
    return location


def last(store: Store) -> int:
    with store.read() as connection:
        return events.verify(connection).count


def test_a_restart_between_two_transactions_is_not_noticed(
    store: Store, append: Append, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    held = [store.engine.connect() for _ in range(5)]
    for connection in held:
        connection.close()
    append(store)
    cluster.restart("fast")
    assert append(store) == 2
    cluster.restart("immediate")
    assert last(store) == 2
    assert caplog.records == []


def test_a_restart_within_a_transaction_undoes_it_and_is_told(
    store: Store, happening: Event, sign: Sign, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    def write() -> None:
        with store.write() as connection:
            events.append(connection, [happening], sign)
            cluster.restart("fast")

    with pytest.raises(StoreUnreachable, match=r"broke the connection: .*; nothing was written$") as told:
        write()
    assert told.value.hint.startswith("do it again; and if it fails again: psql 'postgresql://mutua@/")
    assert not store.committed(told.value)

    def read() -> None:
        with store.read() as connection:
            cluster.restart("immediate")
            events.last_id(connection)

    with pytest.raises(StoreUnreachable) as told:
        read()
    assert "written" not in told.value.message
    assert last(store) == 0
    assert caplog.records == []


def test_a_server_that_is_away_is_told_with_how_to_look(store: Store, cluster: Cluster, url: str) -> None:
    cluster.stop()
    try:
        for attempt in (lambda: Store.open(url), lambda: Store.create(url), lambda: last(store)):
            with pytest.raises(StoreUnreachable, match=r"cannot be reached: .*No such file") as told:
                attempt()
            assert told.value.hint == f"psql '{url.replace('+psycopg', '')}'"
            assert "\n" not in told.value.message
    finally:
        cluster.start()
    assert last(store) == 0


@pytest.fixture
def wire(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    with Wire(cluster.folder, tmp_path_factory.mktemp("w")) as opened:
        yield opened


@pytest.fixture
def distant(url: str, wire: Wire) -> Iterator[Store]:
    """The store at the other end of the wire."""
    store = Store.open(f"postgresql+psycopg://mutua@/{make_url(url).database}?host={wire.folder}")
    yield store
    store.close()


def mend_soon(wire: Wire) -> threading.Thread:
    thread = threading.Timer(0.3, wire.mend)
    thread.start()
    return thread


def test_a_commit_whose_answer_is_lost_is_found_to_be_done(distant: Store, append: Append, wire: Wire) -> None:
    wire.cut = Cut.AFTER_COMMIT
    mending = mend_soon(wire)
    assert append(distant) == 1
    mending.join()
    assert last(distant) == 1


def test_a_commit_that_never_arrived_is_found_not_to_be_done(distant: Store, append: Append, wire: Wire) -> None:
    wire.cut = Cut.BEFORE_COMMIT
    mending = mend_soon(wire)
    with pytest.raises(StoreUnreachable, match="while a change was being committed; nothing was written") as told:
        append(distant)
    mending.join()
    assert last(distant) == 0
    assert not distant.committed(told.value)


@pytest.mark.parametrize(("cut", "written"), [(Cut.AFTER_COMMIT, True), (Cut.BEFORE_COMMIT, False)])
def test_what_became_of_a_commit_is_not_known_until_the_server_is_back(
    distant: Store, append: Append, wire: Wire, cut: Cut, written: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "SETTLE_SECONDS", 0.2)
    wire.cut = cut
    with pytest.raises(StoreUnreachable, match="whether it was written is not known") as unknown:
        append(distant)
    with pytest.raises(StoreUnreachable, match="cannot be reached"):
        distant.committed(unknown.value)
    wire.mend()
    assert distant.committed(unknown.value) is written
    assert last(distant) == written


def test_the_same_number_in_another_history_is_no_proof(
    distant: Store,
    store: Store,
    append: Append,
    wire: Wire,
    happening: Event,
    sign: Sign,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The commit never arrived, and another writer's event got the number that ours would have had."""
    monkeypatch.setattr(store_module, "SETTLE_SECONDS", 0.2)
    wire.cut = Cut.BEFORE_COMMIT
    with pytest.raises(StoreUnreachable, match="not known") as unknown:
        append(distant)
    other = happening._replace(actor="bia")
    with store.write() as connection:
        assert events.append(connection, [other], sign) == 1
    wire.mend()
    assert not distant.committed(unknown.value)


def test_it_is_told_no_earlier_than_the_server_has_made_up_its_mind(
    impatient: None, distant: Store, store: Store, append: Append, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While somebody holds the writers' lock, the cut-off transaction may still be among them."""
    monkeypatch.setattr(store_module, "SETTLE_SECONDS", 0.2)
    wire.cut = Cut.AFTER_COMMIT
    with pytest.raises(StoreUnreachable, match="not known") as unknown:
        append(distant)
    wire.mend()
    with store.write(), pytest.raises(UnreadableStore, match="held by somebody else"):
        distant.committed(unknown.value)
    assert distant.committed(unknown.value)


def test_a_change_without_an_event_leaves_nothing_to_look_for(distant: Store, wire: Wire, happening: Event) -> None:
    wire.cut = Cut.AFTER_COMMIT

    def write() -> None:
        with distant.write() as connection:
            connection.execute(insert(clients).values(name="woovi", state="active", created_at=happening.at))

    with pytest.raises(StoreUnreachable, match="not known") as unknown:
        write()
    wire.mend()
    with pytest.raises(StoreUnreachable, match="not known"):
        distant.committed(unknown.value)


# --- under load


class Appending:
    """A process that appends, and what it says of each event."""

    def __init__(self, location: str, writer: str, root: Path) -> None:
        command = [sys.executable, "-m", "tests.store.appending", location, writer]
        self._process = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.became: dict[str, set[str]] = {"ok": set(), "failed": set(), "unknown": set()}
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            became, name = line.split()
            self.became[became].add(name)

    def stop(self) -> int:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
        return self._process.wait()


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_restarts_under_load_lose_nothing_that_was_acknowledged(
    url: str, cluster: Cluster, pytestconfig: pytest.Config
) -> None:
    """Every append succeeds or fails clearly, and what it says is true."""
    writers = [Appending(url, name, pytestconfig.rootpath) for name in ("ana", "bia")]

    def more() -> None:
        counts = [len(each.became["ok"]) for each in writers]
        eventually(lambda: all(len(each.became["ok"]) > old for each, old in zip(writers, counts, strict=True)))

    try:
        for number in range(soak(share=4, whole=40)):
            more()
            cluster.restart("immediate" if number % 2 else "fast")
        more()
    finally:
        codes = [each.stop() for each in writers]
    assert codes == [0, 0], "nothing but StoreUnreachable is raised"

    became = {kind: set().union(*(each.became[kind] for each in writers)) for kind in ("ok", "failed", "unknown")}
    store = Store.open(url)
    with store.read() as connection:
        stored = set(connection.execute(select(clients.c.name)).scalars())
        assert events.verify(connection).count == len(stored)
    store.close()
    assert became["ok"] <= stored <= became["ok"] | became["unknown"]


# --- a full disk


def test_a_full_disk_under_the_tables_is_told_and_loses_nothing(
    url: str, store: Store, cluster: Cluster, behind: "psycopg.Connection[Any]", happening: Event, sign: Sign
) -> None:
    with small_disk(cluster.folder / "disk", "512k", owner=SERVER_USER) as disk:
        behind.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
        try:
            behind.execute("ALTER TABLE events SET TABLESPACE small")
            acknowledged, told = append_until_full(store, happening, sign)
            assert isinstance(told, DiskFull)
            assert re.search(r"has no room left on its disk: .*; nothing was written$", told.message)
            assert told.hint == "make room on the server: df -h"
            assert acknowledged > 0
            assert last(store) == acknowledged
            again, told = append_until_full(store, happening, sign)
            assert isinstance(told, DiskFull)

            grow(disk, "4m")
            with store.write() as connection:
                assert events.append(connection, [happening], sign) == acknowledged + again + 1
            assert last(store) == acknowledged + again + 1
            behind.execute("ALTER TABLE events SET TABLESPACE pg_default")
        finally:
            behind.execute("DROP TABLESPACE small")


@pytest.mark.timeout(300)
def test_a_full_disk_under_the_whole_server_loses_nothing_that_was_acknowledged(
    happening: Event, sign: Sign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server cannot write its log then, and gives up in the middle of a commit."""
    monkeypatch.setattr(store_module, "SETTLE_SECONDS", 0.5)
    with server_folder() as folder, small_disk(folder / "disk", "128m", owner=SERVER_USER) as disk:
        cluster = Cluster.make(folder, disk / "data")
        try:
            with cluster.store() as url:
                store = Store.open(url)
                ballast = fill_up(disk, but=300_000)
                acknowledged, told = append_until_full(store, happening, sign)
                assert isinstance(told, DiskFull | StoreUnreachable)
                ballast.unlink()
                cluster.restart("immediate")
                written = isinstance(told, StoreUnreachable) and store.committed(told)
                assert last(store) == acknowledged + written
                with store.write() as connection:
                    assert events.append(connection, [happening], sign) == acknowledged + written + 1
                store.close()
        finally:
            cluster.stop("immediate")

"""The store goes away under a running server: known clients for a while, then nobody, and back by itself."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pytest

from mutua import Home
from mutua.errors import UnreadableStore
from mutua.home.home import STORE_FILE
from mutua.home.settings import SETTINGS_FILE
from mutua.inbound.live_gate import LiveGate
from tests.conftest import CHEAP_SEALING
from tests.inbound.certificates import unregistered_identity
from tests.inbound.connections import LiveConnection, client_context, until
from tests.inbound.load import Load, load
from tests.postgresql import Cluster, running_cluster
from tests.serving import Serving

MAX_STALE = 2
UNKNOWN = "unknown"


class Loss(Protocol):
    """A way for the store of a home to go away, and to come back."""

    home: Home

    def take_away(self) -> None: ...

    def bring_back(self) -> None: ...


class Removed:
    """``rm``, and a backup afterwards."""

    def __init__(self, home: Home, folder: Path) -> None:
        self.home = home
        self._backup = back_up(home, folder / "backup.db")

    def take_away(self) -> None:
        remove_store(self.home)

    def bring_back(self) -> None:
        self._backup.replace(self.home.path / STORE_FILE)


class Moved:
    """``mv``, there and back."""

    def __init__(self, home: Home, folder: Path) -> None:
        self.home = home
        self._aside = folder / "aside"
        self._aside.mkdir()

    def take_away(self) -> None:
        self.home.close()
        for file in self.home.path.glob(f"{STORE_FILE}*"):
            file.rename(self._aside / file.name)

    def bring_back(self) -> None:
        for file in self._aside.iterdir():
            file.rename(self.home.path / file.name)


class Stopped:
    """PostgreSQL stopped, and started."""

    def __init__(self, home: Home, cluster: Cluster) -> None:
        self.home = home
        self._cluster = cluster
        self._is_away = False

    def take_away(self) -> None:
        self._is_away = True
        self._cluster.stop()

    def bring_back(self) -> None:
        if self._is_away:
            self._cluster.start()
        self._is_away = False


@pytest.fixture(params=["rm", "mv", "postgresql"])
def loss(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Loss]:
    """Each way, on a home whose gates go on for ``MAX_STALE`` seconds without their store."""
    if request.param != "postgresql":
        home = request.getfixturevalue("home")
        impatient(home)
        yield Removed(home, tmp_path) if request.param == "rm" else Moved(home, tmp_path)
        return
    with home_on_postgresql(tmp_path) as (home, cluster, _):
        impatient(home)
        stopped = Stopped(home, cluster)
        yield stopped
        stopped.bring_back()


@contextmanager
def home_on_postgresql(folder: Path) -> Iterator[tuple[Home, Cluster, str]]:
    """A home like ``home``, the server that has its store, and the name of the database there."""
    with (
        running_cluster() as cluster,
        cluster.database() as name,
        Home.create(folder / "home", name="Acme", store=cluster.url(name), sealing_cost=CHEAP_SEALING) as home,
    ):
        home.identities.save("api", home.authority.issue_server("localhost", "127.0.0.1"))
        add(home, "woovi")
        yield home, cluster, name


class Restorable(Protocol):
    """A home whose store is backed up, and restored while it is in use."""

    home: Home

    def back_up(self) -> None: ...

    def restore(self) -> None: ...


class File:
    """SQLite: a file that takes another's place."""

    def __init__(self, home: Home, folder: Path) -> None:
        self.home = home
        self._backup = folder / "backup.db"

    def back_up(self) -> None:
        back_up(self.home, self._backup)

    def restore(self) -> None:
        self._backup.replace(self.home.path / STORE_FILE)


class Database:
    """PostgreSQL: other tables, on connections that stay."""

    def __init__(self, home: Home, cluster: Cluster, name: str) -> None:
        self.home = home
        self._cluster = cluster
        self._name = name
        self._backup = b""

    def back_up(self) -> None:
        self._backup = self._cluster.back_up(self._name)

    def restore(self) -> None:
        self._cluster.restore(self._name, self._backup)


@pytest.fixture(params=["sqlite", "postgresql"])
def restorable(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Restorable]:
    if request.param == "sqlite":
        yield File(request.getfixturevalue("home"), tmp_path)
        return
    with home_on_postgresql(tmp_path) as (home, cluster, name):
        yield Database(home, cluster, name)


@pytest.fixture
def serve_home() -> Iterator[Callable[..., Serving]]:
    """Starts ``mutua serve`` for any home."""
    with ExitStack() as stack:

        def start(home: Home, **options: Any) -> Serving:
            serving = Serving.start(home, **options)
            stack.callback(serving.stop)
            return serving

        yield start


def impatient(home: Home) -> None:
    settings = home.path / SETTINGS_FILE
    settings.write_text(settings.read_text().replace("max_stale = 300", f"max_stale = {MAX_STALE}"))


def back_up(home: Home, target: Path) -> Path:
    with closing(sqlite3.connect(home.path / STORE_FILE)) as store, closing(sqlite3.connect(target)) as copy:
        store.backup(copy)
    return target


def remove_store(home: Home) -> None:
    home.close()
    for file in home.path.glob(f"{STORE_FILE}*"):
        file.unlink()


def calling(home: Home, port: int, *clients: str) -> AbstractContextManager[Load]:
    """These clients, and one with a certificate of our CA that the registry does not know, calling all the time."""
    known = {name: home.identities.load(name) for name in clients}
    identities, trust = {**known, UNKNOWN: unregistered_identity(home)}, home.trust
    return load(port, {name: partial(each.client_context, trust) for name, each in identities.items()})


def reasons(serving: Serving) -> dict[str | None, set[str]]:
    """Why each client was refused; complete once the server has stopped."""
    serving.stop()
    found: dict[str | None, set[str]] = {}
    for line in serving.lines:
        if line["event"] == "refused":
            found.setdefault(line["client"], set()).add(line["reason"])
    return found


def test_under_load_known_clients_go_on_for_a_while_then_nobody_and_it_recovers_by_itself(
    loss: Loss, serve_home: Callable[..., Serving]
) -> None:
    home, serving = loss.home, serve_home(loss.home)
    with calling(home, serving.port, "woovi") as calls:
        until(lambda: calls.now_only("woovi", 200) and calls.now_only(UNKNOWN, 403))
        loss.take_away()
        until(lambda: "the store is lost" in serving.talk)
        assert calls.now_only("woovi", 200), "it goes on with what it knows"
        until(lambda: calls.now_only("woovi", 503) and calls.now_only(UNKNOWN, 503))
        assert not list(home.path.glob(f"{STORE_FILE}*")), "a gate must not make an empty store where one was lost"
        loss.bring_back()
        until(lambda: calls.now_only("woovi", 200) and calls.now_only(UNKNOWN, 403))
    assert "the store is back" in serving.talk
    assert calls.turns("woovi") == [[200, 503, 200]] * 2, "on its live connection and on new ones"
    assert calls.turns(UNKNOWN) == [[403, 503, 403]] * 2
    assert reasons(serving) == {None: {"unknown_client", "stale_registry"}}


def test_under_load_a_restored_backup_is_followed_as_it_is(
    restorable: Restorable, serve_home: Callable[..., Serving]
) -> None:
    home = restorable.home
    add(home, "bank")
    home.clients.suspend("woovi")
    restorable.back_up()
    home.clients.resume("woovi")
    add(home, "late")
    home.close()
    serving = serve_home(home, loop="uvloop")
    with calling(home, serving.port, "woovi", "bank", "late") as calls:
        until(lambda: all(calls.now_only(name, 200) for name in ("woovi", "bank", "late")))
        restorable.restore()
        until(lambda: calls.now_only("woovi", 403) and calls.now_only("late", 403))
        assert calls.now_only("bank", 200)
        home.clients.resume("woovi")
        until(lambda: calls.now_only("woovi", 200))
        home.clients.suspend("bank")
        until(lambda: calls.now_only("bank", 403))
    assert calls.turns("woovi") == [[200, 403, 200]] * 2
    assert calls.turns("late") == calls.turns("bank") == [[200, 403]] * 2
    assert calls.turns(UNKNOWN) == [[403]] * 2
    assert reasons(serving) == {"woovi": {"suspended"}, "bank": {"suspended"}, None: {"unknown_client"}}


def add(home: Home, name: str) -> None:
    home.clients.add(name, allow=["GET /**"])
    home.identities.save(name, home.authority.issue_client(name))


def test_what_was_suspended_while_the_server_could_not_see_it_never_gets_in_again(
    home: Home, serve_home: Callable[..., Serving], tmp_path: Path
) -> None:
    impatient(home)
    moved = Moved(home, tmp_path)
    serving = serve_home(home)
    with LiveConnection(serving.port, client_context(home)) as connection:
        assert connection.get() == 200
        moved.take_away()
        until(lambda: "the store is lost" in serving.talk)
        shutil.copytree(home.path, tmp_path / "elsewhere", ignore=shutil.ignore_patterns("run"))
        for file in (tmp_path / "aside").iterdir():
            file.rename(tmp_path / "elsewhere" / file.name)
        with Home.open(tmp_path / "elsewhere") as elsewhere:
            elsewhere.clients.suspend("woovi")
        back_up(elsewhere, tmp_path / "back.db").replace(home.path / STORE_FILE)
        until(lambda: "the store is back" in serving.talk)
    with LiveConnection(serving.port, client_context(home)) as connection:
        assert connection.get() == 403
    assert "suspended" in reasons(serving)["woovi"]


def test_junk_in_place_of_the_store_is_a_loss(home: Home, serve_home: Callable[..., Serving], tmp_path: Path) -> None:
    impatient(home)
    serving = serve_home(home)
    with calling(home, serving.port, "woovi") as calls:
        (tmp_path / "junk").write_bytes(b"junk" * 2000)
        (tmp_path / "junk").replace(home.path / STORE_FILE)
        until(lambda: calls.now_only("woovi", 503))
    assert calls.all(UNKNOWN) <= {403, 503}
    assert reasons(serving)[None] >= {"stale_registry"}


def test_a_gate_never_starts_without_a_store(home: Home) -> None:
    remove_store(home)
    with pytest.raises(UnreadableStore):
        LiveGate(home)
    assert not (home.path / STORE_FILE).exists()

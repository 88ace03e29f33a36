"""An empty store on each database, and events to put into it."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mutua.store import events, postgresql, sqlite_file
from mutua.store.events import Event
from mutua.store.store import Store
from tests.postgresql import Cluster, running_cluster

SQLITE, POSTGRESQL = "sqlite", "postgresql"


@pytest.fixture(scope="session")
def store_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "store.db"
    Store.create(path).close()
    return path


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server."""
    with running_cluster() as running:
        yield running


@pytest.fixture(params=[SQLITE, POSTGRESQL])
def database(request: pytest.FixtureRequest) -> str:
    """Both databases."""
    return str(request.param)


@pytest.fixture
def location(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path | str]:
    """Where a store with its tables and nothing in them is."""
    if database == POSTGRESQL:
        cluster: Cluster = request.getfixturevalue("cluster")
        with cluster.store() as url:
            yield url
    else:
        path = tmp_path / "store.db"
        shutil.copy(request.getfixturevalue("store_template"), path)
        yield path


@pytest.fixture
def empty_location(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path | str]:
    """Where a store can be made."""
    if database == POSTGRESQL:
        cluster: Cluster = request.getfixturevalue("cluster")
        with cluster.database() as name:
            yield cluster.url(name)
    else:
        yield tmp_path / "store.db"


@pytest.fixture
def store(location: Path | str) -> Iterator[Store]:
    """A store with its tables and nothing in them."""
    opened = Store.open(location)
    yield opened
    opened.close()


@pytest.fixture
def behind(store: Store, cluster: Cluster) -> Iterator["psycopg.Connection[Any]"]:
    """A connection to a store's database past mutua."""
    with cluster.connect(store.engine.url.database or "") as connection:
        yield connection


@pytest.fixture(scope="session")
def sign() -> Callable[[bytes], bytes]:
    """Signs the head of the event chain."""
    return Ed25519PrivateKey.generate().sign


@pytest.fixture
def append(happening: Event, sign: Callable[[bytes], bytes]) -> Callable[[Store], int]:
    """Writes one event in a transaction of its own; returns its id."""

    def write(store: Store) -> int:
        with store.write() as connection:
            return events.append(connection, [happening], sign)

    return write


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores that are opened from now on wait a twentieth of a second for a lock."""
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT_SECONDS", 0.05)
    monkeypatch.setattr(postgresql, "_SESSION", (*postgresql._SESSION, "SET lock_timeout = 50"))


@pytest.fixture
def happening() -> Event:
    """Something that was done."""
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    return Event(at=at, actor="ana", kind="client.added", subject="woovi", body={"grants": ["GET /**"]})

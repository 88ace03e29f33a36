"""An empty store, and events to put into it."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mutua.store.events import Event
from mutua.store.store import Store


@pytest.fixture(scope="session")
def store_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "store.db"
    Store.create(path).close()
    return path


@pytest.fixture
def store(store_template: Path, tmp_path: Path) -> Iterator[Store]:
    """A store with its tables and nothing in them."""
    path = tmp_path / "store.db"
    shutil.copy(store_template, path)
    opened = Store.open(path)
    yield opened
    opened.close()


@pytest.fixture
def happening() -> Event:
    """Something that was done."""
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    return Event(at=at, actor="ana", kind="client.added", subject="woovi", body={"grants": ["GET /**"]})

"""The store goes away under a running server: known clients for a while, then nobody, and back by itself."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from mutua import Home
from mutua.errors import UnreadableStore
from mutua.home.home import STORE_FILE
from mutua.home.settings import SETTINGS_FILE
from mutua.inbound.live_gate import LiveGate
from tests.inbound.connections import LiveConnection, client_context, until
from tests.serving import Serving


@pytest.fixture
def impatient(home: Home) -> Home:
    """A home whose gates go on for one second without their store."""
    settings = home.path / SETTINGS_FILE
    settings.write_text(settings.read_text().replace("max_stale = 300", "max_stale = 1"))
    return home


def back_up(home: Home, target: Path) -> Path:
    with closing(sqlite3.connect(home.path / STORE_FILE)) as store, closing(sqlite3.connect(target)) as copy:
        store.backup(copy)
    return target


def remove_store(home: Home) -> None:
    home.close()
    for file in home.path.glob(f"{STORE_FILE}*"):
        file.unlink()


def test_known_clients_go_on_for_a_while_then_nobody_and_it_recovers_by_itself(
    impatient: Home, serve: Callable[..., Serving], loop: str, tmp_path: Path
) -> None:
    home = impatient
    backup = back_up(home, tmp_path / "backup.db")
    serving, context = serve(loop=loop), client_context(home)
    with LiveConnection(serving.port, context) as connection:
        assert connection.get() == 200
        remove_store(home)
        statuses = [connection.get()]
        until(lambda: statuses.append(connection.get()) or statuses[-1] == 503)  # type: ignore[func-returns-value]
        assert set(statuses) == {200, 503}
        assert "the store is lost" in serving.talk
        line = serving.next_line("refused")
        assert (line["reason"], line["status"]) == ("stale_registry", 503)
        assert not list(home.path.glob(f"{STORE_FILE}*")), "a gate must not make an empty store where one was lost"

        backup.replace(home.path / STORE_FILE)
        until(lambda: connection.get() == 200)
        until(lambda: "the store is back" in serving.talk)


def test_a_store_replaced_by_another_is_followed(home: Home, serve: Callable[..., Serving], tmp_path: Path) -> None:
    home.clients.suspend("woovi")
    backup = back_up(home, tmp_path / "backup.db")
    home.clients.resume("woovi")
    home.close()
    serving = serve()
    with LiveConnection(serving.port, client_context(home)) as connection:
        assert connection.get() == 200
        backup.replace(home.path / STORE_FILE)
        until(lambda: connection.get() == 403)
        assert serving.next_line("refused")["reason"] == "suspended"
        home.clients.resume("woovi")
        until(lambda: connection.get() == 200)


def test_junk_in_place_of_the_store_is_a_loss(impatient: Home, serve: Callable[..., Serving], tmp_path: Path) -> None:
    home = impatient
    serving = serve()
    with LiveConnection(serving.port, client_context(home)) as connection:
        (tmp_path / "junk").write_bytes(b"junk" * 2000)
        (tmp_path / "junk").replace(home.path / STORE_FILE)
        until(lambda: connection.get() == 503)
        assert serving.next_line("refused")["reason"] == "stale_registry"


def test_a_gate_never_starts_without_a_store(home: Home) -> None:
    remove_store(home)
    with pytest.raises(UnreadableStore):
        LiveGate(home)
    assert not (home.path / STORE_FILE).exists()

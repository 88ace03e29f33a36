"""A server for each door, with clients of every kind known to its home."""

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from mutua import Home
from mutua.tls.identity import Identity
from tests.inbound.certificates import present_identities
from tests.inbound.doors.doors import DOORS, Door
from tests.serving import Serving


@pytest.fixture(scope="module")
def shared_home(home_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("doors") / "home"
    shutil.copytree(home_template, folder, symlinks=True)
    with Home.open(folder) as opened:
        yield opened


@pytest.fixture(scope="module")
def identities(shared_home: Home, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Identity | None]:
    return present_identities(shared_home, tmp_path_factory.mktemp("stranger") / "home")


@pytest.fixture(scope="module")
def servers(shared_home: Home, identities: object) -> Iterator[dict[str, Serving]]:
    """Those that run, by door: one serves all tests of a module, and then shows what has reached its application."""
    running: dict[str, Serving] = {}
    yield running
    for serving in running.values():
        serving.stop()
    for serving in running.values():
        assert what_reached(serving) == what_was_let_through(serving)


def what_reached(serving: Serving) -> list[tuple[str, str]]:
    """Who came to the application, and for what."""
    return sorted((str(line["client"]), line["path"]) for line in serving.reached())


def what_was_let_through(serving: Serving) -> list[tuple[str, str]]:
    """Who was to come there: admitted, or refused only when a WebSocket of his was open."""
    return sorted(
        (str(line["client"]), line["path"])
        for line in serving.lines
        if line["event"] == "admitted" or (line["event"] == "refused" and line.get("status") == 101)
    )


@pytest.fixture
def door(door_name: str) -> Door:
    missing = [module for module in DOORS[door_name].modules if find_spec(module) is None]
    if missing:
        pytest.fail(f"the extras of this door are not installed: {', '.join(missing)}")
    return DOORS[door_name]


@pytest.fixture
def serving(door_name: str, door: Door, servers: dict[str, Serving], shared_home: Home) -> Serving:
    """The server of the door, shared by the tests of a module."""
    if door_name not in servers:
        servers[door_name] = door.start(shared_home)
    return servers[door_name]

"""Homes whose keys are sealed so cheaply that they can be sealed again and again."""

import json
from collections.abc import Iterator

import pytest

from mutua import Home
from mutua.home.sealing import Cost, Sealer

CHEAPEST = Cost(n=2)
WINDOW = 24


@pytest.fixture(autouse=True)
def cheap_sealing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mutua.home.home.Sealer", lambda passphrase, cost=None: Sealer(passphrase, cost or CHEAPEST))


@pytest.fixture
def other(home: Home) -> Iterator[Home]:
    """The same home in another process's hands."""
    with Home.open(home.path, actor="other") as opened:
        yield opened


def sealed(home: Home, authority: str = "root") -> str:
    """The secret part of what is stored of a key."""
    stored = home.hierarchy.get(authority).key
    assert stored is not None
    return str(json.loads(stored)["sealed"])


def left(home: Home, *secrets: str) -> list[str]:
    """The files of the store in which any part of a sealed key is to be found."""
    parts = {part[at : at + WINDOW].encode() for part in secrets for at in range(0, len(part) - WINDOW, 8)}
    files = sorted(home.path.glob("store.db*"))
    assert files
    return [each.name for each in files if any(part in each.read_bytes() for part in parts)]


def change(home: Home, passphrase: bytes) -> int:
    return home.change_passphrase(passphrase, cost=CHEAPEST)


def assert_everything_works(home: Home) -> None:
    """In a process that has just begun."""
    with Home.open(home.path) as fresh:
        for each in fresh.hierarchy.everyone():
            if each.key is not None:
                assert fresh.keys.of(each)
        assert fresh.authority.issue_client("woovi")
        fresh.audit.verify()

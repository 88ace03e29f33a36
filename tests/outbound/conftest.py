"""One server for a module of tests of renewed identities."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mutua import Home
from mutua.outbound import following, watched
from tests.outbound.renewing import Renewing, renewing


@pytest.fixture(scope="module")
def renewed(home_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Renewing]:
    """A server, and an identity that is renewed: every test finds a good one and leaves a good one."""
    folder = tmp_path_factory.mktemp("renewed") / "home"
    shutil.copytree(home_template, folder, symlinks=True)
    with Home.open(folder) as home, renewing(home) as ready:
        yield ready


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as written as soon as they are there, so that no test waits."""
    monkeypatch.setattr(watched, "SETTLE_SECONDS", 0)


@pytest.fixture
def looks_always(settled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """And clients look at them before every request."""
    monkeypatch.setattr(following, "LOOK_SECONDS", 0)

import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from mutua import Home, Identity
from tests.web.est.asking import EstServer

_NUMBERS = count(1)


@pytest.fixture(scope="module")
def est(home_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EstServer]:
    """A server for all tests of a module; each has clients of its own."""
    folder = tmp_path_factory.mktemp("est") / "home"
    shutil.copytree(home_template, folder, symlinks=True)
    with Home.open(folder) as home:
        server = EstServer(home)
        yield server
        server.process.stop()


@pytest.fixture
def client(est: EstServer) -> str:
    """A client that nobody has dealt with before."""
    return est.home.clients.add(f"client-{next(_NUMBERS)}").name


@pytest.fixture
def held(est: EstServer, client: str) -> Identity:
    """Its certificate."""
    return est.home.authority.issue_client(client)

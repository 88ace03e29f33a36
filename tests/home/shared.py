"""Homes on either database, for those who act on one at the same time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mutua import Home
from mutua.home.settings import TokenSettings
from tests.conftest import CHEAP_SEALING
from tests.home.acting import CLIENTS, PAUSED
from tests.postgresql import Cluster, running_cluster
from tests.softhsm import SoftHsm

PARTS = """
revocation_url = "http://pki.acme.example"
crl_shards = 3
"""

POLICY = """
[policy.client]
names = ["{client}", "*.{client}.example"]
max_valid = 1000000
"""


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server."""
    with running_cluster() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql", "token"])
def database(request: pytest.FixtureRequest) -> str:
    """Both databases; and SQLite once more with the CA keys in a token."""
    return str(request.param)


@pytest.fixture
def shared(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A home with the clients of ``tests.home.acting``, who may have as many certificates as they like.

    On PostgreSQL its CRLs are cut into parts.
    """
    if database == "sqlite":
        yield make_shared(tmp_path / "shared")
        return
    if database == "token":
        hsm: SoftHsm = request.getfixturevalue("softhsm")
        yield make_shared(tmp_path / "shared", token=TokenSettings(hsm.module, hsm.token))
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    with cluster.database() as name:
        yield make_shared(tmp_path / "shared", cluster.url(name))


def make_shared(folder: Path, store: str | None = None, token: TokenSettings | None = None) -> Path:
    with Home.create(folder, name="Acme Payments", sealing_cost=CHEAP_SEALING, store=store, token=token) as home:
        for name in (*CLIENTS, PAUSED):
            home.clients.add(name)
    with (folder / "mutua.toml").open("a", encoding="utf-8") as settings:
        settings.write(POLICY if store is None else PARTS + POLICY)
    return folder

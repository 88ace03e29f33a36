"""One home, everybody who calls, and a server for each TLS version."""

from collections.abc import Iterator

import pytest

from mutua.testing import identities
from mutua.testing.foreign import foreign_authority
from mutua.testing.home import UnsafeHome
from mutua.testing.server import RunningServer
from mutua.tls.identity import Identity
from tests.outbound.clients.callers import Caller
from tests.outbound.clients.doors import NAME, VERSIONS, start
from tests.outbound.clients.niquests_process import NiquestsProcess


@pytest.fixture(scope="module")
def testing_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UnsafeHome]:
    with UnsafeHome.make(tmp_path_factory.mktemp("clients") / "home") as home:
        yield home
    NiquestsProcess.stop()


@pytest.fixture(scope="module")
def server_identity(testing_home: UnsafeHome) -> Identity:
    return testing_home.authority.issue_server(NAME)


@pytest.fixture(scope="module")
def callers(testing_home: UnsafeHome) -> dict[str, Caller]:
    """By case; the contexts are made once."""
    trust = testing_home.trust
    known = identities.known(testing_home)
    return {
        "good": Caller(known, trust),
        "none": Caller(None, trust),
        "stranger": Caller(identities.stranger(testing_home), trust),
        "expired": Caller(identities.expired(testing_home), trust),
        "revoked": Caller(identities.revoked(testing_home), trust),
        "wrong purpose": Caller(identities.wrong_purpose(testing_home), trust),
        "wrong server name": Caller(known, trust),
        "unknown server CA": Caller(known, foreign_authority("Somebody Else").trust),
    }


@pytest.fixture(scope="module")
def servers(testing_home: UnsafeHome, server_identity: Identity, callers: object) -> Iterator[dict[str, RunningServer]]:
    running = {version: start(testing_home, server_identity, version) for version in VERSIONS}
    yield running
    for server in running.values():
        server.stop()

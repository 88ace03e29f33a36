"""The bench, made once for a run: what is on it is only ever added to."""

from collections.abc import Callable

import pytest

from tests.tls.identities.bench import Bench


@pytest.fixture(scope="session")
def bench(peer: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"), peer)

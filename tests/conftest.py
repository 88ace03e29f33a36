"""Homes and servers for every test. A missing peer skips on a contributor's machine and fails in CI."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mutua import Home
from mutua.home.sealing import Cost
from tests.serving import Serving

CHEAP_SEALING = Cost(n=2**10)


@pytest.fixture(scope="session")
def home_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a server identity ``api`` and a client ``woovi`` that may ``GET /**`` and ``POST /webhook/*``."""
    folder = tmp_path_factory.mktemp("template") / "home"
    with Home.create(folder, name="Acme Payments", sealing_cost=CHEAP_SEALING) as home:
        home.clients.add("woovi", allow=["GET /**", "POST /webhook/*"])
        home.identities.save("api", home.authority.issue_server("localhost", "127.0.0.1"))
        home.identities.save("woovi", home.authority.issue_client("woovi"))
    return folder


@pytest.fixture
def home(home_template: Path, tmp_path: Path) -> Iterator[Home]:
    """A home of one's own, a copy of the template."""
    folder = tmp_path / "home"
    shutil.copytree(home_template, folder, symlinks=True)
    with Home.open(folder) as opened:
        yield opened


@pytest.fixture
def serve(home: Home) -> Iterator[Callable[..., Serving]]:
    """Starts ``mutua serve`` on a free port of 127.0.0.1, as a process of its own: ``serve(loop="uvloop")``."""
    started: list[Serving] = []

    def start(loop: str = "asyncio", **options: Any) -> Serving:
        started.append(Serving.start(home, loop=loop, **options))
        return started[-1]

    yield start
    for serving in started:
        serving.stop()


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> str:
    """Both event loops."""
    return str(request.param)


@pytest.fixture(scope="session")
def peer() -> Callable[[str], str]:
    """The path of a real peer's program: ``peer("curl")``. Where it is missing the test skips; in CI it fails."""

    def find(program: str) -> str:
        path = shutil.which(program) or shutil.which(program, path=str(Path(sys.executable).parent))
        if path is None:
            message = f"the peer {program!r} is not installed"
            if os.environ.get("CI") == "true":
                pytest.fail(message)
            pytest.skip(message)
        return path

    return find


def soak(share: int, whole: int) -> int:
    """How many rounds a crash, soak or load test runs: ``share`` in ``make test``, ``whole`` in ``make soak``."""
    return whole if os.environ.get("MUTUA_SOAK") else share

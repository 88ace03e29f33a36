"""Homes and servers for every test. A missing peer skips on a contributor's machine and fails in CI."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from mutua import Home
from mutua.home.sealing import Cost
from mutua.home.settings import TokenSettings
from tests.key_places import STORE, path_and_name, places
from tests.missing import missing
from tests.serving import Serving
from tests.softhsm import SoftHsm, softhsm_is_here

__all__ = ["softhsm_is_here"]

CHEAP_SEALING = Cost(n=2**10)


@pytest.fixture(scope="session")
def home_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a server identity ``api`` and a client ``woovi`` that may ``GET /**`` and ``POST /webhook/*``."""
    folder = tmp_path_factory.mktemp("template") / "home"
    _make_template(folder)
    return folder


@pytest.fixture(scope="session")
def token_template(softhsm_is_here: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SoftHsm]:
    """The same with the CA keys in a token, and the token."""
    folder = tmp_path_factory.mktemp("template") / "home"
    with SoftHsm.make(tmp_path_factory.mktemp("token")).in_use() as token:
        _make_template(folder, TokenSettings(token.module, token.token))
    return folder, token


def _make_template(folder: Path, token: TokenSettings | None = None) -> None:
    with Home.create(folder, name="Acme Payments", sealing_cost=CHEAP_SEALING, token=token) as home:
        home.clients.add("woovi", allow=["GET /**", "POST /webhook/*"])
        home.identities.save("api", home.authority.issue_server("localhost", "127.0.0.1"))
        home.identities.save("woovi", home.authority.issue_client("woovi"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that has a home with the CA keys in each place where it can."""
    if "ca_keys" in metafunc.fixturenames and len(found := places(path_and_name(metafunc))) > 1:
        metafunc.parametrize("ca_keys", found)


@pytest.fixture
def ca_keys() -> str:
    """Where the CA keys of the ``home`` are; see ``tests.key_places``."""
    return STORE


@pytest.fixture
def home(ca_keys: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    """A home of one's own, a copy of the template."""
    folder = tmp_path / "home"
    with ExitStack() as stack:
        if ca_keys == STORE:
            template = request.getfixturevalue("home_template")
        else:
            template, token = request.getfixturevalue("token_template")
            copies = stack.enter_context(TemporaryDirectory(prefix="token-"))
            stack.enter_context(token.copy(Path(copies) / "token").in_use())
        shutil.copytree(template, folder, symlinks=True)
        yield stack.enter_context(Home.open(folder))


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
            missing(f"the peer {program!r} is not installed")
        return path

    return find


def soak(share: int, whole: int) -> int:
    """How many rounds a crash, soak or load test runs: ``share`` in ``make test``, ``whole`` in ``make soak``."""
    return whole if os.environ.get("MUTUA_SOAK") else share

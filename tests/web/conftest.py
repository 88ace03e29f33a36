import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mutua import Home
from tests.web.publishing import Publishing, free_port


@pytest.fixture
def publish(home: Home) -> Iterator[Callable[..., Publishing]]:
    """Starts ``mutua ca serve``: ``publish("--host", "::1")``."""
    started: list[Publishing] = []

    def start(*arguments: str, **options: object) -> Publishing:
        started.append(Publishing.start(home, *arguments, **options))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for each in started:
        each.stop()


@pytest.fixture(scope="module")
def standing(home_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Publishing]:
    """A server for all tests of a module that only read."""
    folder = tmp_path_factory.mktemp("standing") / "home"
    shutil.copytree(home_template, folder, symlinks=True)
    with Home.open(folder) as opened:
        server = Publishing.start(opened)
        yield server
        server.stop()


@pytest.fixture
def addressed(home: Home) -> Iterator[tuple[Home, int]]:
    """A home whose certificates name a port of this machine, and the port."""
    port = free_port()
    with (home.path / "mutua.toml").open("a") as settings:
        settings.write(f'revocation_url = "http://127.0.0.1:{port}"\n')
    with Home.open(home.path) as opened:
        yield opened, port


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Writes a file into a folder of the test's own."""

    def written(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return written

"""One authority for all tests here, and folders that begin empty."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mutua import Home
from mutua.agent.folder import IdentityFolder
from mutua.agent.renewing import enroll
from mutua.pki.keys import KeyType
from tests.agent.authority import RunningAuthority

Command = Callable[..., "subprocess.CompletedProcess[str]"]


class SetClock:
    """A clock that is set by hand, and passed to whoever asks for the time."""

    def __init__(self) -> None:
        self.moved = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.moved


@pytest.fixture
def hand() -> SetClock:
    return SetClock()


@pytest.fixture(scope="session")
def authority(home_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAuthority]:
    folder = tmp_path_factory.mktemp("authority") / "home"
    shutil.copytree(home_template, folder, symlinks=True)
    with (folder / "mutua.toml").open("a") as settings:
        settings.write("[policy.client]\nmax_valid = 1000\n")  # all tests have woovi's certificates
    with Home.open(folder) as home:
        running = RunningAuthority(home)
        try:
            running.start()
            yield running
        finally:
            running.stop()


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder for identities, for nobody else to read."""
    folder = tmp_path / "identities"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def enrolled(authority: RunningAuthority, own: Path) -> IdentityFolder:
    """An identity of woovi that was just enrolled."""
    folder = IdentityFolder(own / "woovi")
    enroll(authority.invite(), folder, key_type=KeyType.P256, now=datetime.now(UTC))
    return folder


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """``command("enroll", "-", input=...)`` as a process of its own, in the test's folder."""

    def run(*arguments: str, **options: object) -> "subprocess.CompletedProcess[str]":
        whole = [sys.executable, "-m", "mutua", *arguments]
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            whole, cwd=tmp_path, check=False, timeout=60, capture_output=True, text=True, **options
        )

    return run

"""A token made of software: SoftHSM2, in a temporary folder. For tests of keys that stay where they are made."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from mutua.home.tokens import TokenKeys

LIBRARY = Path("/usr/lib/softhsm/libsofthsm2.so")
UTILITY = "softhsm2-util"

_CONFIGURATION = """\
directories.tokendir = {tokens}
objectstore.backend = file
log.level = ERROR
slots.mechanisms = {mechanisms}
"""


@dataclass(frozen=True)
class SoftHsm:
    """A SoftHSM2 token.

    Attributes:
        folder: its configuration, and the token itself under ``tokens``.
        token: its label.
        pin: the user's; four characters at least.
    """

    folder: Path
    token: str = "mutua"
    pin: str = "3.14159-tau"

    module: ClassVar[Path] = LIBRARY

    @classmethod
    def make(cls, folder: Path, *, mechanisms: str = "ALL") -> "SoftHsm":
        """Initialise a token in a folder that exists.

        Args:
            folder: empty.
            mechanisms: those that the token has, or with a minus before them has not.
        """
        made = cls(folder)
        (folder / "tokens").mkdir()
        made._configure(mechanisms)
        made.add_slot(made.token)
        return made

    def copy(self, folder: Path) -> "SoftHsm":
        """The same token with the same keys, in another folder that does not exist yet."""
        shutil.copytree(self.folder, folder)
        copied = SoftHsm(folder, self.token, self.pin)
        copied._configure("ALL")
        return copied

    def add_slot(self, label: str) -> None:
        """Initialise one more token beside this one, with the same PIN."""
        command = [
            UTILITY,
            "--init-token",
            "--free",
            "--label",
            label,
            "--pin",
            self.pin,
            "--so-pin",
            "security-officer",
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=30, env={**os.environ, **self.environment})

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process needs to use the token."""
        return {"SOFTHSM2_CONF": str(self.folder / "softhsm2.conf"), "MUTUA_PKCS11_PIN": self.pin}

    def keys(self) -> TokenKeys:
        """The maker of keys in it."""
        return TokenKeys(self.module, self.token, self.pin.encode())

    @contextmanager
    def in_use(self) -> Iterator["SoftHsm"]:
        """Make this the token of the process, which has one at a time: the library reads its configuration once."""
        before = {name: os.environ.get(name) for name in self.environment}
        os.environ.update(self.environment)
        end_library()
        try:
            yield self
        finally:
            end_library()
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

    @contextmanager
    def pulled_out(self) -> Iterator[None]:
        """Take the token away, and put it back."""
        away = self.folder / "away"
        (self.folder / "tokens").rename(away)
        try:
            yield
        finally:
            away.rename(self.folder / "tokens")

    def _configure(self, mechanisms: str) -> None:
        text = _CONFIGURATION.format(tokens=self.folder / "tokens", mechanisms=mechanisms)
        (self.folder / "softhsm2.conf").write_text(text, encoding="utf-8")


def end_library() -> None:
    """C_Finalize, so that the next use of the library reads its configuration anew."""
    import pkcs11

    from mutua.home.tokens.module import alone

    with alone():
        pkcs11.lib(str(LIBRARY)).finalize()


@pytest.fixture(scope="session")
def softhsm_is_here(peer: Callable[[str], str]) -> None:
    """SoftHSM2 is installed. Where it is not the test skips; in CI it fails."""
    peer(UTILITY)
    if not LIBRARY.exists():
        pytest.fail(f"{UTILITY} is installed and {LIBRARY} is not")


@pytest.fixture
def softhsm(softhsm_is_here: None, tmp_path: Path) -> Iterator[SoftHsm]:
    """A new token, in use by this process and by those that it starts."""
    folder = tmp_path / "softhsm"
    folder.mkdir()
    with SoftHsm.make(folder).in_use() as made:
        yield made

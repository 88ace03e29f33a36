"""Where secrets come from: a file, the environment, or a command. Never a settings file, never argv."""

import os
import secrets
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mutua.errors import InvalidInput, MissingPassphrase, MutuaError, UnreadableFile
from mutua.home.files import write_file
from mutua.tls.files import read_file

VARIABLE = "MUTUA_PASSPHRASE"
FILE_VARIABLE = f"{VARIABLE}_FILE"
COMMAND_VARIABLE = f"{VARIABLE}_COMMAND"

PENDING_FILE = "passphrase.next"

MAX_PASSPHRASE_BYTES = 4096
"""Of a file, with the line end behind it."""

COMMAND_TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that the operator gives, by the environment or by what the environment names.

    Attributes:
        what: how messages call it.
        variable: of the environment; with ``_FILE`` and ``_COMMAND`` behind it, those that name a file or a command.
        missing: what is raised where no secret comes.
    """

    what: str
    variable: str
    missing: type[MutuaError]

    @property
    def hint(self) -> str:
        """What to set."""
        return f"set {self.variable}, {self.variable}_FILE or {self.variable}_COMMAND"


PASSPHRASE = Secret("passphrase", VARIABLE, MissingPassphrase)


def find_secret(secret: Secret, environment: Mapping[str, str] | None = None) -> bytes | None:
    """A secret, from the first of: environment, a file it names, a command it names. ``None`` where it names nothing.

    Args:
        secret: which.
        environment: the process's own when not given.

    Raises:
        MutuaError: ``secret.missing``, where the file is empty or the command fails.
        UnreadableFile: the file cannot be read.
    """
    environment = os.environ if environment is None else environment
    if value := environment.get(secret.variable):
        return os.fsencode(value)
    if file := environment.get(f"{secret.variable}_FILE"):
        return _read(secret, file)
    if command := environment.get(f"{secret.variable}_COMMAND"):
        return _not_empty(secret, _run(secret, command), f"the command in {secret.variable}_COMMAND")
    return None


def find_passphrase(folder: Path, environment: Mapping[str, str] | None = None) -> bytes:
    """The passphrase of a home, from the first of: environment, a file it names, a command it names, the home itself.

    Args:
        folder: the home.
        environment: the process's own when not given.

    Raises:
        MissingPassphrase: none of them gives one.
        UnreadableFile: the file cannot be read.
    """
    if (given := find_secret(PASSPHRASE, environment)) is not None:
        return given
    own = folder / "passphrase"
    if own.is_file():
        return _read(PASSPHRASE, own)
    raise MissingPassphrase(f"there is no passphrase for '{folder}'", hint=PASSPHRASE.hint)


def passphrase_for_new_home(folder: Path, environment: Mapping[str, str] | None = None) -> bytes:
    """The passphrase to seal a new home with: the one that was given, or a new random one kept in the home.

    Raises:
        MissingPassphrase: one was to be given, and was not.
        UnreadableFile: the file cannot be read.
    """
    if (given := find_secret(PASSPHRASE, environment)) is not None:
        return given
    value = secrets.token_urlsafe(32).encode()
    write_file(folder / "passphrase", value + b"\n")
    return value


def _read(secret: Secret, file: str | Path) -> bytes:
    return _not_empty(secret, read_file(file, MAX_PASSPHRASE_BYTES), f"the file '{file}'")


def _run(secret: Secret, command: str) -> bytes:
    where = f"the command in {secret.variable}_COMMAND"
    try:
        result = subprocess.run(  # noqa: S603 -- running what the operator named is the feature
            shlex.split(command),
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=COMMAND_TIMEOUT_SECONDS,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise secret.missing(f"{where} did not run: {type(error).__name__}", hint=secret.hint) from None
    if result.returncode != 0:
        raise secret.missing(f"{where} ended with {result.returncode}", hint="run it by hand to see why")
    return result.stdout


def _not_empty(secret: Secret, data: bytes, where: str) -> bytes:
    value = data.rstrip(b"\r\n")
    if not value:
        raise secret.missing(f"{where} gives no {secret.what}", hint=secret.hint)
    return value


def accepted_passphrase(passphrase: bytes) -> bytes:
    """Return ``passphrase`` if it can seal keys and lie in a file, which is read without the line ends behind it.

    Raises:
        InvalidInput: it is empty, too long, or ends like a line.
    """
    if not 1 <= len(passphrase) < MAX_PASSPHRASE_BYTES:
        raise InvalidInput(f"a passphrase has 1 to {MAX_PASSPHRASE_BYTES - 1} bytes", hint="give another one")
    if passphrase[-1:] in {b"\r", b"\n"}:
        raise InvalidInput("the passphrase ends with a line end", hint="leave that out")
    return passphrase


def passphrases(folder: Path) -> Iterator[bytes]:
    """The passphrase, looked up anew, and behind it the one that a change which was cut short may have left.

    Both once more if they are others by then: a change may come to its end while the first is tried.
    """
    tried: set[bytes] = set()
    for _ in range(2):
        for find in (find_passphrase, _pending):
            passphrase = find(folder)
            if passphrase is not None and passphrase not in tried:
                tried.add(passphrase)
                yield passphrase


def is_change_pending(folder: Path) -> bool:
    """Whether a change is being made, or was cut short."""
    return (folder / PENDING_FILE).is_file()


def _pending(folder: Path) -> bytes | None:
    try:
        return _read(PASSPHRASE, folder / PENDING_FILE)
    except (UnreadableFile, MissingPassphrase):
        return None


def finish_change(folder: Path, is_used: Callable[[bytes], bool]) -> None:
    """Bring a change that was cut short to its end, before the next one takes the place of what it has left.

    Args:
        folder: the home, which nobody else changes meanwhile.
        is_used: whether the keys are sealed under a passphrase.
    """
    own, pending = folder / "passphrase", folder / PENDING_FILE
    if own.is_file() and pending.is_file():
        passphrase = _read(PASSPHRASE, pending)
        if is_used(passphrase):
            write_file(own, passphrase + b"\n")
        pending.unlink()


@contextmanager
def changed_passphrase(folder: Path, passphrase: bytes) -> Iterator[None]:
    """Replace the passphrase that a home keeps, if it keeps one, around the change of what it seals.

    The new one lies beside the old while both may be the right one; ``finish_change`` comes before.
    """
    own, pending = folder / "passphrase", folder / PENDING_FILE
    if not own.is_file():
        yield
        return
    write_file(pending, passphrase + b"\n")
    yield
    write_file(own, passphrase + b"\n")
    pending.unlink()

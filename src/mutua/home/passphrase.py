"""Where the passphrase comes from: a file, the environment, or a command. Never a settings file, never argv."""

import os
import secrets
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from mutua.errors import MissingPassphrase
from mutua.home.files import write_file
from mutua.tls.files import read_file

VARIABLE = "MUTUA_PASSPHRASE"
FILE_VARIABLE = "MUTUA_PASSPHRASE_FILE"
COMMAND_VARIABLE = "MUTUA_PASSPHRASE_COMMAND"

MAX_PASSPHRASE_BYTES = 4096
COMMAND_TIMEOUT_SECONDS = 30

_HINT = f"set {VARIABLE}, {FILE_VARIABLE} or {COMMAND_VARIABLE}"


def find_passphrase(folder: Path, environment: Mapping[str, str] | None = None) -> bytes:
    """The passphrase of a home, from the first of: environment, a file it names, a command it names, the home itself.

    Args:
        folder: the home.
        environment: the process's own when not given.

    Raises:
        MissingPassphrase: none of them gives one.
        UnreadableFile: the file cannot be read.
    """
    environment = os.environ if environment is None else environment
    if value := environment.get(VARIABLE):
        return os.fsencode(value)
    if file := environment.get(FILE_VARIABLE):
        return _not_empty(read_file(file, MAX_PASSPHRASE_BYTES), f"the file '{file}'")
    if command := environment.get(COMMAND_VARIABLE):
        return _not_empty(_run(command), f"the command in {COMMAND_VARIABLE}")
    own = folder / "passphrase"
    if own.is_file():
        return _not_empty(read_file(own, MAX_PASSPHRASE_BYTES), f"the file '{own}'")
    raise MissingPassphrase(f"there is no passphrase for '{folder}'", hint=_HINT)


def passphrase_for_new_home(folder: Path, environment: Mapping[str, str] | None = None) -> bytes:
    """The passphrase to seal a new home with: the one that was given, or a new random one kept in the home.

    Raises:
        MissingPassphrase: one was to be given, and was not.
        UnreadableFile: the file cannot be read.
    """
    environment = os.environ if environment is None else environment
    if any(environment.get(variable) for variable in (VARIABLE, FILE_VARIABLE, COMMAND_VARIABLE)):
        return find_passphrase(folder, environment)
    value = secrets.token_urlsafe(32).encode()
    write_file(folder / "passphrase", value + b"\n")
    return value


def _run(command: str) -> bytes:
    try:
        result = subprocess.run(  # noqa: S603 -- running what the operator named is the feature
            shlex.split(command),
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=COMMAND_TIMEOUT_SECONDS,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        reason = type(error).__name__
        raise MissingPassphrase(f"the command in {COMMAND_VARIABLE} did not run: {reason}", hint=_HINT) from None
    if result.returncode != 0:
        raise MissingPassphrase(
            f"the command in {COMMAND_VARIABLE} ended with {result.returncode}", hint="run it by hand to see why"
        )
    return result.stdout


def _not_empty(data: bytes, where: str) -> bytes:
    passphrase = data.rstrip(b"\r\n")
    if not passphrase:
        raise MissingPassphrase(f"{where} gives no passphrase", hint=_HINT)
    return passphrase

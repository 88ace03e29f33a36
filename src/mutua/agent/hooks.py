"""Commands that are run when something has changed: a list of words, never a shell."""

import logging
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO

HOOK_SECONDS = 60.0
"""How long a command may take when nothing is said; a reload takes one or two."""

MAX_OUTPUT_BYTES = 4096
"""Of what a command says, for the log; it may say more, and that is dropped."""

_KEPT_BACK = "MUTUA_PASSPHRASE"

log = logging.getLogger("mutua.agent")


def run_hook(command: Sequence[str], *, seconds: float = HOOK_SECONDS, given: Mapping[str, str] | None = None) -> bool:
    """Run a command until it ends, and put what it says into the log; whether it ended with 0.

    It gets this process's environment, without any passphrase, and no input. After ``seconds`` it is killed with
    whatever it has started.

    Args:
        command: the program and its arguments.
        seconds: how long it may take.
        given: more variables.
    """
    name = command[0]
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_KEPT_BACK)}
    try:
        process = subprocess.Popen(  # noqa: S603 -- a list of words out of the operator's own settings
            list(command),
            env={**kept, **(given or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        log.warning("the hook %s cannot be started: %s", ascii(name), why)
        return False
    assert process.stdout is not None
    said = bytearray()
    reader = threading.Thread(target=_read, args=(process.stdout, said), daemon=True)
    reader.start()
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        status = None
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    reader.join(1.0)
    _tell(name, status, bytes(said), seconds)
    return status == 0


def _tell(name: str, status: int | None, said: bytes, seconds: float) -> None:
    for line in said.decode("utf-8", "replace").splitlines():
        log.info("%s: %s", ascii(name)[1:-1], ascii(line)[1:-1])
    if status is None:
        log.error("the hook %s was ended after %g seconds", ascii(name), seconds)
    elif status:
        log.error("the hook %s has failed with %d", ascii(name), status)
    else:
        log.info("the hook %s has run", ascii(name))


def _read(stream: IO[bytes], said: bytearray) -> None:
    """Keep the beginning, and drain the rest, so that the command never waits for us."""
    with stream:
        while chunk := os.read(stream.fileno(), MAX_OUTPUT_BYTES):
            said += chunk[: MAX_OUTPUT_BYTES - len(said)]

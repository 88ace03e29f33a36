"""How soon a suspension is felt on a live connection: from the return of the command to the arrival of the refusal."""

import math
import os
import select
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.certificates import CLIENT, Files, client_identity, server_identity
from bench.load import REQUEST, answer, connect
from bench.servers import Kind, Server
from mutua import Home
from mutua.pki.keys import KeyType

BOUND_SECONDS = 0.1
PATIENCE_SECONDS = 30

LIBRARY = "home.clients.suspend()"
COMMAND = "mutua client suspend"


@dataclass(frozen=True)
class Trial:
    """One suspension.

    Attributes:
        way: ``LIBRARY`` or ``COMMAND``.
        seconds: from its return to the refusal's arrival.
        admitted: requests that were still admitted in between.
    """

    way: str
    seconds: float
    admitted: int


def run_trials(home: Home, key_type: KeyType, folder: Path, count: int, tell: Callable[[str], None]) -> list[Trial]:
    """Suspend and resume one client ``count`` times while it uses one live connection; the ways take turns."""
    context = home.identities.load(client_identity(key_type)).client_context(home.trust)
    files = Files(home.path, server_identity(key_type))
    trials = []
    with (
        Server.start(Kind("mutua", "uvloop", access_line=True), files, folder) as server,
        connect(server.port, context) as connection,
    ):
        _until(connection, 200)
        for number in range(count):
            way = COMMAND if number % 2 else LIBRARY
            if number % 50 == 0:
                tell(f"kill: {number} of {count} trials")
            if way == COMMAND:
                _suspend_by_command(home, connection)
            else:
                home.clients.suspend(CLIENT)
            returned = time.perf_counter()
            admitted = _until(connection, 403)
            trials.append(Trial(way, time.perf_counter() - returned, admitted))
            home.clients.resume(CLIENT)
            _until(connection, 200)
    return trials


def percentile(values: list[float], share: float) -> float:
    """The nearest rank: the smallest value that at least ``share`` of all do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def held(trials: list[Trial]) -> bool:
    """Whether the bound holds for each way by itself, so that the quicker one cannot hide the slower one."""
    ways = {trial.way for trial in trials}
    return all(
        percentile([trial.seconds for trial in trials if trial.way == way], 0.99) <= BOUND_SECONDS for way in ways
    )


def _suspend_by_command(home: Home, connection: ssl.SSLSocket) -> None:
    command = [sys.executable, "-m", "mutua", "client", "suspend", CLIENT, "--home", str(home.path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        # Its end is seen at once, and until then the connection is kept from idling into the server's timeout.
        descriptor = os.pidfd_open(process.pid)
        try:
            while not select.select([descriptor], [], [], 1)[0]:
                _status(connection)
        finally:
            os.close(descriptor)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")


def _until(connection: ssl.SSLSocket, wanted: int) -> int:
    """Send requests back to back until one is answered with ``wanted``; how many had another answer."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    others = 0
    while (status := _status(connection)) != wanted:
        if status not in {200, 403} or time.monotonic() > deadline:
            raise RuntimeError(f"the server answers {status} where {wanted} was waited for")
        others += 1
    return others


def _status(connection: ssl.SSLSocket) -> int:
    connection.sendall(REQUEST)
    return int(answer(connection).split(b" ", 2)[1])

"""How soon a kill is felt on live connections: from the return of the command to the last refusal of four processes."""

import math
import os
import select
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from bench.certificates import CLIENT, Files, make_home, server_identity
from bench.load import REQUEST, answer, connect
from bench.servers import Kind, Server
from mutua import Home
from mutua.pki.keys import KeyType
from mutua.tls.identity import Identity
from tests.postgresql import is_installed, running_cluster

BOUND_SECONDS = 0.1
PATIENCE_SECONDS = 60
WORKERS = 4
SOME_CONNECTIONS = 8
"""Opened at once, until every process has accepted one."""

LIBRARY = "home.clients.suspend()"
SUSPEND = "mutua client suspend"
REVOKE = "mutua cert revoke"
WAYS = (LIBRARY, SUSPEND, REVOKE)

SQLITE, POSTGRESQL = "SQLite", "PostgreSQL"

Live = dict[int, ssl.SSLSocket]
"""A connection to each process, by its pid."""


@dataclass(frozen=True)
class Trial:
    """One kill.

    Attributes:
        store: ``SQLITE`` or ``POSTGRESQL``.
        way: of ``WAYS``.
        seconds: from its return to the arrival of the refusal that came last.
        admitted: requests that were still admitted in between.
    """

    store: str
    way: str
    seconds: float
    admitted: int


def run_trials(
    key_type: KeyType, folder: Path, count: int, tell: Callable[[str], None], stores: tuple[str, ...] = ()
) -> list[Trial]:
    """Kill one client ``count`` times in each way and on each store; the ways take turns.

    Args:
        key_type: of both sides' certificates.
        folder: an empty one.
        count: of the trials of each kind.
        tell: is told how far it is.
        stores: ``SQLITE`` and, where it is installed, ``POSTGRESQL`` when not given.
    """
    trials = []
    for store in stores or ((SQLITE, POSTGRESQL) if is_installed() else (SQLITE,)):
        with _home(store, folder / store, key_type) as home:
            files = Files(home.path, server_identity(key_type))
            kind = Kind("mutua", "uvloop", access_line=True, app="bench.worker_app:app", workers=WORKERS)
            with Server.start(kind, files, folder / f"{store}-server") as server:
                for number, way in product(range(count), WAYS):
                    if number % 50 == 0 and way == WAYS[0]:
                        tell(f"kill on {store}: {number} of {count} trials of each kind")
                    trials.append(_trial(home, server, home.authority.issue_client(CLIENT), store, way))
    return trials


def percentile(values: list[float], share: float) -> float:
    """The nearest rank: the smallest value that at least ``share`` of all do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def groups(trials: list[Trial]) -> dict[tuple[str, str], list[float]]:
    """Seconds for each store and way by itself, so that a quicker one cannot hide a slower one."""
    found: dict[tuple[str, str], list[float]] = {}
    for trial in trials:
        found.setdefault((trial.store, trial.way), []).append(trial.seconds)
    return found


def held(trials: list[Trial]) -> bool:
    """Whether the bound holds for each store and way."""
    return all(percentile(times, 0.99) <= BOUND_SECONDS for times in groups(trials).values())


@contextmanager
def _home(store: str, folder: Path, key_type: KeyType) -> Iterator[Home]:
    with ExitStack() as stack:
        url = None
        if store == POSTGRESQL:
            cluster = stack.enter_context(running_cluster())
            url = cluster.url(stack.enter_context(cluster.database()))
        yield stack.enter_context(make_home(folder, (key_type,), url))


def _trial(home: Home, server: Server, identity: Identity, store: str, way: str) -> Trial:
    with _live(server, identity.client_context(home.trust)) as live:
        if way == LIBRARY:
            home.clients.suspend(CLIENT)
        elif way == SUSPEND:
            _run(home, live, "client", "suspend", CLIENT)
        else:
            _run(home, live, "cert", "revoke", identity.thumbprint)
        returned = time.perf_counter()
        admitted = _until_refused(live)
        seconds = time.perf_counter() - returned
    if way != REVOKE:
        home.clients.resume(CLIENT)
    return Trial(store, way, seconds, admitted)


@contextmanager
def _live(server: Server, context: ssl.SSLContext) -> Iterator[Live]:
    """A connection to each process that has been admitted there; the kernel picks who accepts, so many are opened."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    with ExitStack() as stack, ThreadPoolExecutor(SOME_CONNECTIONS) as pool:
        live: Live = {}
        while len(live) < WORKERS:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{len(live)} of {WORKERS} processes have admitted the client")
            for made in list(pool.map(lambda _: connect(server.port, context), range(SOME_CONNECTIONS))):
                stack.enter_context(made)
                status, body = _ask(made)
                if status == 200:
                    live.setdefault(int(body), made)
        yield live


def _run(home: Home, live: Live, *arguments: str) -> None:
    command = [sys.executable, "-m", "mutua", *arguments, "--home", str(home.path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        # Its end is seen at once, and until then the connections are kept from idling into the server's timeout.
        descriptor = os.pidfd_open(process.pid)
        try:
            while not select.select([descriptor], [], [], 1)[0]:
                for pid, connection in tuple(live.items()):
                    if _ask(connection)[0] == 403:
                        del live[pid]  # it was quicker than the command
        finally:
            os.close(descriptor)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")


def _until_refused(live: Live) -> int:
    """Send requests back to back on each until each was refused; how many were admitted."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    waiting, admitted = list(live.values()), 0
    while waiting:
        for each in waiting:
            each.sendall(REQUEST)
        statuses = [(each, _read(each)[0]) for each in waiting]
        if {status for _, status in statuses} - {200, 403} or time.monotonic() > deadline:
            raise RuntimeError(f"the server answers {[status for _, status in statuses]} where 403 was waited for")
        waiting = [each for each, status in statuses if status == 200]
        admitted += len(waiting)
    return admitted


def _ask(connection: ssl.SSLSocket) -> tuple[int, bytes]:
    connection.sendall(REQUEST)
    return _read(connection)


def _read(connection: ssl.SSLSocket) -> tuple[int, bytes]:
    head, _, body = answer(connection).partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), body

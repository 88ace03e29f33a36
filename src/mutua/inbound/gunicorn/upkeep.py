"""Upkeep of the home, in one process beside the workers, and how it learns what each worker's gate has seen.

The arbiter forks again and again, so it must not run threads or hold a database open; of the workers any may end.
"""

import json
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any, NoReturn

from mutua.errors import MutuaError
from mutua.home.upkeep import Upkeep
from mutua.home.watching import Watcher
from mutua.inbound.gunicorn.ending import heed, leave, signals_kept
from mutua.inbound.listening import ended_by_sigterm

TELL_SECONDS = 1.0
"""How often a worker passes on what its gate has seen; written down it is every ten seconds."""

PAUSE_SECONDS = 5.0
"""Between two tries to start, where the store is away."""

MAX_NAMES = 500
"""Sightings in one datagram: 75 KiB, of the 200 that Linux lets through."""

log = logging.getLogger("mutua.upkeep")


class Sightings:
    """Passes on what a gate has seen, from a thread of a worker.

    Args:
        sighted: as of ``LiveGate``.
        to: the upkeep process's socket.
    """

    def __init__(self, sighted: Callable[[], Mapping[str, datetime]], to: socket.socket) -> None:
        self._sighted, self._to = sighted, to
        self._untold: dict[str, str] = {}
        self._watcher = Watcher("mutua-sightings", TELL_SECONDS, self.tell)
        self._watcher.start()

    def tell(self) -> None:
        """Send what is new; what finds no room now is sent the next time."""
        self._untold |= {name: at.isoformat() for name, at in self._sighted().items()}
        while names := list(self._untold)[:MAX_NAMES]:
            try:
                self._to.send(json.dumps({name: self._untold[name] for name in names}).encode())
            except OSError:
                return
            for name in names:
                del self._untold[name]

    def close(self) -> None:
        """Stop, when everything is told that there is room for."""
        self._watcher.stop()
        self.tell()


class UpkeepProcess:
    """The one process that keeps the home in order.

    Args:
        home: the folder.

    Attributes:
        sightings: for the workers.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._ours, self.sightings = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sightings.settimeout(TELL_SECONDS)
        self._pid = 0
        self._begun = float("-inf")

    def ensure(self, listeners: Iterable[Any]) -> None:
        """Start it unless it runs; called by the arbiter, which has one thread, about every second.

        Args:
            listeners: what the process would inherit and must not keep open.
        """
        if self._runs() or time.monotonic() - self._begun < PAUSE_SECONDS:
            return
        self._begun = time.monotonic()
        arbiter = os.getpid()
        with signals_kept():
            self._pid = os.fork()
            if self._pid == 0:
                self._become_it(arbiter, listeners)

    def _become_it(self, arbiter: int, listeners: Iterable[Any]) -> NoReturn:
        code = 1
        try:
            with ended_by_sigterm():
                heed()
                for listener in listeners:
                    listener.close()
                _Upkeeper(self._home, self._ours, arbiter).run()
            code = 0
        except SystemExit:
            code = 0
        except MutuaError as error:
            log.warning("upkeep cannot start: %s", error.message)
        except BaseException:
            log.exception("upkeep has failed")
        finally:
            leave(code)

    def stop(self) -> None:
        """End it, when it has written down what it was told."""
        if self._runs():
            os.kill(self._pid, signal.SIGTERM)
            with suppress(ChildProcessError):  # the arbiter has reaped it
                os.waitpid(self._pid, 0)
        self._pid = 0

    def close(self) -> None:
        self._ours.close()
        self.sightings.close()

    def _runs(self) -> bool:
        if self._pid == 0:
            return False
        try:
            return os.waitpid(self._pid, os.WNOHANG) == (0, 0)
        except ChildProcessError:
            return False


class _Upkeeper:
    """What runs in the process."""

    def __init__(self, home: Path, told: socket.socket, arbiter: int) -> None:
        self._arbiter = arbiter
        self._told = told
        self._sighted: dict[str, datetime] = {}
        self._taking = Lock()
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH):
            signal.signal(number, signal.SIG_IGN)  # meant for the arbiter, which ends this one
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._upkeep = Upkeep(home, self._take)

    def run(self) -> None:
        """Until SIGTERM, or until the arbiter is gone."""
        try:
            self._upkeep.start()
            self._told.settimeout(1)
            while os.getppid() == self._arbiter:
                self._hear()
        except SystemExit:
            self._told.settimeout(0)
            while self._hear():
                continue
        finally:
            self._upkeep.close()

    def _hear(self) -> bool:
        try:
            told = json.loads(self._told.recv(1 << 20))
        except OSError:
            return False
        with self._taking:
            self._sighted |= {name: datetime.fromisoformat(at) for name, at in told.items()}
        return True

    def _take(self) -> Mapping[str, datetime]:
        with self._taking:
            taken, self._sighted = self._sighted, {}
        return taken

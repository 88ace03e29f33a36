"""gunicorn's arbiter on a socket of ours, with the upkeep process among its children."""

import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from gunicorn.sock import TCP6Socket, TCPSocket, UnixSocket  # type: ignore[import-untyped]

from mutua.errors import MutuaError
from mutua.inbound.gunicorn.application import DoorApplication
from mutua.inbound.gunicorn.ending import leave, signals_kept
from mutua.inbound.gunicorn.upkeep import UpkeepProcess

BOOT_POLL_SECONDS = 0.05
"""How often the arbiter asks whether the first worker is ready; once one is, it looks every second as gunicorn does."""


_KINDS = {socket.AF_INET: TCPSocket, socket.AF_INET6: TCP6Socket, socket.AF_UNIX: UnixSocket}


class DoorArbiter(Arbiter):  # type: ignore[misc]
    """Runs the workers of a door.

    Args:
        app: what they serve.
        listener: a bound socket, which is the arbiter's from now on.
        upkeep: kept alive next to the workers.
        on_start: called with the port, 0 of a Unix socket, once a worker is ready.

    Attributes:
        failure: why the first worker could not start, in its own words.
    """

    def __init__(
        self,
        app: DoorApplication,
        listener: socket.socket,
        upkeep: UpkeepProcess,
        on_start: Callable[[int], object] | None,
    ) -> None:
        super().__init__(app)
        name = listener.getsockname()
        kind = _KINDS[listener.family]
        self._port: int = 0 if kind is UnixSocket else name[1]
        # As gunicorn says of a socket that systemd has made: whoever has made this one takes its file away.
        self.systemd = True
        # With listeners of its own gunicorn looks for none in the environment (LISTEN_FDS, GUNICORN_FD).
        self.LISTENERS = [kind(name, self.cfg, self.log, fd=listener.detach())]
        self._upkeep = upkeep
        self._on_start = on_start
        self.failure: MutuaError | None = None

    def manage_workers(self) -> None:
        self._upkeep.ensure(self.LISTENERS)
        super().manage_workers()

    def spawn_worker(self) -> Any:
        arbiter = os.getpid()
        try:
            with signals_kept():
                return super().spawn_worker()
        except BaseException as ended:
            if os.getpid() == arbiter:
                raise
            leave(ended.code if isinstance(ended, SystemExit) else 1)

    def wait_for_signals(self, timeout: float = 1.0) -> Any:
        signals = super().wait_for_signals(timeout if self.app.started else BOOT_POLL_SECONDS)
        self._listen()
        return signals

    def reap_workers(self) -> None:
        self._listen()
        super().reap_workers()

    def stop(self, graceful: bool = True) -> None:  # noqa: FBT001, FBT002 -- gunicorn's
        super().stop(graceful)
        self._upkeep.stop()

    def reload(self) -> None:
        try:
            super().reload()
        except MutuaError as error:
            self.log.error(  # noqa: TRY400 -- its words are enough
                "Going on with the settings before: %s", error.message
            )

    def handle_usr2(self) -> None:
        """No second arbiter: it would be one that has not asked for the port."""
        self.log.warning("USR2 is not for this server; SIGHUP starts its workers anew")

    def _listen(self) -> None:
        """Hear what the workers say about their start."""
        for failure in self.app.plan.words.heard():
            if failure is not None:
                self.failure = self.failure or failure
                self.log.error("A worker cannot start: %s", failure.message)
            elif not self.app.started:
                self.app.started = True
                if self._on_start is not None:
                    self._on_start(self._port)


def run(arbiter: DoorArbiter) -> int:
    """Run an arbiter in this process until it ends; returns its exit code. The signals are afterwards as before."""
    numbers = [*Arbiter.SIGNALS, signal.SIGCHLD]
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        arbiter.run()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.stderr.flush()
    return 0

"""Several workers on one socket: started, replaced when they die, and ended together.

The socket is bound here and inherited, so no connection is lost between a worker and its successor. The upkeep of the
home runs here, once for all of them.
"""

import json
import logging
import multiprocessing.connection as connections
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

from mutua.errors import AppNotFound, MutuaError
from mutua.home.home import Home
from mutua.home.upkeep import Upkeep
from mutua.inbound.listening import ended_by_sigterm
from mutua.inbound.standard_streams import lock_file
from mutua.inbound.worker import FAILED, SERVES, SIGHTED, Orders, sightings_in

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""A worker tells of at most a few thousand certificates at a time, 100 bytes each."""

LOOK_SECONDS = 0.5
"""How soon a death is noticed that the channel does not tell of: a child of the worker may hold it open."""

HEALTHY_SECONDS = 60.0
"""Whoever has served this long before he died is replaced at once."""

MAX_PAUSE_SECONDS = 30.0

END_SECONDS = 40.0
"""What a worker has for its end; it gives the requests under way 30 seconds. Then it is killed."""

log = logging.getLogger("mutua.serve")


def pause_before_start(deaths: int) -> float:
    """Seconds to wait before a worker is started that has died ``deaths`` times in a row: 0, 1, 2, 4 and so on."""
    return 0.0 if deaths <= 1 else min(MAX_PAUSE_SECONDS, 2.0 ** min(deaths - 2, 10))


@dataclass(eq=False)
class _Worker:
    """A place for a worker, and the process that has it now, if any."""

    process: "subprocess.Popen[bytes] | None" = None
    channel: "connections.Connection[Any, Any] | None" = None
    serves: bool = False
    failure: MutuaError | None = None
    deaths: int = 0
    due: float = 0.0
    started: float = field(default=0.0)


class Supervisor:
    """Keeps a number of workers running.

    Args:
        orders: gives what a worker is told, for the descriptor of its channel.
        descriptors: what each worker inherits besides.
        workers: how many.
        on_start: called with the port once all of them serve.
    """

    def __init__(
        self,
        orders: Callable[[int], Orders],
        descriptors: tuple[int, ...],
        workers: int,
        on_start: Callable[[int], object] | None = None,
    ) -> None:
        self._orders = orders
        self._descriptors = descriptors
        self._workers = [_Worker() for _ in range(workers)]
        self._on_start = on_start
        self._started = False
        self._sighted: dict[str, datetime] = {}
        self._noting = threading.Lock()

    def sighted(self) -> dict[str, datetime]:
        """Which certificates the workers have seen since the last call, by x5t#S256, and when."""
        with self._noting:
            seen, self._sighted = self._sighted, {}
        return seen

    def run(self) -> None:
        """Start the workers, and go on until an exception ends it, as signals do.

        Raises:
            MutuaError: a worker cannot start, and none has ever served.
        """
        while True:
            for worker in self._workers:
                if worker.process is None and time.monotonic() >= worker.due:
                    self._start(worker)
            self._listen(LOOK_SECONDS)
            for worker in self._workers:
                if worker.process is not None and worker.process.poll() is not None:
                    self._bury(worker)

    def stop(self) -> None:
        """Tell all workers to end, wait for their last words, and kill whoever takes too long.

        Whoever presses Ctrl-C while it waits is in a hurry.
        """
        with _interrupts_mean(lambda: self._signal(signal.SIGKILL)):
            self._signal(signal.SIGTERM)
            deadline = time.monotonic() + END_SECONDS
            while self._running() and time.monotonic() < deadline:
                self._listen(LOOK_SECONDS)
            self._signal(signal.SIGKILL)
        for worker in self._workers:
            if worker.process is not None:
                worker.process.wait()
                self._hear(worker)
                self._forget(worker)

    def _running(self) -> bool:
        return any(worker.process is not None and worker.process.poll() is None for worker in self._workers)

    def _signal(self, number: int) -> None:
        for worker in self._workers:
            if worker.process is not None and worker.process.poll() is None:
                worker.process.send_signal(number)

    def _start(self, worker: _Worker) -> None:
        ours, theirs = Pipe()
        with closing(theirs):
            orders = self._orders(theirs.fileno())
            worker.process = subprocess.Popen(  # noqa: S603 -- our own module
                orders.command(), stdin=subprocess.DEVNULL, pass_fds=(theirs.fileno(), *self._descriptors)
            )
        worker.channel, worker.serves, worker.failure = ours, False, None
        worker.started = time.monotonic()

    def _listen(self, seconds: float) -> None:
        """Hear what workers have to say, for as long as it takes one of them to say something."""
        speakers = {worker.channel: worker for worker in self._workers if worker.channel is not None}
        if not speakers:
            time.sleep(seconds)
        for channel in connections.wait(list(speakers), seconds):
            self._hear(speakers[channel])  # type: ignore[index]

    def _hear(self, worker: _Worker) -> None:
        try:
            while worker.channel is not None and worker.channel.poll():
                self._heed(worker, json.loads(worker.channel.recv_bytes(MAX_MESSAGE_BYTES)))
        except (EOFError, OSError):
            # It has ended, or is about to.
            assert worker.channel is not None
            worker.channel.close()
            worker.channel = None

    def _heed(self, worker: _Worker, message: dict[str, Any]) -> None:
        if message["kind"] == SIGHTED:
            with self._noting:
                self._sighted |= sightings_in(message)
        elif message["kind"] == FAILED:
            worker.failure = _error(message)
        elif message["kind"] == SERVES:
            worker.serves = True
            if not self._started and all(each.serves for each in self._workers):
                self._started = True
                if self._on_start is not None:
                    self._on_start(message["port"])

    def _bury(self, worker: _Worker) -> None:
        """Note a worker's death and when its successor starts; without any that ever served, give up."""
        assert worker.process is not None
        self._hear(worker)
        ended = f"worker {worker.process.pid} ended ({_status(worker.process.returncode)})"
        failure = worker.failure
        lasted = time.monotonic() - worker.started
        self._forget(worker)
        if not self._started:
            raise failure or AppNotFound(
                f"{ended} before it served", hint="see what the application does when it is imported"
            )
        worker.deaths = 1 if lasted >= HEALTHY_SECONDS else worker.deaths + 1
        pause = pause_before_start(worker.deaths)
        worker.due = time.monotonic() + pause
        why = f": {failure.message}" if failure else ""
        log.warning("%s, another starts in %.0f s%s", ended, pause, why)

    def _forget(self, worker: _Worker) -> None:
        if worker.channel is not None:
            worker.channel.close()
        worker.process = worker.channel = None


def supervise(
    listen: Callable[[], AbstractContextManager[socket.socket]],
    app: str,
    *,
    home: Home,
    identity: Path | None,
    server: str,
    workers: int,
    loop: str,
    access_log: bool,
    on_start: Callable[[int], object] | None,
) -> None:
    """Serve with several processes until SIGINT or SIGTERM.

    Args:
        listen: makes the bound socket.
        app: ``module:attribute``.
        home: whose; its settings say who may forward.
        identity: where the server's is; ``None`` behind a proxy that has ended TLS.
        server: ``uvicorn`` or ``hypercorn``.
        workers: how many processes.
        loop: their event loop.
        access_log: whether they write a line for each admitted request.
        on_start: called with the port, 0 of a Unix socket, once all of them serve.

    Raises:
        AddressInUse, InvalidAddress: the address cannot be listened on. MutuaError: the workers cannot start.
    """
    with ended_by_sigterm(), listen() as listener, os.fdopen(lock_file(), "wb") as lock:

        def orders(channel: int) -> Orders:
            return Orders(
                app=app,
                home=str(home.path.absolute()),
                identity=None if identity is None else str(identity),
                server=server,
                loop=loop,
                access_log=access_log,
                listener=listener.fileno(),
                channel=channel,
                lock=lock.fileno(),
            )

        supervisor = Supervisor(orders, (listener.fileno(), lock.fileno()), workers, on_start)
        with closing(Upkeep(home, supervisor.sighted)) as upkeep:
            upkeep.start()
            try:
                supervisor.run()
            finally:
                listener.close()
                supervisor.stop()


@contextmanager
def _interrupts_mean(act: Callable[[], object]) -> Iterator[None]:
    """Act on SIGINT, and let SIGTERM pass: who sends it a second time is only thorough."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: act()),
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: None),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _error(message: dict[str, Any]) -> MutuaError:
    """The error a worker has told of, as the class it was."""
    pending: list[type[MutuaError]] = [MutuaError]
    while pending:
        kind = pending.pop()
        if kind.code == message["code"]:
            error = kind.__new__(kind)
            MutuaError.__init__(error, message["message"], hint=message["hint"])
            return error
        pending.extend(kind.__subclasses__())
    return MutuaError(message["message"], hint=message["hint"])


def _status(code: int) -> str:
    return f"exit status {code}" if code >= 0 else signal.Signals(-code).name

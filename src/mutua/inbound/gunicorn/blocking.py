"""The workers for WSGI applications, whose sockets block: sync and gthread."""

import errno
import gc
import os
import selectors
import signal
import socket
from collections.abc import Iterable
from contextlib import closing
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]
from gunicorn.workers.sync import SyncWorker  # type: ignore[import-untyped]

from mutua.inbound.accepting import MAX_HANDSHAKES
from mutua.inbound.gunicorn.arrivals import Arrivals
from mutua.inbound.gunicorn.door import DoorWorker, GuardedWsgi

TICK_SECONDS = 1.0
"""How often a worker shows the arbiter that it lives, and looks for peers that say nothing."""

_NOBODY = (errno.EAGAIN, errno.ECONNABORTED, errno.EINTR)


class SyncDoor(DoorWorker, SyncWorker):  # type: ignore[misc]
    """One request at a time; handshakes go on next to it whenever it is idle."""

    def guard(self) -> None:
        self.wsgi = GuardedWsgi(self.application, self.door)

    def init_signals(self) -> None:
        super().init_signals()
        # Python tries again what a signal has interrupted (PEP 475), and until then would not hear of it.
        signal.siginterrupt(signal.SIGTERM, True)  # noqa: FBT003 -- it takes no names

    def handle_exit(self, sig: int, frame: Any) -> None:
        """SIGTERM: no more connections, also while a request is under way."""
        super().handle_exit(sig, frame)
        _close(self.sockets)

    def run(self) -> None:
        arrivals = self.door.arrivals()
        with closing(self.door), closing(arrivals), selectors.DefaultSelector() as selector:
            for listener in self.sockets:
                listener.settimeout(0)
                selector.register(listener, selectors.EVENT_READ)
            selector.register(arrivals, selectors.EVENT_READ)
            selector.register(self.PIPE[0], selectors.EVENT_READ)
            _freeze()
            self.ready()
            while self.alive and self.is_parent_alive():
                self.notify()
                waiting = [key.fileobj for key, _ in selector.select(TICK_SECONDS)]
                self._accept_from(waiting, arrivals)
                for tls in arrivals.progress():
                    self.notify()
                    self.handle(tls, tls, tls.peername)  # gunicorn asks the first for the server's address

    def _accept_from(self, waiting: list[Any], arrivals: Arrivals) -> None:
        if self.PIPE[0] in waiting:
            os.read(self.PIPE[0], 4096)
        if len(arrivals) >= MAX_HANDSHAKES or not self.alive:
            return
        for listener in self.sockets:
            if listener in waiting and (accepted := _accepted(listener)):
                arrivals.begin(*accepted)


class ThreadDoor(DoorWorker, ThreadWorker):  # type: ignore[misc]
    """Requests in threads; handshakes all in the thread that accepts."""

    def guard(self) -> None:
        self.wsgi = GuardedWsgi(self.application, self.door)

    def run(self) -> None:
        self.arrivals = self.door.arrivals()
        with closing(self.door), closing(self.arrivals):
            self.poller.register(self.arrivals, selectors.EVENT_READ, self.go_on)
            _freeze()
            self.ready()
            super().run()

    def accept(self, listener: Any) -> None:
        """A connection waits."""
        if accepted := _accepted(listener):
            before = len(self.arrivals)
            self.arrivals.begin(*accepted)
            self.nr_conns += len(self.arrivals) - before

    def go_on(self, _: object = None) -> None:
        """Handshakes have something to do; connections with a request go to the threads."""
        before = len(self.arrivals)
        ready = self.arrivals.progress()
        self.nr_conns -= before - len(self.arrivals) - len(ready)
        for tls in ready:
            connection = TConn(self.cfg, tls, tls.peername, tls.getsockname())
            connection.data_ready = True
            self.enqueue_req(connection)

    def murder_pending(self) -> None:
        """Called every second: connections that are too slow."""
        super().murder_pending()
        self.go_on()

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 -- gunicorn's
        super().set_accept_enabled(enabled)
        if not self.alive:
            # Whoever has not asked for anything yet does not hold up the end.
            self.nr_conns -= len(self.arrivals)
            self.arrivals.drop_all()
            _close(self.sockets)


def _freeze() -> None:
    """What was loaded to get here stays for good: without this the collector walks it again and again."""
    gc.collect()
    gc.freeze()


def _close(listeners: Iterable[Any]) -> None:
    for listener in listeners:
        listener.close()


def _accepted(listener: Any) -> tuple[socket.socket, Any] | None:
    try:
        accepted: tuple[socket.socket, Any] = listener.accept()
    except OSError as error:
        if error.errno not in _NOBODY:
            raise
        return None
    return accepted

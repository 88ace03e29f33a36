"""What stands at ``/metrics``, ``/healthz`` and ``/readyz``."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from http import HTTPStatus
from pathlib import Path

from mutua.errors import MutuaError
from mutua.inbound.seen.exposition import CONTENT_TYPE
from mutua.inbound.seen.http import HttpServer, Page, Reply
from mutua.inbound.seen.metrics import Metrics
from mutua.inbound.seen.workers import Worker, states

FRESH_SECONDS = 1.0
"""An answer is given again for so long: whoever asks in a loop costs the workers nothing more."""


class _Once:
    """An answer that takes a while: made on a thread, by one at a time, for everybody who waits for it."""

    def __init__(self, make: Callable[[], Reply]) -> None:
        self._make = make
        self._making: asyncio.Task[Reply] | None = None
        self._made: tuple[float, Reply] | None = None

    async def __call__(self) -> Reply:
        if self._making is None:
            if self._made is not None and time.monotonic() - self._made[0] < FRESH_SECONDS:
                return self._made[1]
            self._making = asyncio.get_running_loop().create_task(self._remake())
        # Whoever gives up waiting does not end it for the others.
        return await asyncio.shield(self._making)

    async def _remake(self) -> Reply:
        try:
            reply = await asyncio.to_thread(self._make)
            self._made = time.monotonic(), reply
            return reply
        finally:
            self._making = None


def healthz(workers: list[Worker]) -> Reply:
    """200 as long as every worker answers and has a snapshot that it decides with."""
    if not workers:
        return Reply(HTTPStatus.SERVICE_UNAVAILABLE, "no worker\n")
    for each in workers:
        if each.state is None:
            return Reply(HTTPStatus.SERVICE_UNAVAILABLE, f"worker {each.pid} does not answer\n")
        if each.state.is_stale:
            return Reply(HTTPStatus.SERVICE_UNAVAILABLE, f"worker {each.pid} has lost the store\n")
    return Reply(HTTPStatus.OK, "ok\n")


def readyz(workers: list[Worker]) -> Reply:
    """200 as long as one worker accepts connections and has a snapshot that it decides with."""
    if any(each.state is not None and each.state.is_ready and not each.state.is_stale for each in workers):
        return Reply(HTTPStatus.OK, "ok\n")
    return Reply(HTTPStatus.SERVICE_UNAVAILABLE, "no worker is ready\n")


@contextmanager
def serving(home: Path, metrics: socket.socket | None, health: socket.socket | None, server: int) -> Iterator[None]:
    """Serve from threads of this process.

    Args:
        home: the folder of whose workers.
        metrics: a bound socket, closed at the end.
        health: another, or the same.
        server: the pid of the process whose workers count for health.
    """
    path = home.absolute()

    def ours() -> list[Worker]:
        return [each for each in states(path) if each.is_of(server)]

    pages: dict[socket.socket, dict[str, Page]] = {}
    with ExitStack() as stack:
        if metrics is not None:
            kept = stack.enter_context(closing(Metrics(path)))
            pages[metrics] = {"/metrics": _page(lambda: Reply(HTTPStatus.OK, kept.text(), CONTENT_TYPE))}
        if health is not None:
            asked = {"/healthz": _page(lambda: healthz(ours())), "/readyz": _page(lambda: readyz(ours()))}
            pages[health] = pages.get(health, {}) | asked
        for listener, each in pages.items():
            stack.enter_context(closing(HttpServer(listener, each))).start()
        yield


def _page(make: Callable[[], Reply]) -> Page:
    """The answer, or why there is none: this is for whoever runs the machine."""

    def made() -> Reply:
        try:
            return make()
        except MutuaError as error:
            return Reply(HTTPStatus.INTERNAL_SERVER_ERROR, f"{error.message}\n")

    return _Once(made)

"""The agent as a process: it runs until SIGTERM or SIGINT, and reads its settings again on SIGHUP."""

import logging
import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from http import HTTPStatus
from types import FrameType

from mutua.agent.agent import Agent
from mutua.agent.settings import AgentSettings
from mutua.errors import MutuaError
from mutua.inbound.seen.exposition import CONTENT_TYPE
from mutua.inbound.seen.http import Address, HttpServer, Reply, bound

log = logging.getLogger("mutua.agent")


class Signals:
    """What the process was told. A handler only writes into a pipe, which a sleep waits at."""

    def __init__(self) -> None:
        self.ending: signal.Signals | None = None
        self.reloading = False
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Note a signal."""
        if number == signal.SIGHUP:
            self.reloading = True
        else:
            self.ending = signal.Signals(number)
        try:
            os.write(self._write, b"!")
        except BlockingIOError:
            return  # a full pipe wakes as well

    def sleep(self, length: timedelta) -> None:
        """Sleep, unless there is something to do."""
        select.select([self._read], [], [], length.total_seconds())
        try:
            os.read(self._read, 4096)
        except BlockingIOError:
            return

    def close(self) -> None:
        os.close(self._read)
        os.close(self._write)


def run(
    read: Callable[[], AgentSettings],
    *,
    metrics: Address | None = None,
    on_start: Callable[[Address | None], object] = bool,
) -> signal.Signals:
    """Watch until a signal ends it, and say which. What is being asked for is waited for.

    Args:
        read: gives the settings; asked again on SIGHUP.
        metrics: where they are served, whatever the settings say.
        on_start: called with the address of the metrics, or ``None``.

    Raises:
        MutuaError: the settings are bad at the start, or the address is in use.
    """
    with _signals() as signals:
        settings, first = read(), True
        while True:
            agent = Agent(settings)
            with _metrics(agent, metrics or settings.metrics, required=first) as address:
                on_start(address)
                fresh = _watch(agent, signals, read)
            first = False
            if fresh is None:
                assert signals.ending is not None
                return signals.ending
            settings = fresh


def _watch(agent: Agent, signals: Signals, read: Callable[[], AgentSettings]) -> AgentSettings | None:
    """Watch until there are other settings, or, with ``None``, the end."""
    while True:
        length = agent.look(lambda: signals.ending is not None)
        if signals.ending is None and not signals.reloading:
            signals.sleep(length)
        if signals.ending is not None:
            return None
        if signals.reloading:
            signals.reloading = False
            try:
                return read()
            except MutuaError as error:
                log.error("going on with the settings of before: %s", error.message)  # noqa: TRY400 -- no bug of ours


@contextmanager
def _metrics(agent: Agent, address: Address | None, *, required: bool) -> Iterator[Address | None]:
    """Serve metrics, and say where. Without them an agent that runs already goes on: renewals matter more."""
    with ExitStack() as stack:
        listener = None
        try:
            listener = None if address is None else bound(address)
        except MutuaError as error:
            if required:
                raise
            log.error("no metrics: %s", error.message)  # noqa: TRY400 -- no bug of ours
        if address is None or listener is None:
            yield None
            return

        async def page() -> Reply:
            return Reply(HTTPStatus.OK, agent.metrics(), CONTENT_TYPE)

        at = address._replace(port=listener.getsockname()[1])
        server = stack.enter_context(closing(HttpServer(listener, {"/metrics": page})))
        server.start()
        yield at


@contextmanager
def _signals() -> Iterator[Signals]:
    signals = Signals()
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.signal(number, signals.handle) for number in numbers}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signals.close()

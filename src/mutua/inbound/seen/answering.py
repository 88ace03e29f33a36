"""A thread that answers short questions on a socket: one question, one answer, and goodbye.

An answer may also go on for as long as the other side listens; then each part of it has an end.

Its own event loop, and not ``http.server`` or a thread for each caller: every exchange as a whole has an end that it
cannot put off by sending or reading a byte at a time, and callers who hang cost a buffer each and no thread. Nor is
it a server that the process may not have: under gunicorn there need be no uvicorn.
"""

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

EXCHANGE_SECONDS = 5.0
"""How long a question with its answer may take; Prometheus waits 10 s for a scrape."""

MAX_EXCHANGES = 64
"""At once; whoever comes then is dropped, and comes again."""

MAX_QUESTION_BYTES = 8 * 1024
"""nginx and Apache take 8 KiB for a line of a request as well."""

BACKLOG = 128
PAUSE_SECONDS = 1.0

log = logging.getLogger("mutua.seen")


class Caller:
    """Somebody with a question.

    Args:
        connection: their socket.
        limit: of the whole exchange.
    """

    def __init__(self, connection: socket.socket, limit: asyncio.Timeout) -> None:
        self.connection = connection
        self._limit = limit
        self._loop = asyncio.get_running_loop()

    async def question(self, end: bytes) -> bytes:
        """What they send, up to and with ``end``.

        Raises:
            ValueError: that does not come within ``MAX_QUESTION_BYTES``, or they say no more before it.
        """
        received = b""
        while end not in received:
            part = await self._loop.sock_recv(self.connection, MAX_QUESTION_BYTES - len(received))
            if not part:
                raise ValueError("not a whole question")
            received += part
        return received[: received.index(end) + len(end)]

    async def tell(self, data: bytes) -> None:
        """Send some of the answer; waits while they do not read."""
        await self._loop.sock_sendall(self.connection, data)

    async def tell_on(self, parts: Callable[[asyncio.Event], AsyncIterator[bytes]]) -> None:
        """Send an answer that goes on for as long as they listen. Who does not read a part in time is dropped.

        Args:
            parts: of the answer; ends soon after the event that it is given is set: they want no more, or have gone.
        """
        ended = asyncio.Event()
        listening = asyncio.create_task(self._listen_for_the_end(ended))
        self._limit.reschedule(None)
        try:
            async for part in parts(ended):
                async with asyncio.timeout(EXCHANGE_SECONDS):
                    await self.tell(part)
        finally:
            listening.cancel()
            await asyncio.wait({listening})

    async def _listen_for_the_end(self, ended: asyncio.Event) -> None:
        with suppress(OSError):
            await self._loop.sock_recv(self.connection, 1)
        ended.set()


Exchange = Callable[[Caller], Awaitable[None]]


class Answering:
    """Answers whoever connects to a socket, until it is closed.

    Args:
        name: of the thread.
        listener: a bound socket, TCP or Unix; closed at the end.
        exchange: takes a question and tells the answer. What it raises ends that exchange and nothing else.
    """

    def __init__(self, name: str, listener: socket.socket, exchange: Exchange) -> None:
        self._listener = listener
        self._exchange = exchange
        self._under_way: set[asyncio.Task[None]] = set()
        self._started = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin; questions are answered from the return of this on."""
        self._listener.listen(BACKLOG)
        self._listener.settimeout(0)
        self._thread.start()
        self._started.wait()

    def close(self) -> None:
        """Stop answering; exchanges under way are cut off."""
        if self._thread.is_alive():
            with suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception:
            log.exception("%s has ended", self._thread.name)
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._listen()
        self._started.set()
        try:
            await self._stopping.wait()
        finally:
            self._loop.remove_reader(self._listener)
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    def _listen(self) -> None:
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            log.warning("%s cannot accept connections, trying again in a second: %s", self._thread.name, error)
            self._loop.remove_reader(self._listener)
            self._loop.call_later(PAUSE_SECONDS, self._listen)
            return
        if len(self._under_way) >= MAX_EXCHANGES:
            connection.close()
            return
        connection.settimeout(0)
        task = self._loop.create_task(self._answer(connection))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        # Not in the task: one that is cut off before its first step never runs at all.
        task.add_done_callback(lambda _: connection.close())

    async def _answer(self, connection: socket.socket) -> None:
        try:
            async with asyncio.timeout(EXCHANGE_SECONDS) as limit:
                await self._exchange(Caller(connection, limit))
        except (OSError, ValueError) as error:
            log.debug("%s: no answer: %s", self._thread.name, error)
        except Exception:
            log.exception("%s could not answer", self._thread.name)

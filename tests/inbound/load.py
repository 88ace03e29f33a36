"""Clients that call all the time, on live connections and on new ones, and note every answer."""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

PAUSE_SECONDS = 0.01
"""Between two requests of a client: many at once shall not mean that nothing else gets a turn."""

TIMEOUT_SECONDS = 30


class Caller(threading.Thread):
    """A client that calls until it is told to stop.

    Args:
        name: for the report of a failure.
        port: of the server on 127.0.0.1.
        context: of the client.
        live: keep a connection for as long as the server does, instead of a new one for each request.

    Attributes:
        statuses: of every answer, in order; 0 where a new connection was not answered.
    """

    def __init__(self, name: str, port: int, context: ssl.SSLContext, *, live: bool) -> None:
        super().__init__(name=name, daemon=True)
        self._port, self._context, self._live = port, context, live
        self._stopping = threading.Event()
        self.statuses: list[int] = []

    def run(self) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self._stopping.wait(PAUSE_SECONDS):
            fresh = connection is None
            try:
                connection = connection or self._connect()
                status = _get(connection)
            except (OSError, http.client.HTTPException):
                status = 0
            # A server may end a connection between two requests, though never instead of the first answer on it.
            if status or fresh:
                self.statuses.append(status)
            if connection is not None and (not status or not self._live or connection.sock is None):
                connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def stop(self) -> None:
        """Tell it to end, and wait until it has."""
        self._stopping.set()
        self.join(TIMEOUT_SECONDS)
        assert not self.is_alive(), f"{self.name} hangs"

    def _connect(self) -> http.client.HTTPConnection:
        plain = socket.create_connection(("127.0.0.1", self._port), timeout=TIMEOUT_SECONDS)
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        try:
            connection.sock = self._context.wrap_socket(plain, server_hostname="127.0.0.1")
        except BaseException:
            plain.close()
            raise
        return connection


def _get(connection: http.client.HTTPConnection) -> int:
    connection.request("GET", "/status")
    response = connection.getresponse()
    response.read()
    return response.status


class Load:
    """The callers, by name: each client has one with a live connection and one with new ones."""

    def __init__(self, callers: dict[str, list[Caller]]) -> None:
        self._callers = callers

    def all(self, client: str) -> set[int]:
        """Every status that a client has ever had."""
        return {status for each in self._callers[client] for status in each.statuses}

    def now_only(self, client: str, wanted: int) -> bool:
        """Wait for the next answers on each of its connections: whether they have the wanted status and no other."""
        return {status for each in self._callers[client] for status in _next(each)} == {wanted}

    def turns(self, client: str) -> list[list[int]]:
        """The statuses of each of a client's callers, each as often in a row as it changed to it."""
        return [
            [status for before, status in zip([None, *each.statuses], each.statuses, strict=False) if status != before]
            for each in self._callers[client]
        ]


def _next(caller: Caller) -> list[int]:
    """The second answer from now on: the first may have been under way already."""
    wanted = len(caller.statuses) + 2
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while len(caller.statuses) < wanted:
        assert time.monotonic() < deadline, f"{caller.name} gets no answers"
        time.sleep(PAUSE_SECONDS)
    return caller.statuses[wanted - 1 : wanted]


@contextmanager
def load(port: int, contexts: dict[str, Callable[[], ssl.SSLContext]]) -> Iterator[Load]:
    """Have clients call as long as the block runs.

    Args:
        port: of the server on 127.0.0.1.
        contexts: makes a context for a client, by its name; no two connections shall share a session.
    """
    callers = {
        name: [Caller(f"{name}, {'live' if live else 'new'}", port, make(), live=live) for live in (True, False)]
        for name, make in contexts.items()
    }
    with ExitStack() as stack:
        for each in (caller for group in callers.values() for caller in group):
            each.start()
            stack.callback(each.stop)
        yield Load(callers)

"""Group commit: what several callers wait for at the same time goes to disk in one transaction."""

import time
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Generic, TypeVar

Item = TypeVar("Item")


class _Ticket(Generic[Item]):
    """What one caller waits for.

    Attributes:
        items: to be written.
        called: locked until its caller is called: because the items are written, or because it is its turn to write.
        done: whether they were written, or could not be.
        error: why they could not be.
    """

    __slots__ = ("called", "done", "error", "items")

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.called = Lock()
        self.called.acquire()
        self.done = False
        self.error: BaseException | None = None


class GroupCommit(Generic[Item]):
    """Collects items while a transaction is under way, and writes all of them in the next.

    Whoever finds nobody writing writes, for everyone who waits at that moment; then everyone it wrote for is called,
    and the first of those who came meanwhile writes next. A disk is told to keep its promise once for all of them.

    Args:
        write: writes items in one transaction; returns once they are durable, or raises and has written nothing.
    """

    def __init__(self, write: Callable[[Sequence[Item]], None]) -> None:
        self._write = write
        self._waiting: list[_Ticket[Item]] = []
        self._writing = False
        self._together = 1
        self._lock = Lock()

    def commit(self, items: Sequence[Item]) -> None:
        """Return once these items are durable.

        Raises:
            MutuaError: the transaction failed; nothing of it was written.
        """
        ticket = _Ticket(items)
        with self._lock:
            self._waiting.append(ticket)
            must_wait, self._writing = self._writing, True
        if must_wait:
            ticket.called.acquire()
        if not ticket.done:
            self._write_everything()
        if ticket.error is not None:
            raise ticket.error

    def _write_everything(self) -> None:
        if self._together > 1:
            # Those who were written for together come again together: let them.
            time.sleep(0)
        with self._lock:
            tickets, self._waiting = self._waiting, []
            self._together = len(tickets)
        error: BaseException | None = None
        try:
            self._write([item for ticket in tickets for item in ticket.items])
        except BaseException as raised:  # noqa: BLE001 -- it is everyone's, and raised where each waits
            error = raised
        with self._lock:
            self._writing = bool(self._waiting)
            following = self._waiting[:1]
        for ticket in tickets:
            ticket.error, ticket.done = error, True
            ticket.called.release()
        for ticket in following:
            ticket.called.release()

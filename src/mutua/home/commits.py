"""Group commit: what several callers wait for at the same time goes to disk in one transaction."""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Generic, TypeVar

Item = TypeVar("Item")


class _Ticket(Generic[Item]):
    """What one caller waits for."""

    __slots__ = ("done", "error", "items")

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.done = False
        self.error: BaseException | None = None


class GroupCommit(Generic[Item]):
    """Collects items while a transaction is under way, and writes all of them in the next.

    The first caller who finds nobody writing takes the turn and writes for everyone who waits; the others find
    their items on disk when the turn comes to them. A disk is told to keep its promise once for all of them.

    Args:
        write: writes items in one transaction; returns once they are durable, or raises and has written nothing.
    """

    def __init__(self, write: Callable[[Sequence[Item]], None]) -> None:
        self._write = write
        self._waiting: list[_Ticket[Item]] = []
        self._collecting = Lock()
        self._turn = Lock()

    def commit(self, items: Sequence[Item]) -> None:
        """Return once these items are durable.

        Raises:
            MutuaError: the transaction failed; nothing of it was written.
        """
        ticket = _Ticket(items)
        with self._collecting:
            self._waiting.append(ticket)
        with self._turn:
            if not ticket.done:
                self._write_everything()
        if ticket.error is not None:
            raise ticket.error

    def _write_everything(self) -> None:
        with self._collecting:
            tickets, self._waiting = self._waiting, []
        try:
            self._write([item for ticket in tickets for item in ticket.items])
        except BaseException as error:  # noqa: BLE001 -- it is everyone's, and raised where each waits
            for ticket in tickets:
                ticket.error = error
        for ticket in tickets:
            ticket.done = True

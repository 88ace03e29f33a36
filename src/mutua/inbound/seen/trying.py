"""Trying other grants on what runs: every worker of a home is asked, and those that start meanwhile."""

import json
import selectors
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from mutua.errors import InvalidInput
from mutua.inbound.seen.answering import MAX_QUESTION_BYTES
from mutua.inbound.seen.run_folder import FOLDER, connect, sockets
from mutua.inbound.seen.workers import ANSWER_SECONDS
from mutua.registry.grants import Grant

JOIN_SECONDS = 0.5
"""How soon a worker that starts is joined."""

RETRY_SECONDS = 10.0
"""When one that did not answer is asked again."""

MAX_LINE_BYTES = 16 * 1024
"""Method and path at their longest, each character of them escaped, take 6 KiB."""

_FAR_FUTURE = 253_402_300_800.0
"""Seconds since 1970: the year 10,000, beyond the calendar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """A kind of request that other grants would refuse.

    Attributes:
        method, path: of the request; cut at 256 characters.
        count: how many came since the trial began.
        at: when the last one did, in seconds since 1970.
    """

    method: str
    path: str
    count: int
    at: float


@dataclass(slots=True, eq=False)
class _Watched:
    """A worker that was asked."""

    name: str
    connection: socket.socket
    asked: float = field(default_factory=time.monotonic)
    begun: bool = False
    received: bytes = b""
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    others: int = 0


class Trying:
    """A trial of grants on every worker of a home, until it is closed. Nothing is refused because of it.

    Args:
        home: the folder.
        client: whose requests are looked at.
        grants: as if it had these and no others.

    Attributes:
        silent: sockets of workers that do not answer, or do not do this. Those that have gone are not among them.
        others: requests that are counted, but by workers that had too many kinds of them already to tell which.

    Raises:
        InvalidInput: there are more grants than can be asked for.
        UnsafeHome: others can write ``run/``, or own it.
    """

    def __init__(self, home: Path, client: str, grants: Iterable[Grant]) -> None:
        question = {"ask": "trial", "client": client, "grants": list(map(str, grants))}
        self._question = json.dumps(question).encode("ascii") + b"\n"
        if len(self._question) > MAX_QUESTION_BYTES:
            raise InvalidInput(
                f"grants of more than {MAX_QUESTION_BYTES // 1024} KiB cannot be tried",
                hint="write fewer and wider ones: a path may end with /**",
            )
        self._folder = home.absolute() / FOLDER
        self._watched: dict[str, _Watched] = {}
        self._totals: dict[tuple[str, str], int] = {}
        self._selector = selectors.DefaultSelector()
        self._join_at = 0.0
        self._retry_at: dict[str, float] = {}
        self.silent: set[str] = set()
        self.others = 0
        try:
            self._join()
        except BaseException:
            self.close()
            raise

    @property
    def watching(self) -> int:
        """How many workers take part now."""
        return sum(each.begun for each in self._watched.values())

    def wait(self, seconds: float) -> list[Affected]:
        """What has come since the last call: waited for, if there is nothing yet, for at most so long.

        Raises:
            UnsafeHome: others can write ``run/``, or own it.
        """
        deadline = time.monotonic() + seconds
        while True:
            now = time.monotonic()
            if now >= self._join_at:
                self._join()
            found = self._listen(max(0.0, min(deadline, self._join_at) - now))
            if found or time.monotonic() >= deadline:
                return found

    def finish(self) -> list[Affected]:
        """End the trial, and give what was still under way."""
        for each in self._watched.values():
            with suppress(OSError):
                each.connection.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + ANSWER_SECONDS
        found: list[Affected] = []
        while self._watched and time.monotonic() < deadline:
            found += self._listen(deadline - time.monotonic())
        return found

    def close(self) -> None:
        """Hang up."""
        for each in tuple(self._watched.values()):
            self._forget(each)
        self._selector.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _join(self) -> None:
        """Ask those workers that were not asked yet, and give up those that take too long."""
        self._join_at = time.monotonic() + JOIN_SECONDS
        there = sockets(self._folder)
        names = {each.name for each in there}
        self.silent &= names
        self._retry_at = {name: at for name, at in self._retry_at.items() if name in names}
        for each in tuple(self._watched.values()):
            if not each.begun and time.monotonic() > each.asked + ANSWER_SECONDS:
                self._give_up(each)
        for path in there:
            if path.name not in self._watched and time.monotonic() >= self._retry_at.get(path.name, 0.0):
                self._ask(path)

    def _ask(self, path: Path) -> None:
        try:
            connection = connect(path, ANSWER_SECONDS)
        except (ConnectionRefusedError, FileNotFoundError):
            return
        except OSError:
            self._note_silence(path.name)
            return
        try:
            connection.sendall(self._question)
            connection.settimeout(0)
        except OSError:
            connection.close()
            return
        watched = self._watched[path.name] = _Watched(path.name, connection)
        self._selector.register(connection, selectors.EVENT_READ, watched)

    def _listen(self, seconds: float) -> list[Affected]:
        found: list[Affected] = []
        for key, _ in self._selector.select(seconds):
            found += self._hear(key.data)
        return found

    def _hear(self, worker: _Watched) -> list[Affected]:
        try:
            part = worker.connection.recv(65_536)
        except BlockingIOError:
            return []
        except OSError:
            part = b""
        *lines, worker.received = (worker.received + part).split(b"\n")
        try:
            found = [each for line in lines for each in self._heed(worker, line)]
        except (ValueError, RecursionError):
            self._give_up(worker)
            return []
        if len(worker.received) > MAX_LINE_BYTES:
            self._give_up(worker)
        elif not part:
            self._forget(worker)
        return found

    def _heed(self, worker: _Watched, line: bytes) -> Iterator[Affected]:
        """Take note of a line.

        Raises:
            ValueError: it is none that a worker in a trial sends.
        """
        message = json.loads(line)
        if message == {"trial": True} and not worker.begun:
            worker.begun = True
            self.silent.discard(worker.name)
        elif not worker.begun:
            raise ValueError("no trial")
        elif message == {"end": True}:
            return
        elif isinstance(message, dict) and type(others := message.get("others")) is int:
            self.others += others - worker.others
            worker.others = others
        else:
            yield self._count(worker, affected(message))

    def _count(self, worker: _Watched, told: Affected) -> Affected:
        kind = told.method, told.path
        total = self._totals.get(kind, 0) + told.count - worker.counts.get(kind, 0)
        self._totals[kind] = total
        worker.counts[kind] = told.count
        return Affected(method=told.method, path=told.path, count=total, at=told.at)

    def _give_up(self, worker: _Watched) -> None:
        self._note_silence(worker.name)
        self._forget(worker)

    def _note_silence(self, name: str) -> None:
        self.silent.add(name)
        self._retry_at[name] = time.monotonic() + RETRY_SECONDS

    def _forget(self, worker: _Watched) -> None:
        if self._watched.pop(worker.name, None) is not None:
            self._selector.unregister(worker.connection)
            worker.connection.close()


def affected(message: Any) -> Affected:
    """What a worker has told, out of JSON.

    Raises:
        ValueError: it is no kind of request.
    """
    if not isinstance(message, Mapping):
        raise ValueError("not a request")  # noqa: TRY004 -- what was sent
    method, path, count, at = (message.get(name) for name in ("method", "path", "count", "at"))
    if not isinstance(method, str) or not isinstance(path, str) or type(count) is not int or not isinstance(at, float):
        raise ValueError("not a request")
    if not 0 <= at < _FAR_FUTURE:
        raise ValueError("a time beyond the calendar")
    return Affected(method=method, path=path, count=count, at=at)

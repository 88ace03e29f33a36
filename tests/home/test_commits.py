"""Group commit: nobody returns before the write, nothing is written twice, an error is theirs who shared it."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from mutua.errors import DiskFull
from mutua.home.commits import GroupCommit

PATIENCE_SECONDS = 30


class Disk:
    """What is written to: the first write waits until it is let go, and what cannot be written says so."""

    def __init__(self) -> None:
        self.written: list[list[str]] = []
        self.begun = threading.Event()
        self.let_go = threading.Event()

    def write(self, items: Sequence[str]) -> None:
        self.begun.set()
        assert self.let_go.wait(PATIENCE_SECONDS)
        if "bad" in items:
            raise DiskFull("no room", hint="make room")
        self.written.append(list(items))


class Callers:
    """Callers of a group commit, each on a thread of its own."""

    def __init__(self, disk: Disk, group: GroupCommit[str]) -> None:
        self._disk, self._group = disk, group
        self._threads = ThreadPoolExecutor(32)

    def call(self, *items: str) -> "Future[bool]":
        """A caller; whether its items were written when it came back."""
        return self._threads.submit(self._commit, items)

    def waiting(self, count: int) -> None:
        """Wait until so many callers are queued behind the one who writes."""
        while len(self._group._waiting) < count:
            threading.Event().wait(0.001)

    def end(self) -> None:
        self._disk.let_go.set()
        self._threads.shutdown()

    def _commit(self, items: tuple[str, ...]) -> bool:
        self._group.commit(items)
        return set(items) <= {each for group in self._disk.written for each in group}


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def callers(disk: Disk) -> "Callers":
    return Callers(disk, GroupCommit(disk.write))


def test_what_waits_while_one_writes_is_written_together(disk: Disk, callers: Callers) -> None:
    first = callers.call("a")
    disk.begun.wait(PATIENCE_SECONDS)
    others = [callers.call("b", "c")]
    callers.waiting(1)
    others.append(callers.call("d"))
    callers.waiting(2)
    assert not first.done()
    callers.end()
    assert [each.result() for each in (first, *others)] == [True, True, True]
    assert disk.written == [["a"], ["b", "c", "d"]]


def test_an_error_is_raised_for_everyone_who_shared_the_write_and_for_nobody_else(disk: Disk, callers: Callers) -> None:
    first = callers.call("a")
    disk.begun.wait(PATIENCE_SECONDS)
    shared = [callers.call("bad"), callers.call("b")]
    callers.waiting(2)
    callers.end()
    assert first.result() is True
    for each in shared:
        with pytest.raises(DiskFull):
            each.result()
    assert disk.written == [["a"]]


def test_after_an_error_the_next_write_works(disk: Disk) -> None:
    group = GroupCommit(disk.write)
    disk.let_go.set()
    with pytest.raises(DiskFull):
        group.commit(["bad"])
    group.commit(["good"])
    assert disk.written == [["good"]]


def test_an_interrupted_write_does_not_leave_the_others_waiting() -> None:
    written: list[str] = []

    def write(items: Sequence[str]) -> None:
        if "interrupted" in items:
            raise KeyboardInterrupt
        written.extend(items)

    group = GroupCommit(write)
    with pytest.raises(KeyboardInterrupt):
        group.commit(["interrupted"])
    group.commit(["next"])
    assert written == ["next"]


def test_sixteen_callers_write_everything_once_and_each_its_own_in_order() -> None:
    written: list[tuple[int, int]] = []
    seen: set[tuple[int, int]] = set()

    def write(items: Sequence[tuple[int, int]]) -> None:
        written.extend(items)
        seen.update(items)

    group: GroupCommit[tuple[int, int]] = GroupCommit(write)

    def call(caller: int) -> bool:
        for number in range(200):
            group.commit([(caller, number)])
            if (caller, number) not in seen:
                return False
        return True

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(call, range(16)))
    assert len(written) == len(set(written)) == 16 * 200
    for caller in range(16):
        assert [number for each, number in written if each == caller] == list(range(200))

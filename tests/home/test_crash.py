"""SIGKILL at any moment: nothing that was acknowledged is lost, nothing is half there."""

import json
import random
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from mutua import Home
from mutua.errors import HomeNotFound
from mutua.home.upkeep import Upkeep
from tests.conftest import soak
from tests.home.acting import Promise
from tests.home.promises import assert_kept, assert_published, assert_usable
from tests.serving import ROOT

pytestmark = pytest.mark.soak

MOST_LINES = 12
MOST_WORK = 1_000_000
KILLS_IN_A_ROW = 5


class Nursery:
    """Makes processes that act on a home until they are killed."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def life(self, dice: random.Random) -> tuple[list[Promise], str]:
        """What a process was promised before it was killed, and in the middle of what that was."""
        self._tell(f"{dice.getrandbits(32)}\n")
        lines = [self._hear() for _ in range(dice.randint(1, MOST_LINES))]
        # Work of random length moves the kill to anywhere in what comes next.
        sum(range(dice.randrange(MOST_WORK)))
        self._tell("\n")
        while "ended" not in (line := self._hear()):
            lines.append(line)
        begun = lines[-1].get("begun", "")
        return [line for line in lines if "act" in line], begun

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert "broken" not in line, line["broken"]
        return line


@contextmanager
def nursery(folder: Path) -> Iterator[Nursery]:
    command = [sys.executable, "-m", "tests.home.dying", "nursery", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Nursery(process)


@pytest.mark.timeout(3600)
def test_a_kill_at_any_moment_loses_nothing_that_was_acknowledged(shared: Path, database: str) -> None:
    dice, kills = random.Random(20260102), soak(share=12, whole=1000)
    promised: list[Promise] = []
    killed_in: Counter[str] = Counter()
    with nursery(shared) as lives:
        for number in range(kills):
            promises, begun = lives.life(dice)
            promised += promises
            killed_in[begun] += 1
            with Home.open(shared) as home:
                assert_usable(home, number % KILLS_IN_A_ROW + 1)
            if number % KILLS_IN_A_ROW == KILLS_IN_A_ROW - 1:
                catch_up(shared)
    sys.stderr.write(f"{database}: {len(promised)} acts, killed in {killed_in}\n")
    catch_up(shared)
    with Home.open(shared) as home:
        assert_kept(home, [promised])
        if database != "postgresql":
            assert_sound(shared / "store.db")
        go_on(home)
    assert killed_in.total() - killed_in[""] >= kills // 2, "in the middle of something"


def catch_up(folder: Path) -> None:
    """What any process of ours does when it starts; then the files are what the store says."""
    upkeep = Upkeep(folder)
    upkeep.look()
    upkeep.close()
    with Home.open(folder) as home:
        assert_published(home)


def go_on(home: Home) -> None:
    made = home.authority.issue_client("ana").thumbprint
    place = home.hierarchy.issuing.id, home.authority.certificate(made).shard or 0
    before = home.crls.everything()[place].number
    home.revocation.revoke(made)
    assert home.crls.everything()[place].number == before + 1
    if home.hierarchy.root.key is not None:
        home.hierarchy.rotate()
        home.authority.issue_client("ana")
    assert_published(home)
    assert home.audit.verify() == len(list(home.audit.after(0)))


def assert_sound(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def run(act: str, folder: Path, *step: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.home.dying", act, str(folder), *map(str, step)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def outcome(act: str, folder: Path, *step: int) -> tuple[int, str]:
    with run(act, folder, *step) as process:
        told, _ = process.communicate()
    return process.returncode, told


def steps_to_kill_at(act: str, folder: Path, share: int) -> list[int]:
    """Some of the acts on the file system that ``act`` is made of; under ``make soak`` every one."""
    code, told = outcome(act, folder)
    assert code == 0
    count = int(told)
    assert count > share
    return sorted(random.Random(count).sample(range(1, count + 1), soak(share=share, whole=count)))


def assert_whole(folder: Path) -> None:
    with Home.open(folder) as home:
        home.clients.add("after-the-crash")
        assert home.authority.issue_client("after-the-crash").not_after > home.now()
        assert (folder / "ca.pem").read_bytes().count(b"BEGIN CERTIFICATE") == 2
        assert home.audit.verify() == 6


@pytest.mark.timeout(900)
def test_a_kill_while_a_home_is_made_leaves_no_home_or_a_whole_one(tmp_path: Path) -> None:
    first = tmp_path / "counted" / "home"
    first.parent.mkdir()
    for step in steps_to_kill_at("create", first, share=5):
        folder = tmp_path / str(step) / "home"
        folder.parent.mkdir()
        code, _ = outcome("create", folder, step)
        assert code < 0
        if not folder.exists():
            with pytest.raises(HomeNotFound):
                Home.open(folder)
            assert outcome("create", folder)[0] == 0, "what a crash left aside is in nobody's way"
        assert_whole(folder)
        shutil.rmtree(folder.parent)
    assert_whole(first)


@pytest.mark.timeout(900)
def test_a_kill_while_an_identity_is_replaced_leaves_the_old_one_or_the_new(home: Home) -> None:
    home.identities.save("untouched", home.identities.load("woovi"))
    for step in steps_to_kill_at("replace", home.path, share=5):
        before = home.identities.load("woovi").thumbprint
        code, _ = outcome("replace", home.path, step)
        assert code < 0
        after = home.identities.load("woovi")
        newest = next(home.authority.certificates(client="woovi"))
        assert after.thumbprint in {before, newest.thumbprint}
    assert outcome("replace", home.path)[0] == 0
    newest = next(home.authority.certificates(client="woovi"))
    assert home.identities.load("woovi").thumbprint == newest.thumbprint
    assert home.identities.names() == ["api", "untouched", "woovi"]
    kept = [each for each in (home.path / "identities" / ".versions" / "woovi").iterdir() if each.is_dir()]
    assert len(kept) <= 2, "what a crash left is cleared away by the next who writes"

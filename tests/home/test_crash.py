"""SIGKILL at any moment: nothing that was handed out is lost, nothing is half there."""

import json
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from mutua import Home
from mutua.errors import HomeNotFound
from mutua.pki.certificates import read_certificate, write_der
from mutua.pki.thumbprints import x5t_s256
from tests.conftest import soak
from tests.serving import ROOT

pytestmark = pytest.mark.soak

MOST_BEFORE_A_KILL = 25
MOST_WORK = 20_000


def run(act: str, folder: Path, *step: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.home.issuing", act, str(folder), *map(str, step)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def outcome(act: str, folder: Path, *step: int) -> tuple[int, str]:
    with run(act, folder, *step) as process:
        told, _ = process.communicate()
    return process.returncode, told


def issue_until_killed(folder: Path, dice: random.Random) -> list[dict[str, str]]:
    """Certificates whose line had left the process whole before it was killed."""
    with run("issue", folder) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(dice.randint(1, MOST_BEFORE_A_KILL))]
        # A little work of random length moves the kill to anywhere in the next issuance.
        sum(range(dice.randint(0, MOST_WORK)))
        process.kill()
        lines += process.stdout.readlines()
    return [json.loads(line) for line in lines if line.endswith("\n")]


@pytest.mark.timeout(900)
def test_a_kill_loses_no_certificate_that_was_handed_out(home: Home) -> None:
    dice, wanted = random.Random(20260102), soak(share=60, whole=500)
    handed_out: list[dict[str, str]] = []
    kills = 0
    while len(handed_out) < wanted and kills < wanted:
        handed_out += issue_until_killed(home.path, dice)
        kills += 1
    assert len(handed_out) >= wanted
    assert kills > 1

    inventory = {record.thumbprint: record for record in home.authority.certificates()}
    for given in handed_out:
        record = inventory[given["thumbprint"]]
        assert record.serial == given["serial"]
        assert record.client == "woovi"
        certificate = read_certificate(given["pem"].encode())
        assert record.der == write_der(certificate)
        assert x5t_s256(certificate) == given["thumbprint"]
    assert len({given["serial"] for given in handed_out}) == len(handed_out)
    assert len({record.serial for record in inventory.values()}) == len(inventory)
    # Beyond what was read from a killed process there is at most the one it had no time to tell of.
    before = 2
    assert len(handed_out) + before <= len(inventory) <= len(handed_out) + before + kills
    assert home.audit.verify() >= len(inventory)
    with closing(sqlite3.connect(home.path / "store.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


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

"""A home of 0.1.0, whose trail nobody had signed, is signed once."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Table

from mutua import Home
from mutua.errors import BrokenAudit
from mutua.home.audit import AUDIT_KEY_FILE, PENDING_KEY_FILE, make_audit_key
from mutua.store.schema import authorities, certificates, clients, revocations
from tests.home.foundation import foundation_home
from tests.home.history import every_event, reseal
from tests.store.tampering import Intruder


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The folder of a home of 0.1.0."""
    foundation_home(tmp_path / "old")
    return tmp_path / "old"


def test_a_home_of_0_1_0_is_adopted_once_and_verifies(old: Path) -> None:
    with Home.open(old) as home:
        count = home.audit.verify()
        assert every_event(home)[-1].kind == "audit.signed"
        _go_on(home)
        assert home.audit.verify() > count
    with Home.open(old) as home:
        assert [event.kind for event in every_event(home)].count("audit.signed") == 1
        home.audit.verify()


def _go_on(home: Home) -> None:
    reseal(home)
    home.clients.resume("bank")
    home.clients.add("quiet")
    home.revocation.revoke(home.authority.issue_client("woovi").thumbprint)
    home.hierarchy.rotate()


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE authorities SET certificate = (SELECT certificate FROM authorities WHERE id = 'root')", "certificate"),
        ("UPDATE authorities SET key = '{}'", "key"),
        ("UPDATE authorities SET purpose = 'client'", "purpose"),
        ("UPDATE authorities SET parent = NULL", "parent"),
        ("UPDATE certificates SET client = 'bank'", "client"),
        ("UPDATE certificates SET not_after = not_after + 1", "not_after"),
        ("UPDATE certificates SET shard = 1", "shard"),
        ("UPDATE revocations SET reason = 'unspecified'", "reason"),
        ("UPDATE revocations SET event = 1", "event"),
        ("UPDATE revocations SET authority = 'root'", "authority"),
        ("UPDATE clients SET state = 'active'", "state"),
        ("UPDATE grants SET pattern = '/**'  WHERE id = 2", "pattern"),
    ],
)
def test_what_0_1_0_recorded_and_what_was_noted_at_adoption_is_compared(old: Path, statement: str, named: str) -> None:
    Home.open(old).close()
    intruder = Intruder(old / "store.db")
    intruder.run(statement)
    intruder.close()
    with Home.open(old) as home, pytest.raises(BrokenAudit) as found:
        home.audit.verify()
    assert named in {each.column for each in found.value.differences}


@pytest.mark.parametrize(
    ("table", "column"),
    [(certificates, "issued_at"), (authorities, "created_at"), (clients, "created_at"), (revocations, "revoked_at")],
)
def test_the_times_that_0_1_0_did_not_record_are_not_compared(old: Path, table: Table, column: str) -> None:
    Home.open(old).close()
    with sqlite3.connect(old / "store.db") as connection:
        connection.execute(f"UPDATE {table.name} SET {column} = {column} - 60000000")
    connection.close()
    with Home.open(old) as home:
        home.audit.verify()


def test_a_broken_trail_is_not_adopted(old: Path) -> None:
    with sqlite3.connect(old / "store.db") as connection:
        connection.execute("UPDATE events SET actor = 'eva' WHERE id = 3")
    connection.close()
    for _ in range(2):
        with pytest.raises(BrokenAudit, match="broken at event 3"):
            Home.open(old)
    assert not (old / AUDIT_KEY_FILE).exists()


def test_an_adoption_cut_short_before_its_commit_is_done_anew(old: Path) -> None:
    make_audit_key(old, PENDING_KEY_FILE)
    left = (old / PENDING_KEY_FILE).read_bytes()
    with Home.open(old) as home:
        home.audit.verify()
    assert (old / AUDIT_KEY_FILE).read_bytes() != left
    assert not (old / PENDING_KEY_FILE).exists()


def test_an_adoption_cut_short_after_its_commit_keeps_its_key(old: Path) -> None:
    Home.open(old).close()
    (old / AUDIT_KEY_FILE).rename(old / PENDING_KEY_FILE)
    with Home.open(old) as home:
        home.audit.verify()
        assert [event.kind for event in every_event(home)].count("audit.signed") == 1

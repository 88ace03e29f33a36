"""The gate's snapshot follows the store: by what has happened, and whole where that would not be enough."""

import shutil
from collections.abc import Callable

import pytest

from mutua import Home
from mutua.gate.snapshot import Snapshot
from mutua.home import snapshots
from mutua.home.snapshots import follow, load


def test_nothing_new_is_the_same_snapshot(home: Home) -> None:
    before = load(home)
    assert follow(home, before) is before


def test_a_change_shares_everything_else(home: Home) -> None:
    before = load(home)
    home.clients.suspend("woovi")
    after = follow(home, before)
    assert after.clients["woovi"].suspended
    assert not before.clients["woovi"].suspended
    assert after.issued is before.issued
    assert after.revoked is before.revoked
    assert after.clients["woovi"].rules is before.clients["woovi"].rules


ACTS: dict[str, Callable[[Home], object]] = {
    "retired": lambda home: (home.hierarchy.rotate("issuing-1"), home.hierarchy.retire("issuing-1", force=True)),
    "revoked": lambda home: (
        home.hierarchy.rotate("issuing-1"),
        home.revocation.revoke(home.hierarchy.get("issuing-1").certificate.serial_number.to_bytes(16).hex()),
    ),
}


@pytest.mark.parametrize("act", ACTS)
def test_the_certificates_of_a_ca_that_is_trusted_no_more_are_refused_at_once(home: Home, act: str) -> None:
    thumbprint = home.identities.load("woovi").thumbprint
    before = load(home)
    ACTS[act](home)
    assert thumbprint in follow(home, before).revoked


def test_a_certificate_that_is_taken_off_hold_stays_refused_with_its_ca(home: Home) -> None:
    held = home.identities.load("woovi").thumbprint
    home.revocation.revoke(held, reason="certificate_hold")
    home.hierarchy.rotate("issuing-1")
    home.hierarchy.retire("issuing-1", force=True)
    before = load(home)
    home.revocation.release(held)
    after = follow(home, before)
    assert (held in after.issued, after.revoked.get(held)) == (False, "woovi")
    assert dict(after.revoked) == dict(load(home).revoked)


def test_a_refused_certificate_is_still_its_clients_until_that_is_gone(home: Home) -> None:
    held, before = home.identities.load("woovi").thumbprint, load(home)
    assert (before.issued[held], held in before.revoked) == ("woovi", False)

    home.revocation.revoke(held, reason="certificate_hold")
    refused = follow(home, before)
    assert (held in refused.issued, refused.revoked[held]) == (False, "woovi")

    home.revocation.release(held)
    released = follow(home, refused)
    assert (released.issued[held], held in released.revoked) == ("woovi", False)

    home.revocation.revoke(held)
    lost = follow(home, released)
    home.clients.remove("woovi", force=True)
    home.clients.add("woovi")
    assert follow(home, lost).revoked[held] == load(home).revoked[held] == ""


def test_after_many_events_everything_is_read_anew(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load(home)
    for name in ("a", "b", "c"):
        home.clients.add(name)
    monkeypatch.setattr(snapshots, "MOST_FOLLOWED", 2)
    monkeypatch.setattr(snapshots, "_followed", None)
    assert set(follow(home, before).clients) == {"woovi", "a", "b", "c"}


def test_a_backup_that_was_put_in_place_is_read_whole(home: Home) -> None:
    """It has fewer events, and then others of the same numbers."""
    backup = home.path / "backup.db"
    home.store.close()
    shutil.copy(home.store.path, backup)
    home.clients.suspend("woovi")
    suspended = load(home)
    assert suspended.clients["woovi"].suspended
    home.store.close()
    shutil.copy(backup, home.store.path)
    restored = follow(home, suspended)
    assert not restored.clients["woovi"].suspended
    home.clients.add("another")
    assert_followed(home, suspended)


def assert_followed(home: Home, before: Snapshot) -> None:
    after = follow(home, before)
    assert set(after.clients) == {"woovi", "another"}
    assert not after.clients["woovi"].suspended


def test_one_set_of_grants_is_compiled_once_for_everybody(home: Home) -> None:
    for number in range(5):
        home.clients.add(f"client-{number}", allow=["GET /a/*", "POST /b"])
    rules = {id(entry.rules) for name, entry in load(home).clients.items() if name.startswith("client-")}
    assert len(rules) == 1

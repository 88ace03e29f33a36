"""What becomes of a certificate that was renewed: revoked if the settings say so, and only after its grace."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from mutua import Home, Identity
from mutua.home import renewal
from mutua.pki.crl import read_crl
from mutua.store.inventory import CertificateState
from tests.clock import Clock
from tests.home.renewing import by_connection

GRACE = timedelta(days=7)


@pytest.fixture
def woovi(home: Home) -> Identity:
    return home.identities.load("woovi")


def state(home: Home, identity: Identity) -> CertificateState:
    return home.authority.certificate(identity.thumbprint).state(home.now())


@pytest.fixture(autouse=True)
def _asked(home: Home) -> Iterator[None]:
    home.settings = replace(home.settings, revoke_superseded=True)
    yield
    assert home.audit.verify() > 0


def test_it_is_revoked_after_its_grace_as_superseded(home: Home, woovi: Identity, clock: Clock) -> None:
    second = by_connection(home, woovi)
    clock.move(GRACE - timedelta(minutes=1))
    assert home.renewal.revoke_superseded() == 0
    clock.move(timedelta(minutes=2))
    assert home.renewal.revoke_superseded() == 1
    record = home.authority.certificate(woovi.thumbprint)
    assert (record.reason, record.invalid_since) == ("superseded", None)
    assert state(home, second) is CertificateState.VALID
    assert home.renewal.revoke_superseded() == 0
    home.crls.publish_due()
    crl = read_crl(home.crls.path("issuing-1").read_bytes())
    assert [each.serial_number for each in crl] == [woovi.certificate.serial_number]


def test_not_unless_it_was_asked_for(home: Home, woovi: Identity, clock: Clock) -> None:
    home.settings = replace(home.settings, revoke_superseded=False)
    by_connection(home, woovi)
    clock.move(GRACE * 2)
    assert home.renewal.revoke_superseded() == 0
    assert state(home, woovi) is CertificateState.SUPERSEDED


def test_not_what_is_on_hold_nor_what_has_expired_nor_what_was_never_renewed(
    home: Home, woovi: Identity, clock: Clock
) -> None:
    held, expired = home.authority.issue_client("woovi"), home.authority.issue_client("woovi", lifetime=GRACE)
    for each in (held, expired):
        by_connection(home, each)
    home.revocation.revoke(held.thumbprint, reason="certificate_hold")
    clock.move(GRACE + timedelta(days=1))
    assert home.renewal.revoke_superseded() == 0
    assert state(home, woovi) is CertificateState.VALID


def test_not_where_the_successor_was_revoked_before_anybody_used_it(home: Home, woovi: Identity, clock: Clock) -> None:
    home.revocation.revoke(by_connection(home, woovi).thumbprint)
    clock.move(GRACE * 2)
    assert home.renewal.revoke_superseded() == 0


def test_the_grace_counts_from_the_first_successor(home: Home, woovi: Identity, clock: Clock) -> None:
    by_connection(home, woovi)
    clock.move(GRACE - timedelta(minutes=1))
    by_connection(home, woovi)
    clock.move(timedelta(minutes=2))
    assert home.renewal.revoke_superseded() == 1


def test_two_processes_at_once_revoke_it_once(home: Home, woovi: Identity, clock: Clock) -> None:
    all_of_them = [woovi, *(home.authority.issue_client("woovi") for _ in range(9))]
    for each in all_of_them:
        by_connection(home, each)
    clock.move(GRACE * 2)
    with Home.open(home.path) as other, ThreadPoolExecutor(2) as threads:
        other.settings = home.settings
        counts = list(threads.map(lambda each: each.renewal.revoke_superseded(), (home, other)))
    assert sum(counts) == 10
    revoked = [event.subject for event in home.audit.after(0) if event.kind == "certificate.revoked"]
    assert sorted(revoked) == sorted(each.thumbprint for each in all_of_them)


def test_many_are_revoked_in_pages_and_what_is_not_due_is_in_nobodys_way(
    home: Home, woovi: Identity, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewal, "PAGE", 3)
    monkeypatch.setattr(renewal, "MAX_REVOKED", 6)
    # Pages of three: those that stay make up the first, and one of the second.
    lost = [home.authority.issue_client("woovi") for _ in range(4)]
    for each in lost:
        home.revocation.revoke(by_connection(home, each).thumbprint)
    for each in [home.authority.issue_client("woovi") for _ in range(10)]:
        by_connection(home, each)
    clock.move(GRACE * 2)
    assert [home.renewal.revoke_superseded() for _ in range(3)] == [8, 2, 0]
    assert {state(home, each) for each in lost} == {CertificateState.SUPERSEDED}

"""What ends and when: counted by the database, and each with what to type."""

import shlex
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from mutua import Home
from mutua.home.expiries import (
    LATELY,
    Kind,
    OwnCertificate,
    count_ending,
    crl_ages,
    ended_lately,
    own_authorities,
    own_identities,
    remedy,
    soonest,
)
from mutua.registry.credentials import Form
from mutua.registry.partners import by_certificate, by_subject
from mutua.tls.identity import Identity
from tests.clock import Clock
from tests.conftest import CHEAP_SEALING
from tests.home.renewing import by_connection
from tests.pki.hierarchy import key_of

DAY = timedelta(days=1)
NONE = {30: 0, 14: 0, 7: 0, 1: 0}


@pytest.fixture
def partner(tmp_path: Path) -> Iterator[Home]:
    """Somebody else's authority, with a client ``bank``."""
    with Home.create(tmp_path / "partner", name="Bank", sealing_cost=CHEAP_SEALING) as made:
        made.clients.add("bank")
        yield made


def issue(home: Home, client: str, days: int) -> Identity:
    return home.authority.issue_client(client, lifetime=days * DAY)


def own(found: list[OwnCertificate], name: str) -> OwnCertificate:
    return next(each for each in found if each.name == name)


def test_what_ends_is_counted_by_how_soon(home: Home) -> None:
    assert count_ending(home) == NONE, "what the template has lives longer"
    for days in (1, 5, 10, 20, 29):
        issue(home, "woovi", days)
    assert count_ending(home) == {30: 5, 14: 3, 7: 2, 1: 1}


def test_it_is_counted_on_either_database(shared: Path) -> None:
    with Home.open(shared) as home:
        home.clients.add("early")
        before = count_ending(home)
        issue(home, "early", 6)
        assert count_ending(home) == {30: before[30] + 1, 14: before[14] + 1, 7: before[7] + 1, 1: before[1]}
        assert "early" in [each.client for each in soonest(home, 30 * DAY, 100)]
        assert ended_lately(home, 10) == []
        assert {each.authority for each in crl_ages(home)} >= {"root", "issuing-1"}


def test_what_was_renewed_revoked_or_suspended_is_nobodys_concern(home: Home) -> None:
    for name in ("renewed", "revoked", "suspended"):
        home.clients.add(name)
    by_connection(home, issue(home, "renewed", 5), key_of("renewed"))
    home.revocation.revoke(issue(home, "revoked", 5).thumbprint)
    issue(home, "suspended", 5)
    assert [each.client for each in soonest(home, 30 * DAY, 10)].count("renewed") == 1, "its successor"
    before = count_ending(home)[7]
    home.clients.suspend("suspended")
    assert count_ending(home)[7] == before - 1
    assert {each.client for each in soonest(home, 30 * DAY, 10)} == {"renewed"}


def test_what_others_issued_ends_with_its_certificate_its_ca_or_when_it_was_set(home: Home, partner: Home) -> None:
    for name in ("by-pin", "by-name", "ended"):
        home.clients.add(name)
    pinned = issue(partner, "bank", 5)
    home.credentials.add("by-pin", by_certificate(pinned.chain, now=home.now()))
    ca = partner.hierarchy.issuing.certificate
    home.credentials.add("by-name", by_subject([ca], Form.DNS, "bank.example", now=home.now()))
    assert count_ending(home) == {30: 1, 14: 1, 7: 1, 1: 0}
    [found] = soonest(home, 30 * DAY, 10)
    assert (found.client, found.thumbprint, found.not_after) == ("by-pin", pinned.thumbprint, pinned.not_after)
    until_ca_ends = ca.not_valid_after_utc - home.now() + DAY
    assert [each.client for each in soonest(home, until_ca_ends, 10)][-1] == "by-name"
    home.clients.suspend("by-pin")
    assert count_ending(home) == NONE


def test_a_credential_that_is_replaced_ends_when_its_overlap_does(home: Home, partner: Home) -> None:
    home.clients.add("bank")
    home.credentials.add("bank", by_certificate(issue(partner, "bank", 300).chain, now=home.now()))
    newer = by_certificate(issue(partner, "bank", 300).chain, now=home.now())
    home.credentials.add("bank", newer, replace=True, overlap=2 * DAY)
    assert count_ending(home) == {30: 1, 14: 1, 7: 1, 1: 0}


def test_at_most_so_many_are_listed_those_that_end_first(home: Home) -> None:
    ends = [issue(home, "woovi", days).not_after for days in (3, 1, 2)]
    assert [each.not_after for each in soonest(home, 30 * DAY, 2)] == sorted(ends)[:2]
    assert soonest(home, timedelta(hours=1), 10) == []


def test_a_client_whose_last_certificate_ended_lately_is_named(home: Home, clock: Clock) -> None:
    home.clients.add("gone")
    issue(home, "gone", 1)
    issue(home, "woovi", 1)
    assert ended_lately(home, 10) == []
    clock.move(1.5 * DAY)
    assert [each.client for each in ended_lately(home, 10)] == ["gone"], "woovi has another one"
    clock.move(LATELY)
    assert ended_lately(home, 10) == []


def test_who_is_known_by_something_else_has_not_gone(home: Home, partner: Home, clock: Clock) -> None:
    home.clients.add("bank")
    issue(home, "bank", 1)
    home.credentials.add("bank", by_certificate(issue(partner, "bank", 90).chain, now=home.now()))
    clock.move(1.5 * DAY)
    assert ended_lately(home, 10) == []


def test_our_own_are_told_with_their_ends(home: Home) -> None:
    found = own_authorities(home)
    assert [(each.kind, each.name) for each in found] == [(Kind.CA, "issuing-1"), (Kind.CA, "root")]
    assert own(found, "root").not_after == home.hierarchy.root.certificate.not_valid_after_utc
    mine = own_identities(home.identities.folder)
    assert {each.name for each in mine} == {"api", "woovi"}
    assert own(mine, "api").not_after == home.identities.load("api").not_after


def test_an_identity_that_cannot_be_read_comes_first(home: Home) -> None:
    (home.identities.folder / "broken").mkdir()
    (home.identities.folder / "broken" / "chain.pem").write_text("nothing")
    first, *_ = own_identities(home.identities.folder)
    assert (first.name, first.thumbprint, first.not_after) == ("broken", None, None)
    assert remedy(home, first) == f"ls -lL {home.identities.folder / 'broken'}"
    assert own_identities(home.path / "nothing") == []


def test_no_key_is_read_to_see_when_an_identity_ends(home: Home) -> None:
    (home.identities.folder / "api" / "key.pem").unlink()
    assert own(own_identities(home.identities.folder), "api").not_after is not None


def test_what_to_type_about_a_ca(home: Home) -> None:
    home.hierarchy.rotate()
    found = {each.name: remedy(home, each) for each in own_authorities(home)}
    assert found == {
        "root": "mutua init --home NEW",
        "issuing-1": "mutua ca retire issuing-1",
        "issuing-2": "mutua ca rotate issuing-2",
    }


def test_what_to_type_about_an_identity_before_and_after_its_end(home: Home, partner: Home, clock: Clock) -> None:
    home.identities.save("theirs", issue(partner, "bank", 1))
    home.identities.save("star", home.authority.issue_server("*.acme.example", "10.0.0.9"))
    folder = home.identities.folder
    assert remedy(home, own(own_identities(folder), "api")) == "mutua cert renew api"
    clock.move(100 * DAY)
    found = {each.name: remedy(home, each) for each in own_identities(folder)}
    assert found == {
        "api": "mutua cert issue server localhost 127.0.0.1 --identity api --force",
        "star": "mutua cert issue server '*.acme.example' 10.0.0.9 --identity star --force",
        "theirs": f"mutua cert inspect {shlex.quote(str(folder / 'theirs' / 'chain.pem'))}",
        "woovi": "mutua cert issue client woovi --force",
    }


def test_a_crl_is_as_old_as_its_oldest_part(home: Home) -> None:
    found = {each.authority: each for each in crl_ages(home)}
    record = home.crls.find("issuing-1")
    assert record is not None
    assert (found["issuing-1"].this_update, found["issuing-1"].next_update) == (record.this_update, record.next_update)

"""Renewal: what a successor keeps, who may have one and until when, and what becomes of what was renewed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from mutua import Home, Identity, KeyType
from mutua.ca.hierarchy import Purpose
from mutua.ca.policy import DEFAULT_POLICIES, Policy
from mutua.errors import MutuaError, RefusedRenewal, RefusedRequest, UnreadableRequest
from mutua.gate.decision import Request
from mutua.home.renewal import MAX_UNSEEN
from mutua.home.upkeep import Upkeep
from mutua.inbound.live_gate import LiveGate
from mutua.pki.names import DnsName
from mutua.pki.requests import write_request
from mutua.store.inventory import CertificateState
from tests.clock import Clock
from tests.home.renewing import by_connection, by_statement, peer_of
from tests.home.tables import tables
from tests.pki.hierarchy import issue, issuing_ca, key_of

NEW_KEY = key_of("renewed")
GRACE = timedelta(days=7)
Renew = Callable[..., Identity]

WAYS = pytest.mark.parametrize("renew", [by_connection, by_statement])


@pytest.fixture
def woovi(home: Home) -> Identity:
    return home.identities.load("woovi")


def policy(home: Home, **settings: Any) -> None:
    changed = Policy.parse(settings, DEFAULT_POLICIES["client"])
    home.settings = replace(home.settings, policies={**DEFAULT_POLICIES, "client": changed})


def state(home: Home, identity: Identity) -> CertificateState:
    return home.authority.certificate(identity.thumbprint).state(home.now())


def refused(home: Home, identity: Identity, renew: Renew = by_connection) -> str:
    """Why a renewal is refused, and that nothing came of it."""
    before = tables(home)
    with pytest.raises(RefusedRenewal) as caught:
        renew(home, identity, NEW_KEY)
    assert tables(home) == before
    return caught.value.message


@WAYS
@pytest.mark.parametrize("key", [NEW_KEY, None, key_of("renewed", KeyType.ED25519)], ids=["another", "same", "kind"])
def test_a_successor_keeps_client_names_profile_and_lifetime(home: Home, renew: Renew, key: Any, clock: Clock) -> None:
    first = home.authority.issue_client("woovi", "a.woovi.example", "10.0.0.1", lifetime=timedelta(days=33))
    clock.move(timedelta(days=20))
    second = renew(home, first, key)
    before, after = (home.authority.certificate(each.thumbprint) for each in (first, second))
    assert (after.client, after.names, after.profile) == ("woovi", ("a.woovi.example", "10.0.0.1"), "client")
    assert after.not_after - after.not_before == before.not_after - before.not_before
    assert after.supersedes == before.id
    assert (state(home, first), state(home, second)) == (CertificateState.SUPERSEDED, CertificateState.VALID)
    assert second.certificate.public_key() == (key or first.key).public_key()
    assert second.certificate.subject == first.certificate.subject
    assert home.snapshot().issued[second.thumbprint] == "woovi"
    assert home.audit.verify() > 0


@WAYS
def test_a_server_renews_too(home: Home, renew: Renew) -> None:
    first = home.identities.load("api")
    second = renew(home, first, NEW_KEY)
    assert home.authority.certificate(second.thumbprint).names == ("localhost", "127.0.0.1")
    assert home.authority.certificate(second.thumbprint).client is None


def test_what_the_request_says_of_names_does_not_matter_and_is_said(home: Home, woovi: Identity) -> None:
    asked = write_request(NEW_KEY, [DnsName("bank"), DnsName("*.example")], "root")
    signed = home.renewal.by_connection(peer_of(woovi), asked)
    assert home.authority.certificate(signed.thumbprint).names == ("woovi",)
    assert signed.dropped == ("name 'bank'", "name '*.example'", "subject CN='root'")


def test_a_key_that_the_policy_refuses_is_refused(home: Home, woovi: Identity) -> None:
    policy(home, keys=["p384"])
    before = tables(home)
    with pytest.raises(RefusedRequest, match="P-256 keys are not allowed"):
        by_connection(home, woovi, NEW_KEY)
    with pytest.raises(UnreadableRequest):
        home.renewal.by_connection(peer_of(woovi), b"no request at all")
    assert tables(home) == before


@WAYS
def test_a_policy_that_became_stricter_shortens_the_lifetime(home: Home, renew: Renew, woovi: Identity) -> None:
    policy(home, max_days=10)
    second = renew(home, woovi, NEW_KEY)
    assert (
        timedelta(days=10) <= second.not_after - second.certificate.not_valid_before_utc <= timedelta(days=10, hours=1)
    )


def test_a_stranger_or_a_ca_renews_nothing(home: Home) -> None:
    assert "none that this authority renews" in refused(home, issue(issuing_ca()))
    ca = home.hierarchy.issuing
    peer = peer_of(Identity(home.keys.of(ca), (ca.certificate,)))
    with pytest.raises(RefusedRenewal, match="none that this authority renews"):
        home.renewal.by_connection(peer, write_request(NEW_KEY, ()))


@WAYS
@pytest.mark.parametrize("reason", ["key_compromise", "superseded", "certificate_hold"])
def test_what_was_revoked_or_put_on_hold_is_not_renewed(home: Home, renew: Renew, woovi: Identity, reason: str) -> None:
    home.revocation.revoke(woovi.thumbprint, reason=reason)
    assert ("on hold" if reason == "certificate_hold" else "revoked") in refused(home, woovi, renew)


def test_what_was_released_is_renewed(home: Home, woovi: Identity) -> None:
    home.revocation.revoke(woovi.thumbprint, reason="certificate_hold")
    home.revocation.release(woovi.thumbprint)
    assert state(home, by_connection(home, woovi)) is CertificateState.VALID


@WAYS
def test_what_has_expired_is_not_renewed(home: Home, renew: Renew, woovi: Identity, clock: Clock) -> None:
    clock.move(timedelta(days=91))
    assert "expired" in refused(home, woovi, renew)


def test_before_it_is_valid_it_is_not_renewed(home: Home, woovi: Identity, clock: Clock) -> None:
    clock.move(-timedelta(hours=1))
    assert "not valid before" in refused(home, woovi)


@WAYS
def test_a_suspended_client_does_not_renew(home: Home, renew: Renew, woovi: Identity) -> None:
    home.clients.suspend("woovi")
    assert "is suspended" in refused(home, woovi, renew)
    home.clients.resume("woovi")
    renew(home, woovi)


@pytest.mark.parametrize("what", ["revoke", "suspend", "see"])
def test_what_happens_between_the_check_and_the_commit_counts(
    home: Home, woovi: Identity, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    second = by_connection(home, woovi)
    issuing = home.authority.issuing
    issue_now = issuing.issue

    def interfere(orders: Any) -> Any:
        with Home.open(home.path, actor="other") as other:
            match what:
                case "revoke":
                    other.revocation.revoke(woovi.thumbprint)
                case "suspend":
                    other.clients.suspend("woovi")
                case "see":
                    by_connection(other, second)
        return issue_now(orders)

    monkeypatch.setattr(issuing, "issue", interfere)
    with pytest.raises(RefusedRenewal):
        by_connection(home, woovi, NEW_KEY)
    keys = [x509.load_der_x509_certificate(each.der).public_key() for each in home.authority.certificates()]
    assert NEW_KEY.public_key() not in keys


@WAYS
def test_whoever_lost_the_answer_renews_again_until_a_successor_is_seen(
    home: Home, renew: Renew, woovi: Identity
) -> None:
    renew(home, woovi, NEW_KEY)
    second = renew(home, woovi, NEW_KEY)
    third = by_connection(home, second)
    assert f"its successor {second.thumbprint} is in use" in refused(home, woovi, renew)
    assert state(home, third) is CertificateState.VALID


@WAYS
def test_the_grace_ends(home: Home, renew: Renew, woovi: Identity, clock: Clock) -> None:
    renew(home, woovi, NEW_KEY)
    clock.move(GRACE - timedelta(minutes=1))
    renew(home, woovi, NEW_KEY)
    clock.move(timedelta(minutes=2))
    assert "its grace of 7 days" in refused(home, woovi, renew)


def test_a_successor_that_was_revoked_before_anybody_used_it_leaves_things_as_they_were(
    home: Home, woovi: Identity, clock: Clock
) -> None:
    lost = by_connection(home, woovi, NEW_KEY)
    home.revocation.revoke(lost.thumbprint, reason="key_compromise")
    clock.move(GRACE + timedelta(days=1))
    assert state(home, by_connection(home, woovi)) is CertificateState.VALID


def test_a_door_that_saw_the_successor_ends_the_renewals_of_what_it_followed(home: Home, woovi: Identity) -> None:
    second = by_connection(home, woovi)
    gate = LiveGate(home)
    upkeep = Upkeep(home.path, gate.sighted)
    try:
        gate.decide(peer_of(woovi), Request("GET", "/pix", b"/pix"))
        upkeep._tell()
        by_connection(home, woovi)
        gate.decide(peer_of(second), Request("GET", "/pix", b"/pix"))
        upkeep._tell()
        assert f"{second.thumbprint} is in use" in refused(home, woovi)
    finally:
        upkeep.close()
        gate.close()


def test_an_agent_that_keeps_losing_its_answer_is_stopped(home: Home, woovi: Identity) -> None:
    for _ in range(MAX_UNSEEN):
        by_connection(home, woovi)
    assert f"renewed {MAX_UNSEEN} times" in refused(home, woovi)


def test_a_client_at_its_limit_renews_again_and_again(home: Home, woovi: Identity) -> None:
    policy(home, max_valid=1)
    for _ in range(4):
        woovi = by_connection(home, woovi)
    with pytest.raises(RefusedRequest, match="has 1 valid"):
        home.requests.sign(write_request(NEW_KEY, [DnsName("woovi")]), client="woovi")


def test_answers_that_were_lost_do_not_count(home: Home, woovi: Identity) -> None:
    policy(home, max_valid=2)
    for _ in range(5):
        by_connection(home, woovi)
    request = write_request(NEW_KEY, [DnsName("woovi")])
    home.requests.sign(request, client="woovi")
    with pytest.raises(RefusedRequest, match="has 2 valid"):
        home.requests.sign(request, client="woovi")


def test_a_limit_that_was_lowered_locks_nobody_out(home: Home, woovi: Identity) -> None:
    others = [home.authority.issue_client("woovi") for _ in range(3)]
    policy(home, max_valid=1)
    for each in (woovi, *others):
        by_connection(home, each)


def test_sixteen_renewals_at_once_leave_the_number_as_it_was(home: Home, woovi: Identity) -> None:
    policy(home, max_valid=4)
    all_of_them = [woovi, *(home.authority.issue_client("woovi") for _ in range(3))]
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda number: by_connection(home, all_of_them[number % 4]), range(16)))
    with pytest.raises(RefusedRequest, match="has 4 valid"):
        home.requests.sign(write_request(NEW_KEY, [DnsName("woovi")]), client="woovi")


def test_the_one_that_was_named(home: Home) -> None:
    home.hierarchy.add("clients", purpose=Purpose.CLIENT)
    home.hierarchy.add("partner-acme", purpose=Purpose.CLIENT)
    first = home.authority.issue_client("woovi", authority="partner-acme")
    second = by_connection(home, first)
    assert home.authority.certificate(second.thumbprint).authority == "partner-acme"
    assert second.chain[1] == first.chain[1]


def test_the_one_from_before_another_was_made_for_the_purpose(home: Home, woovi: Identity) -> None:
    home.hierarchy.add("clients", purpose=Purpose.CLIENT)
    assert home.authority.certificate(by_connection(home, woovi).thumbprint).authority == "issuing-1"


@WAYS
def test_its_successor_after_a_rotation(home: Home, renew: Renew, woovi: Identity) -> None:
    with Home.open(home.path) as other:
        other.hierarchy.rotate("issuing-1")
    second = renew(home, woovi, NEW_KEY)
    assert home.authority.certificate(second.thumbprint).authority == "issuing-2"
    second.certificate.verify_directly_issued_by(second.chain[1])
    third = renew(home, second, NEW_KEY)
    assert home.authority.certificate(third.thumbprint).authority == "issuing-2"


def test_its_successor_when_it_is_rotated_at_this_very_moment(
    home: Home, woovi: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuing = home.authority.issuing
    commit = issuing.commit

    def rotate_first(issued: Any) -> Any:
        with Home.open(home.path) as other:
            other.hierarchy.rotate("issuing-1")
        monkeypatch.undo()
        return commit(issued)

    monkeypatch.setattr(issuing, "commit", rotate_first)
    second = by_connection(home, woovi)
    assert home.authority.certificate(second.thumbprint).authority == "issuing-2"


def test_one_that_was_cut_short_by_the_end_of_its_ca_has_a_whole_life_again(home: Home, clock: Clock) -> None:
    clock.move(home.hierarchy.issuing.certificate.not_valid_after_utc - home.now() - timedelta(days=2))
    first = home.authority.issue_client("woovi")
    assert first.not_after == first.chain[1].not_valid_after_utc
    home.hierarchy.rotate()
    assert by_connection(home, first).not_after - home.now() > timedelta(days=89)


def test_only_errors_of_ours_come_out(home: Home, woovi: Identity) -> None:
    for request in (b"", b"\0" * 10_000_000, write_request(NEW_KEY, ()) * 2):
        with pytest.raises(MutuaError):
            home.renewal.by_connection(peer_of(woovi), request)

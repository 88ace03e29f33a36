from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutua.ca.issuance import draft_end_entity
from mutua.ca.renewal import HOLD, Renewable, Renewal, Successor, kept_lifetime, may_renew, superseded_due
from mutua.errors import RefusedRenewal
from mutua.pki.names import DnsName
from mutua.pki.profiles import CLIENT, CLOCK_SKEW, SERVER
from mutua.registry.clients import ClientState
from tests.pki.hierarchy import key_of, make_issuing_ca, make_root

NOW = datetime(2031, 5, 17, 12, 30, 15, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
GRACE = 7 * DAY
GOOD = Renewable(
    id=7,
    profile=CLIENT,
    names=(DnsName("woovi"),),
    client="woovi",
    client_state=ClientState.ACTIVE,
    not_before=NOW - 60 * DAY - CLOCK_SKEW,
    not_after=NOW + 30 * DAY,
    issuer_not_after=NOW + 1000 * DAY,
)


def renewed(*successors: Successor, **changes: Any) -> Renewable:
    return replace(GOOD, successors=successors, **changes)


def successor(days_ago: float = 1, *, seen: bool = False, revoked: bool = False, name: str = "B") -> Successor:
    return Successor(name * 43, NOW - days_ago * DAY, seen=seen, revoked=revoked)


def refused(certificate: Renewable, reason: str, *, now: datetime = NOW, grace: timedelta = GRACE) -> None:
    with pytest.raises(RefusedRenewal) as caught:
        may_renew(certificate, grace=grace, now=now)
    assert reason in caught.value.message
    assert caught.value.hint


def allowed(certificate: Renewable, *, now: datetime = NOW, grace: timedelta = GRACE) -> Renewal:
    return may_renew(certificate, grace=grace, now=now)


def due(*certificates: Renewable, now: datetime = NOW, enabled: bool = True) -> tuple[int, ...]:
    return superseded_due(certificates, grace=GRACE, now=now, enabled=enabled)


def test_a_renewal_keeps_client_names_profile_and_lifetime() -> None:
    assert allowed(GOOD) == Renewal(profile=CLIENT, names=(DnsName("woovi"),), client="woovi", lifetime=90 * DAY)


def test_a_certificate_renews_from_its_first_to_its_last_second() -> None:
    for now in (GOOD.not_before, GOOD.not_after):
        assert allowed(GOOD, now=now)
    refused(GOOD, "expired at 2031-06-16T12:30:15Z", now=GOOD.not_after + SECOND)
    refused(GOOD, "not valid before 2031-03-18T12:25:15Z", now=GOOD.not_before - SECOND)


@pytest.mark.parametrize("reason", ["unspecified", "key_compromise", "superseded", "privilege_withdrawn"])
def test_a_revoked_certificate_cannot_renew(reason: str) -> None:
    refused(replace(GOOD, revoked=reason), f"was revoked ({reason})")


def test_a_certificate_on_hold_cannot_renew_until_it_is_released() -> None:
    refused(replace(GOOD, revoked=HOLD), "on hold")


def test_a_suspended_client_cannot_renew() -> None:
    refused(replace(GOOD, client_state=ClientState.SUSPENDED), "its client 'woovi' is suspended")


def test_a_client_that_is_gone_cannot_renew() -> None:
    refused(replace(GOOD, client_state=None), "its client 'woovi' was removed")


def test_a_certificate_of_no_client_renews() -> None:
    server = replace(GOOD, profile=SERVER, client=None, client_state=None)
    assert allowed(server).client is None


def test_whoever_lost_the_answer_renews_again_within_the_grace() -> None:
    assert allowed(renewed(successor()))
    assert allowed(renewed(successor(7)))
    assert allowed(renewed(successor(7), successor(6), successor(0)))


def test_the_grace_ends_and_asking_again_does_not_prolong_it() -> None:
    late = successor(7 + 1 / 86_400)
    refused(renewed(late), "its grace of 7 days, 0:00:00 is over")
    refused(renewed(successor(0), late, successor(3)), "superseded at 2031-05-10T12:30:14Z")
    refused(renewed(successor(0)), "grace", now=NOW + SECOND, grace=timedelta(0))


def test_once_a_successor_is_in_use_the_old_certificate_gets_nothing() -> None:
    refused(renewed(successor(seen=True)), f"its successor {'B' * 43} is in use")
    refused(renewed(successor(3), successor(0, seen=True, name="C")), f"its successor {'C' * 43} is in use")
    refused(renewed(successor(seen=True, revoked=True)), "is in use")


def test_a_successor_revoked_before_its_use_leaves_things_as_they_were() -> None:
    assert allowed(renewed(successor(30, revoked=True)))
    refused(renewed(successor(30), successor(1, revoked=True)), "grace")


def test_the_lifetime_that_was_issued_is_the_lifetime_that_is_kept() -> None:
    issuer = make_issuing_ca(make_root(now=NOW), now=NOW)
    for lifetime in (SECOND, timedelta(minutes=3), timedelta(hours=1), DAY, 90 * DAY, 365 * DAY):
        now = NOW + timedelta(hours=1)
        draft = draft_end_entity(
            CLIENT,
            (DnsName("woovi"),),
            key_of("end entity").public_key(),
            issuer=issuer.certificate,
            serial=7,
            now=now,
            lifetime=lifetime,
        )
        facts = replace(
            GOOD,
            not_before=draft.not_before,
            not_after=draft.not_after,
            issuer_not_after=issuer.certificate.not_valid_after_utc,
        )
        assert kept_lifetime(facts) == lifetime


def test_a_lifetime_cut_short_by_the_ca_is_not_handed_down() -> None:
    short = replace(GOOD, not_before=NOW, not_after=NOW + 3 * DAY, issuer_not_after=NOW + 3 * DAY)
    assert kept_lifetime(short) == CLIENT.lifetime
    assert kept_lifetime(replace(short, issuer_not_after=NOW + 4 * DAY)) == 3 * DAY - CLOCK_SKEW


def test_a_lifetime_is_never_longer_than_the_profile_allows() -> None:
    assert kept_lifetime(replace(GOOD, not_after=NOW + 900 * DAY)) == CLIENT.max_lifetime


def test_a_start_that_was_moved_by_a_young_ca_leaves_something() -> None:
    assert kept_lifetime(replace(GOOD, not_before=NOW, not_after=NOW + timedelta(minutes=4))) == timedelta(minutes=4)


def test_superseded_certificates_are_due_when_their_grace_is_over() -> None:
    late = successor(7 + 1 / 86_400)
    assert due(GOOD, renewed(late), renewed(successor(7), id=8), renewed(late, successor(0), id=9)) == (7, 9)
    assert due(renewed(replace(late, seen=True))) == (7,)
    assert due(renewed(replace(late, seen=True, revoked=True))) == (7,)


def test_none_is_due_unless_the_setting_asks_for_it() -> None:
    assert due(renewed(successor(30)), enabled=False) == ()


@pytest.mark.parametrize(
    "certificate",
    [
        GOOD,
        renewed(successor(1)),
        renewed(successor(30), revoked="key_compromise"),
        renewed(successor(30), revoked=HOLD),
        renewed(successor(30), not_after=NOW - SECOND),
        renewed(successor(30, revoked=True)),
    ],
    ids=[
        "not superseded",
        "within its grace",
        "revoked",
        "on hold",
        "expired",
        "its only successor unused and revoked",
    ],
)
def test_the_others_are_not_due(certificate: Renewable) -> None:
    assert due(certificate) == ()


MOMENTS = st.integers(-100 * 24, 100 * 24).map(lambda hours: NOW + timedelta(hours=hours))
SUCCESSORS = st.builds(Successor, st.just("B" * 43), MOMENTS, seen=st.booleans(), revoked=st.booleans())
CERTIFICATES = st.builds(
    replace,
    st.just(GOOD),
    client_state=st.none() | st.sampled_from(ClientState),
    client=st.sampled_from(["woovi", None]),
    not_before=MOMENTS,
    not_after=MOMENTS,
    revoked=st.none() | st.sampled_from([HOLD, "key_compromise"]),
    successors=st.lists(SUCCESSORS, max_size=3).map(tuple),
)


@given(CERTIFICATES, MOMENTS, st.timedeltas(timedelta(0), 60 * DAY))
def test_whatever_renews_is_good_in_every_respect(certificate: Renewable, now: datetime, grace: timedelta) -> None:
    try:
        renewal = may_renew(certificate, grace=grace, now=now)
    except RefusedRenewal:
        return
    assert certificate.revoked is None
    assert certificate.not_before <= now <= certificate.not_after
    assert certificate.client is None or certificate.client_state is ClientState.ACTIVE
    assert not any(each.seen for each in certificate.successors)
    assert all(each.revoked or now <= each.issued_at + grace for each in certificate.successors)
    assert (renewal.profile, renewal.names, renewal.client) == (CLIENT, GOOD.names, certificate.client)
    assert renewal.lifetime <= CLIENT.max_lifetime


@given(CERTIFICATES, MOMENTS, st.timedeltas(timedelta(0), 60 * DAY))
def test_what_is_due_cannot_be_renewed_any_more(certificate: Renewable, now: datetime, grace: timedelta) -> None:
    if superseded_due([certificate], grace=grace, now=now, enabled=True):
        assert certificate.successors
        with pytest.raises(RefusedRenewal):
            may_renew(certificate, grace=grace, now=now)


@given(CERTIFICATES, MOMENTS, SUCCESSORS)
def test_another_renewal_never_makes_more_possible(certificate: Renewable, now: datetime, more: Successor) -> None:
    longer = replace(certificate, successors=(*certificate.successors, more))
    try:
        may_renew(longer, grace=GRACE, now=now)
    except RefusedRenewal:
        return
    assert may_renew(certificate, grace=GRACE, now=now)

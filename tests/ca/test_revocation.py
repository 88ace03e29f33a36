from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from mutua.ca.issuance import draft_end_entity
from mutua.ca.revocation import (
    HOLD,
    MAX_CRL_LIFE,
    MIN_CRL_LIFE,
    accepted_base,
    addresses,
    allowed_reasons,
    is_due,
    is_listed,
    next_update,
    release,
    revoke,
    shard_of,
    this_update,
)
from mutua.errors import AlreadyRevoked, InvalidAddress, InvalidInput, InvalidLifetime, MutuaError, NotOnHold
from mutua.pki.crl import CrlDraft, Revocation, RevocationReason, read_crl
from mutua.pki.names import DnsName
from mutua.pki.profiles import CLIENT, CLOCK_SKEW
from tests.pki.hierarchy import issuing_ca, key_of

NOW = datetime(2031, 5, 17, 12, 30, 15, 999_999, tzinfo=UTC)
NOW_IN_SECONDS = NOW.replace(microsecond=0)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
FINAL = [reason for reason in RevocationReason if reason is not HOLD]
LEAF_REASONS = allowed_reasons(is_ca=False)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- hypothesis adds it
LIVES = st.timedeltas(MIN_CRL_LIFE, MAX_CRL_LIFE)
BASE = "http://pki.acme.example"


def revoked(reason: RevocationReason = RevocationReason.SUPERSEDED, *, ago: timedelta = DAY) -> Revocation:
    return Revocation(NOW_IN_SECONDS - ago, reason)


# Reasons


def test_a_lost_key_is_called_by_whose_it_was_and_a_ca_is_never_on_hold() -> None:
    everything = set(RevocationReason)
    assert everything - allowed_reasons(is_ca=True) == {RevocationReason.KEY_COMPROMISE, HOLD}
    assert everything - allowed_reasons(is_ca=False) == {RevocationReason.CA_COMPROMISE}


@pytest.mark.parametrize("is_ca", [True, False], ids=["a CA", "an end entity"])
@pytest.mark.parametrize("reason", list(RevocationReason))
def test_a_certificate_is_revoked_for_an_allowed_reason_and_no_other(reason: RevocationReason, is_ca: bool) -> None:
    if reason in allowed_reasons(is_ca=is_ca):
        assert revoke(reason, is_ca=is_ca, now=NOW) == Revocation(NOW_IN_SECONDS, reason, None)
    else:
        with pytest.raises(InvalidInput) as refused:
            revoke(reason, is_ca=is_ca, now=NOW)
        assert reason not in refused.value.hint.removeprefix("give one of ").split(", ")


# The time of a compromise


def test_a_key_may_have_been_lost_before_and_not_after_now() -> None:
    lost = NOW - 40 * DAY
    decided = revoke(RevocationReason.KEY_COMPROMISE, is_ca=False, now=NOW, invalid_since=lost)
    assert decided.invalid_since == lost.replace(microsecond=0)
    assert revoke(RevocationReason.KEY_COMPROMISE, is_ca=False, now=NOW, invalid_since=NOW).invalid_since
    with pytest.raises(InvalidInput, match="future"):
        revoke(RevocationReason.KEY_COMPROMISE, is_ca=False, now=NOW, invalid_since=NOW + SECOND)


# Hold, release, and for good


@pytest.mark.parametrize("reason", sorted(LEAF_REASONS - {HOLD}))
def test_after_a_hold_the_final_reason_takes_over_and_the_time_of_the_hold_stays(reason: RevocationReason) -> None:
    held = revoked(HOLD, ago=3 * DAY)
    assert revoke(reason, is_ca=False, now=NOW, current=held) == Revocation(held.revoked_at, reason, None)


def test_the_final_reason_may_bring_a_time_of_compromise_and_keeps_the_one_it_finds() -> None:
    held = Revocation(NOW_IN_SECONDS - DAY, HOLD, NOW_IN_SECONDS - 2 * DAY)
    kept = revoke(RevocationReason.KEY_COMPROMISE, is_ca=False, now=NOW, current=held)
    assert kept.invalid_since == held.invalid_since
    lost = NOW_IN_SECONDS - 9 * DAY
    brought = revoke(RevocationReason.KEY_COMPROMISE, is_ca=False, now=NOW, current=held, invalid_since=lost)
    assert brought == Revocation(held.revoked_at, RevocationReason.KEY_COMPROMISE, lost)


@pytest.mark.parametrize("reason", sorted(LEAF_REASONS))
def test_what_is_revoked_for_good_stays_as_it_is(reason: RevocationReason) -> None:
    for current in FINAL:
        with pytest.raises(AlreadyRevoked, match=current.value):
            revoke(reason, is_ca=False, now=NOW, current=revoked(current))


def test_what_is_on_hold_is_not_put_on_hold_again() -> None:
    with pytest.raises(AlreadyRevoked):
        revoke(HOLD, is_ca=False, now=NOW, current=revoked(HOLD))


def test_only_a_hold_can_be_released() -> None:
    release(revoked(HOLD))
    for current in (None, *map(revoked, FINAL)):
        with pytest.raises(NotOnHold):
            release(current)


@given(st.lists(st.sampled_from([*LEAF_REASONS, "release"]), max_size=12))
def test_a_certificate_once_revoked_for_good_never_comes_back(acts: list[RevocationReason | str]) -> None:
    state: Revocation | None = None
    final: Revocation | None = None
    for number, act in enumerate(acts):
        try:
            if isinstance(act, RevocationReason):
                state = revoke(act, is_ca=False, now=NOW + number * SECOND, current=state)
            else:
                release(state)
                state = None
        except MutuaError:
            assert state is not None or act == "release"
        if final is not None:
            assert state == final
        if state is not None and state.reason is not HOLD:
            final = state


# Shards


@given(st.integers(1, 2**128 - 1), st.integers(2, 65_536))
def test_a_shard_is_one_of_so_many_and_depends_on_nothing_but_the_serial(serial: int, shards: int) -> None:
    shard = shard_of(serial, shards)
    assert shard is not None
    assert 1 <= shard <= shards
    assert shard_of(serial + shards, shards) == shard


@given(st.integers(2, 300), st.integers(0, 2**128))
def test_shards_share_evenly(shards: int, first: int) -> None:
    assert {shard_of(first + number, shards) for number in range(shards)} == set(range(1, shards + 1))


@given(st.integers(1, 2**128 - 1))
def test_one_crl_for_all_is_no_shard(serial: int) -> None:
    assert shard_of(serial, 1) is None


# Addresses


def test_the_addresses_below_the_base() -> None:
    whole = addresses(BASE, "issuing-1", None)
    assert whole.crl == f"{BASE}/crl/issuing-1.crl"
    assert whole.issuer == f"{BASE}/ca/issuing-1.crt"
    assert whole.ocsp == f"{BASE}/ocsp"
    assert addresses(BASE, "issuing-1", 0) == whole
    assert addresses(BASE, "issuing-1", 7).crl == f"{BASE}/crl/issuing-1/7.crl"


@pytest.mark.parametrize(
    ("base", "below"),
    [
        ("http://pki.acme.example", "http://pki.acme.example"),
        ("http://pki.acme.example/", "http://pki.acme.example"),
        ("http://pki.acme.example:8080/pay/pki/", "http://pki.acme.example:8080/pay/pki"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080/a%20b", "http://[::1]:8080/a%20b"),
    ],
)
def test_a_base_has_a_host_and_perhaps_a_port_and_a_path(base: str, below: str) -> None:
    assert accepted_base(base) == below
    assert addresses(base, "root", None).ocsp == f"{below}/ocsp"


@pytest.mark.parametrize(
    "base",
    [
        "",
        "pki.acme.example",
        "http://",
        "http:///crl",
        "https://pki.acme.example",
        "HTTPS://pki.acme.example",
        "ldap://pki.acme.example",
        "http://user:secret@pki.acme.example",
        "http://pki.acme.example?x=1",
        "http://pki.acme.example/#top",
        "http://pki.acme.example//crl",
        "http://pki.acme.example/a b",
        "http://pki.acme.example/%zz",
        "http://pki.acme.example\n",
        "http://bücher.example",
        "http://pki.acme.example/" + "/" * 5000,
    ],
)
def test_any_other_base_is_refused_before_a_certificate_carries_it(base: str) -> None:
    with pytest.raises(InvalidAddress) as refused:
        accepted_base(base)
    assert len(str(refused.value)) < 160
    with pytest.raises(InvalidAddress):
        addresses(base, "root", None)


def test_https_is_refused_with_the_reason() -> None:
    with pytest.raises(InvalidAddress, match="plain http"):
        accepted_base("https://pki.acme.example")


@given(st.text(max_size=40) | st.text("htp:/[]0.a%@?#", max_size=20).map("http://".__add__))
def test_whatever_the_base_it_is_an_address_or_an_error_of_ours(text: str) -> None:
    try:
        base = accepted_base(text)
    except InvalidAddress:
        return
    parts = urlsplit(base)
    assert (parts.scheme, parts.query, parts.fragment, parts.username) == ("http", "", "", None)
    assert parts.netloc
    x509.UniformResourceIdentifier(base)


@given(st.integers(1, 2**128 - 1), st.integers(1, 512))
def test_a_certificate_names_the_very_address_that_its_crl_has_for_its_scope(serial: int, shards: int) -> None:
    shard, ca, key = shard_of(serial, shards), issuing_ca(), key_of("end entity").public_key()
    pointers = addresses(BASE, "issuing-1", shard)
    names, issued_at = [DnsName("woovi.example")], ca.certificate.not_valid_before_utc + HOUR
    drafted = draft_end_entity(
        CLIENT, names, key, issuer=ca.certificate, serial=serial, now=issued_at, pointers=pointers
    )
    points = drafted.sign(ca.key).extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    crl = CrlDraft(
        issuer=ca.certificate,
        number=1,
        this_update=NOW_IN_SECONDS,
        next_update=NOW_IN_SECONDS + DAY,
        entries=(),
        distribution_point=pointers.crl if shard else None,
    )
    extensions = read_crl(crl.sign(ca.key)).extensions
    scopes = [each.value for each in extensions if isinstance(each.value, x509.IssuingDistributionPoint)]
    assert [scope.full_name for scope in scopes] == ([points[0].full_name] if shards > 1 else [])


# When a CRL holds


def test_a_crl_starts_in_the_past_for_peers_whose_clock_is_behind() -> None:
    assert this_update(NOW) == NOW_IN_SECONDS - CLOCK_SKEW
    assert next_update(NOW, 7 * DAY) == NOW_IN_SECONDS + 7 * DAY


@given(st.lists(st.timedeltas(timedelta(0), timedelta(minutes=20)), max_size=30), MOMENTS)
def test_each_crl_starts_after_the_one_before_until_so_many_come_that_it_would_start_in_the_future(
    pauses: list[timedelta], start: datetime
) -> None:
    now, previous = start, this_update(start)
    for pause in pauses:
        now += pause
        following = this_update(now, previous)
        assert following > previous or following == now.replace(microsecond=0)
        assert now - CLOCK_SKEW - SECOND < following <= now
        previous = following


def test_a_burst_of_crls_within_a_second_start_one_after_the_other() -> None:
    starts = [this_update(NOW)]
    while len(starts) < 200:
        starts.append(this_update(NOW, starts[-1]))
    assert starts == sorted(set(starts))


@pytest.mark.parametrize("life", [-DAY, timedelta(0), MIN_CRL_LIFE - SECOND, MAX_CRL_LIFE + SECOND, timedelta.max])
def test_a_crl_lives_ten_minutes_to_a_year(life: timedelta) -> None:
    with pytest.raises(InvalidLifetime):
        next_update(NOW, life)


@given(MOMENTS, LIVES)
def test_a_crl_that_was_made_now_is_not_due_and_is_due_before_it_ends(now: datetime, life: timedelta) -> None:
    start, end = this_update(now), next_update(now, life)

    def due(at: datetime, touched: int = 5) -> bool:
        return is_due(this_update=start, next_update=end, event=5, touched=touched, now=at)

    assert not due(now)
    assert not due(now + (life - CLOCK_SKEW) / 2 - SECOND)
    assert due(start + (end - start) / 2)
    assert due(end)
    assert due(now, touched=6)


def test_a_crl_from_the_future_is_due_since_peers_would_refuse_it() -> None:
    assert is_due(this_update=NOW + HOUR, next_update=NOW + DAY, event=5, touched=5, now=NOW)


@given(MOMENTS, LIVES, st.integers(0, 10), st.integers(0, 10))
def test_a_crl_covers_every_event_or_is_due(now: datetime, life: timedelta, event: int, touched: int) -> None:
    due = is_due(
        this_update=this_update(now), next_update=next_update(now, life), event=event, touched=touched, now=now
    )
    assert due == (touched > event)


# What a CRL lists


@given(
    st.lists(st.timedeltas(SECOND, timedelta(days=4)), min_size=3, max_size=20),
    st.timedeltas(timedelta(0), timedelta(days=40)),
    MOMENTS,
)
def test_a_revoked_certificate_is_listed_until_one_crl_beyond_its_end(
    pauses: list[timedelta], left: timedelta, start: datetime
) -> None:
    not_after = start.replace(microsecond=0) + left
    listings: list[tuple[datetime, bool]] = []
    now, previous = start, None
    for pause in pauses:
        begins = this_update(now, previous)
        listings.append((begins, is_listed(not_after, previous=previous)))
        previous, now = begins, now + pause
    beyond = [listed for begins, listed in listings if begins > not_after]
    assert all(listed for begins, listed in listings if begins <= not_after)
    assert beyond[:1] in ([True], [])
    assert not any(beyond[1:])

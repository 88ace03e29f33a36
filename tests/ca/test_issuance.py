from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from mutua.ca.hierarchy import draft_issuing_ca, draft_root
from mutua.ca.issuance import MAX_NAMES, draft_end_entity
from mutua.errors import InvalidLifetime, InvalidName
from mutua.pki.draft import Draft
from mutua.pki.names import DnsName, Name, parse_name
from mutua.pki.profiles import CLIENT, CLOCK_SKEW, ISSUING_CA, ROOT, SERVER, Profile
from tests.pki.hierarchy import issuing_ca, key_of, make_issuing_ca, make_root

NOW = datetime(2031, 5, 17, 12, 30, 15, 999_999, tzinfo=UTC)
NOW_IN_SECONDS = NOW.replace(microsecond=0)
START = NOW_IN_SECONDS - timedelta(minutes=5)
SECOND = timedelta(seconds=1)
PUBLIC_KEY = key_of("end entity").public_key()
ROOT_CA = make_root(now=NOW)
ISSUER = make_issuing_ca(ROOT_CA, now=NOW)
END_ENTITIES = pytest.mark.parametrize("profile", [SERVER, CLIENT], ids=["server", "client"])


def drafted(
    profile: Profile = CLIENT,
    names: tuple[Name, ...] = (DnsName("woovi"),),
    *,
    issuer: x509.Certificate = ISSUER.certificate,
    now: datetime = NOW,
    common_name: str = "",
    lifetime: timedelta | None = None,
) -> Draft:
    return draft_end_entity(
        profile, names, PUBLIC_KEY, issuer=issuer, serial=7, now=now, common_name=common_name, lifetime=lifetime
    )


def subject_of(draft: Draft) -> dict[str, str]:
    return {attribute.rfc4514_attribute_name: str(attribute.value) for attribute in draft.subject}


def test_a_root_signs_itself_and_lives_ten_years() -> None:
    draft = draft_root("Acme Payments", PUBLIC_KEY, serial=7, now=NOW)
    assert (draft.profile, draft.issuer, draft.names, draft.serial) == (ROOT, None, (), 7)
    assert subject_of(draft) == {"O": "Acme Payments", "CN": "Root CA"}
    assert (draft.not_before, draft.not_after) == (START, NOW_IN_SECONDS + timedelta(days=3650))


def test_an_issuing_ca_stands_below_the_root_for_five_years() -> None:
    draft = draft_issuing_ca("Acme Payments", PUBLIC_KEY, root=ROOT_CA.certificate, serial=7, now=NOW)
    assert (draft.profile, draft.issuer, draft.names, draft.serial) == (ISSUING_CA, ROOT_CA.certificate, (), 7)
    assert subject_of(draft) == {"O": "Acme Payments", "CN": "Issuing CA 1"}
    assert (draft.not_before, draft.not_after) == (START, NOW_IN_SECONDS + timedelta(days=1825))


@END_ENTITIES
def test_an_end_entity_lives_as_long_as_its_profile_says(profile: Profile) -> None:
    draft = drafted(profile)
    assert (draft.profile, draft.issuer, draft.serial) == (profile, ISSUER.certificate, 7)
    assert (draft.not_before, draft.not_after) == (START, NOW_IN_SECONDS + profile.lifetime)
    assert NOW_IN_SECONDS - draft.not_before == CLOCK_SKEW


@END_ENTITIES
def test_a_lifetime_is_taken_up_to_the_profiles_bound(profile: Profile) -> None:
    for lifetime in (SECOND, timedelta(days=1), profile.max_lifetime):
        assert drafted(profile, lifetime=lifetime).not_after == NOW_IN_SECONDS + lifetime


@END_ENTITIES
def test_a_lifetime_beyond_the_bound_is_refused(profile: Profile) -> None:
    for lifetime in (timedelta(0), -SECOND, profile.max_lifetime + SECOND, timedelta.max):
        with pytest.raises(InvalidLifetime, match=f"up to {profile.max_lifetime.days} days") as caught:
            drafted(profile, lifetime=lifetime)
        assert caught.value.hint


@END_ENTITIES
def test_no_certificate_outlives_its_issuer(profile: Profile) -> None:
    until = ISSUER.certificate.not_valid_after_utc
    shortly_before = until - timedelta(days=1)
    assert drafted(profile, now=shortly_before).not_after == until
    assert drafted(profile, now=until - profile.lifetime).not_after == until


def test_an_issuing_ca_does_not_outlive_its_root() -> None:
    until = ROOT_CA.certificate.not_valid_after_utc
    now = until - timedelta(days=365)
    draft = draft_issuing_ca("Acme Payments", PUBLIC_KEY, root=ROOT_CA.certificate, serial=7, now=now)
    assert (draft.not_before, draft.not_after) == (now - CLOCK_SKEW, until)


@END_ENTITIES
@pytest.mark.parametrize("late", [timedelta(0), SECOND, timedelta(days=900)])
def test_an_expired_issuer_signs_nothing(profile: Profile, late: timedelta) -> None:
    with pytest.raises(InvalidLifetime, match="expired"):
        drafted(profile, now=ISSUER.certificate.not_valid_after_utc + late)


def test_no_certificate_starts_before_its_issuer() -> None:
    born = ISSUER.certificate.not_valid_before_utc
    assert drafted(now=born + timedelta(minutes=1)).not_before == born
    assert drafted(now=born + timedelta(minutes=6)).not_before == born + timedelta(minutes=1)


def test_names_keep_their_order_and_lose_their_duplicates() -> None:
    texts = ["b.acme.example", "127.0.0.1", "B.acme.example", "a.acme.example", "127.0.0.1"]
    draft = drafted(SERVER, tuple(map(parse_name, texts)))
    assert [str(name) for name in draft.names] == ["b.acme.example", "127.0.0.1", "a.acme.example"]


def test_the_common_name_is_the_first_name_unless_given() -> None:
    names = (parse_name("spiffe://acme.example/pay"), DnsName("woovi"))
    assert subject_of(drafted(CLIENT, names)) == {"CN": "spiffe://acme.example/pay"}
    assert subject_of(drafted(CLIENT, names, common_name="woovi")) == {"CN": "woovi"}


def test_a_common_name_that_does_not_fit_is_left_out() -> None:
    long = DnsName(".".join(["a" * 60, "example"]))
    assert len(long.value) > 64
    draft = drafted(SERVER, (long,))
    assert subject_of(draft) == {}
    certificate = draft.sign(ISSUER.key)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.critical
    assert names.value.get_values_for_type(x509.DNSName) == [long.value]


@END_ENTITIES
def test_a_certificate_carries_one_to_a_hundred_names(profile: Profile) -> None:
    names = tuple(DnsName(f"n{number}.acme.example") for number in range(MAX_NAMES + 1))
    assert len(drafted(profile, names[:-1]).names) == MAX_NAMES == 100
    assert len(drafted(profile, names[:-1] * 2).names) == MAX_NAMES
    for wrong in ((), names):
        with pytest.raises(InvalidName, match=f"not {len(wrong)}"):
            drafted(profile, wrong)


def test_wildcards_are_for_servers_only() -> None:
    names = (DnsName("woovi"), DnsName("*.acme.example"))
    assert drafted(SERVER, names).names == names
    with pytest.raises(InvalidName, match="wildcard"):
        drafted(CLIENT, names)


def test_what_was_drafted_is_what_is_signed() -> None:
    draft = drafted(SERVER, (DnsName("api.acme.example"),), lifetime=timedelta(days=3))
    certificate = draft.sign(ISSUER.key)
    assert certificate.serial_number == 7
    assert certificate.subject == draft.subject
    assert certificate.issuer == ISSUER.certificate.subject
    assert certificate.public_key() == PUBLIC_KEY
    assert certificate.not_valid_before_utc == draft.not_before
    assert certificate.not_valid_after_utc == draft.not_after
    certificate.verify_directly_issued_by(ISSUER.certificate)


def test_the_organization_stands_in_the_cas_names_only() -> None:
    organizations = issuing_ca().certificate.issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert [each.value for each in organizations] == ["Acme Payments"]
    assert "O" not in subject_of(drafted(SERVER))

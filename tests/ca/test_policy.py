from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from mutua.ca.policy import MAX_VALID, SERVER_POLICY, Approval
from mutua.pki.keys import KeyType, PublicKey
from mutua.pki.names import DnsName
from mutua.pki.profiles import CLIENT, SERVER, Profile
from tests.ca.judging import API, DAY, IP, WOOVI, asking, judged, violations
from tests.pki import forged_requests as forge
from tests.pki.hierarchy import key_of


def test_a_client_may_ask_for_its_own_name() -> None:
    approval = judged(asking(WOOVI, common_name="woovi"))
    assert approval == Approval(names=(WOOVI,), lifetime=CLIENT.lifetime, common_name="woovi", dropped=())


def test_a_client_that_asks_for_no_name_gets_its_own() -> None:
    assert judged(asking()).names == (WOOVI,)
    assert judged(asking(common_name="woovi")).dropped == ()


def test_a_client_may_ask_for_nobody_elses_name() -> None:
    assert violations(asking("stone")) == ("the name 'stone' is not allowed",)
    assert violations(asking(WOOVI, "stone", "10.0.0.1")) == (
        "the name 'stone' is not allowed",
        "the name '10.0.0.1' is not allowed",
    )


def test_a_server_may_ask_for_nothing_by_default() -> None:
    assert violations(asking(API), SERVER_POLICY, profile=SERVER, client=None) == (
        "the name 'api.acme.example' is not allowed",
    )


def test_a_request_that_names_nothing_is_refused_where_no_client_lends_its_name() -> None:
    for profile, client in [(SERVER, None), (SERVER, "woovi"), (CLIENT, None)]:
        refused = violations(asking(common_name="api.acme.example"), profile=profile, client=client)
        assert refused == ("it names nothing that could be certified",)


def test_an_operators_choice_is_certified_and_the_rest_is_dropped_and_said() -> None:
    request = asking("api.acme.example", "evil.example", common_name="evil.example")
    approval = judged(request, SERVER_POLICY, profile=SERVER, client=None, names=(API, IP, API))
    assert approval.names == (API, IP)
    assert approval.dropped == ("name 'evil.example'", "subject CN='evil.example'")


def test_an_operators_choice_must_still_fit_a_certificate() -> None:
    assert violations(asking(API), names=()) == ("it names nothing that could be certified",)
    many = tuple(DnsName(f"n{number}.acme.example") for number in range(101))
    assert violations(asking(API), names=many) == ("it asks for 101 names, and a certificate carries 100",)
    wildcard = (DnsName("*.acme.example"),)
    assert violations(asking(API), names=wildcard) == (
        "a client's certificate names one client, not the wildcard '*.acme.example'",
    )
    assert judged(asking(API), profile=SERVER, names=wildcard).names == wildcard


def test_no_client_gets_a_wildcard() -> None:
    assert violations(asking("*.acme.example"), {"names": ["*.acme.example"]}) == (
        "a client's certificate names one client, not the wildcard '*.acme.example'",
    )


def test_duplicates_are_asked_for_once() -> None:
    assert judged(asking(*["woovi"] * 300)).names == (WOOVI,)


def test_too_many_names_are_one_violation() -> None:
    names = [f"n{number}.evil.example" for number in range(101)]
    assert violations(asking(*names)) == ("it asks for 101 names, and a certificate carries 100",)
    assert len(judged(asking(*names[:-1]), {"names": ["*.evil.example"]}).names) == 100


def test_what_is_dropped_is_said_and_bounded() -> None:
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH, x509.ObjectIdentifier("1.2.3")]
    request = asking(WOOVI, purposes=purposes, extras=["extension basicConstraints CA:TRUE"], common_name="root")
    assert judged(request).dropped == (
        "extension basicConstraints CA:TRUE",
        "purpose serverAuth",
        "purpose 1.2.3",
        "subject CN='root'",
    )
    many = asking(*(f"n{number}.example" for number in range(5000)), purposes=[purposes[2]] * 5000)
    dropped = judged(many, names=(WOOVI,)).dropped
    assert len(dropped) == 100 + 1 + 20 + 1
    assert "and 4900 more names" in dropped
    assert dropped[-1] == "and 4980 more purposes"


def test_the_lifetime_is_the_profiles_the_policys_or_the_one_asked_for() -> None:
    month = {"names": ["{client}"], "max_days": 30}
    assert judged(asking(WOOVI)).lifetime == CLIENT.lifetime
    assert judged(asking(WOOVI), month).lifetime == 30 * DAY
    assert judged(asking(WOOVI), {"names": ["{client}"], "max_days": 200}).lifetime == CLIENT.lifetime
    for lifetime in (timedelta(seconds=1), 30 * DAY):
        assert judged(asking(WOOVI), month, lifetime=lifetime).lifetime == lifetime


@pytest.mark.parametrize("days", [-1, 0, 31, 100_000])
def test_a_lifetime_outside_the_policy_is_refused(days: int) -> None:
    month = {"names": ["{client}"], "max_days": 30}
    (violation,) = violations(asking(WOOVI), month, lifetime=days * DAY)
    assert "up to 30 days" in violation


@pytest.mark.parametrize("profile", [SERVER, CLIENT], ids=["server", "client"])
def test_a_policy_never_allows_more_than_the_profile(profile: Profile) -> None:
    policy = {"names": ["*.acme.example"], "max_days": 3650}
    longest = profile.max_lifetime
    assert judged(asking(API), policy, profile=profile, lifetime=longest).lifetime == longest
    (violation,) = violations(asking(API), policy, profile=profile, lifetime=longest + timedelta(seconds=1))
    assert f"up to {longest.days} days" in violation


def test_a_client_has_so_many_certificates_and_no_more() -> None:
    assert judged(asking(WOOVI), valid_now=MAX_VALID - 1).names == (WOOVI,)
    for valid_now in (MAX_VALID, MAX_VALID + 1):
        (violation,) = violations(asking(WOOVI), valid_now=valid_now)
        assert violation == f"'woovi' has {valid_now} valid certificates already, and {MAX_VALID} are allowed"
    assert judged(asking(API), {"names": ["*.acme.example"]}, valid_now=10**6).names == (API,)


ALL_KINDS = {kind: key_of("end entity", kind).public_key() for kind in KeyType}


@pytest.mark.parametrize("kind", KeyType)
def test_every_kind_of_key_we_make_may_be_asked_for_by_default(kind: KeyType) -> None:
    assert judged(asking(WOOVI, key=ALL_KINDS[kind])).names == (WOOVI,)


@pytest.mark.parametrize("kind", KeyType)
@pytest.mark.parametrize(
    ("keys", "allowed"),
    [
        (["p256"], {KeyType.P256}),
        (["p384", "ed25519"], {KeyType.P384, KeyType.ED25519}),
        (["rsa"], {KeyType.RSA2048, KeyType.RSA3072, KeyType.RSA4096}),
        (["rsa3072"], {KeyType.RSA3072, KeyType.RSA4096}),
        (["rsa4096", "p256"], {KeyType.RSA4096, KeyType.P256}),
    ],
    ids=["p256", "p384 and ed25519", "rsa", "rsa3072", "rsa4096 and p256"],
)
def test_only_the_kinds_of_key_that_are_listed(keys: list[str], allowed: set[KeyType], kind: KeyType) -> None:
    policy = {"names": ["{client}"], "keys": keys}
    if kind in allowed:
        assert judged(asking(WOOVI, key=ALL_KINDS[kind]), policy).names == (WOOVI,)
    else:
        (violation,) = violations(asking(WOOVI, key=ALL_KINDS[kind]), policy)
        assert "not allowed" in violation or "too small" in violation


WEAK: dict[str, tuple[PublicKey, str]] = {
    "RSA-1024": (forge.rsa_public_key((1 << 1023) + 3), "1024 bits is outside 2048 to 8192"),
    "P-521": (ec.generate_private_key(ec.SECP521R1()).public_key(), "curve secp521r1 is not supported"),
    "secp256k1": (ec.generate_private_key(ec.SECP256K1()).public_key(), "curve secp256k1 is not supported"),
    "P-224": (ec.generate_private_key(ec.SECP224R1()).public_key(), "curve secp224r1 is not supported"),
    "a small exponent": (rsa.generate_private_key(3, 2048).public_key(), "public exponent"),
    "ROCA": (forge.rsa_key(*forge.ROCA_PRIMES).public_key(), "ROCA"),
    "close primes": (forge.rsa_key(*forge.CLOSE_PRIMES).public_key(), "so close"),
}


@pytest.mark.parametrize("what", WEAK)
def test_weak_keys_are_refused_whoever_chose_the_names(what: str) -> None:
    key, why = WEAK[what]
    for names in (None, (WOOVI,)):
        (violation,) = violations(asking(WOOVI, key=key), names=names)
        assert why in violation


def test_every_violation_is_collected() -> None:
    request = asking(WOOVI, "stone", DnsName("a b"), "*.acme.example", key=forge.rsa_public_key((1 << 1023) + 3, 3))
    found = violations(request, lifetime=400 * DAY, valid_now=16)
    assert [violation.split(" ")[0:3] for violation in found] == [
        ["an", "RSA", "key"],
        ["the", "RSA", "key's"],
        ["the", "name", "'stone'"],
        ["'a", "b'", "is"],
        ["the", "name", "'*.acme.example'"],
        ["a", "client's", "certificate"],
        ["a", "lifetime", "of"],
        ["'woovi'", "has", "16"],
    ]

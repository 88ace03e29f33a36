"""What a CA that was made elsewhere must be to be taken in."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.x509.oid import ExtendedKeyUsageOID

from mutua.ca.adoption import require_adoptable, require_new, shortcomings
from mutua.ca.hierarchy import Purpose
from mutua.errors import AuthorityExists, InvalidAuthority
from tests.pki.crafted import NOW, SHA1_RSA, SHA256_RSA, Made, altered, key_called, make, rsa_key, usage

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
ANYTHING = x509.ObjectIdentifier("2.5.29.37.0")
SECOND = timedelta(seconds=1)


def signing(*usages: str) -> Made:
    return make("Legacy CA", change={x509.KeyUsage: (usage(*usages), True)})


def for_(*purposes: x509.ObjectIdentifier) -> Made:
    return make("Legacy CA", purposes=purposes)


def by_sha1(issuer: Made | None = None) -> Made:
    made = make("Legacy CA", issuer, key=rsa_key())
    return altered(made, SHA256_RSA, SHA1_RSA, rsa_key() if issuer is None else rsa_key("above"), SHA1())


GOOD = {
    "a root": make("Legacy CA"),
    "one below somebody": make("Legacy CA", make("Old Root")),
    "as openssl makes it": make("Legacy CA", change={x509.KeyUsage: None, x509.AuthorityKeyIdentifier: None}),
    "without a key identifier": make("Legacy CA", change={x509.SubjectKeyIdentifier: None}),
    "one that may not sign lists": signing("key_cert_sign"),
    "one for both": for_(SERVER, CLIENT),
    "one for anything": for_(ANYTHING),
    "a root by SHA-1": by_sha1(),
}

BAD = {
    "no CA": (make("Legacy CA", ca=False), "not a CA's"),
    "one without extensions": (
        make("Legacy CA", change={x509.BasicConstraints: None, x509.KeyUsage: None}),
        "not a CA's",
    ),
    "one that signs nothing": (signing("crl_sign"), "not a CA's"),
    "an expired one": (make("Legacy CA", end=NOW - SECOND), "and not now"),
    "one of tomorrow": (make("Legacy CA", start=NOW + SECOND), "and not now"),
    "one signed by SHA-1": (by_sha1(make("Old Root", key=rsa_key("above"))), "signed with SHA1"),
    "one for servers": (for_(SERVER), "for server certificates only"),
    "one for clients": (for_(CLIENT), "for client certificates only"),
    "one for neither": (for_(ExtendedKeyUsageOID.OCSP_SIGNING), "neither for servers' nor for clients'"),
}


@pytest.mark.parametrize("what", GOOD)
def test_a_ca_that_is_good_now_is_taken_for_every_purpose(what: str) -> None:
    for purpose in Purpose:
        require_adoptable(GOOD[what].certificate, purpose, now=NOW)


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_issue_is_refused(what: str) -> None:
    made, told = BAD[what]
    with pytest.raises(InvalidAuthority, match=told) as refused:
        require_adoptable(made.certificate, Purpose.ANY, now=NOW)
    assert refused.value.hint


def test_a_ca_for_one_purpose_is_taken_for_that() -> None:
    certificate = for_(CLIENT).certificate
    require_adoptable(certificate, Purpose.CLIENT, now=NOW)
    for purpose in (Purpose.SERVER, Purpose.ANY):
        with pytest.raises(InvalidAuthority) as refused:
            require_adoptable(certificate, purpose, now=NOW)
        assert refused.value.hint == "--purpose client"


def test_a_ca_is_taken_from_its_first_second_on_and_not_in_its_last() -> None:
    certificate = make("Legacy CA").certificate
    require_adoptable(certificate, Purpose.ANY, now=certificate.not_valid_before_utc)
    with pytest.raises(InvalidAuthority):
        require_adoptable(certificate, Purpose.ANY, now=certificate.not_valid_after_utc)


def test_another_certificate_for_a_name_and_key_that_are_here_is_refused() -> None:
    known = [("root", make("Root CA").certificate), ("legacy", make("Legacy CA").certificate)]
    renewed = make("Legacy CA", make("Old Root"))
    for made in (make("Legacy CA"), renewed):
        with pytest.raises(AuthorityExists, match="is here as 'legacy'"):
            require_new(made.certificate, known)


def test_a_namesake_and_another_name_for_the_same_key_are_others() -> None:
    known = [("legacy", make("Legacy CA").certificate)]
    require_new(make("Legacy CA", key=key_called("another")).certificate, known)
    require_new(make("Another CA", key=key_called("Legacy CA")).certificate, known)


def test_what_strict_verifiers_miss_is_known() -> None:
    told = {what: ", ".join(shortcomings(made.certificate)) for what, made in GOOD.items()}
    assert {what: missing for what, missing in told.items() if missing} == {
        "as openssl makes it": "it has no KeyUsage",
        "without a key identifier": "it has no SubjectKeyIdentifier",
        "one that may not sign lists": "it may not sign CRLs",
    }
    plain = x509.BasicConstraints(ca=True, path_length=None), False
    bare = make("Bare", make("Old Root"), change={x509.BasicConstraints: plain, x509.AuthorityKeyIdentifier: None})
    assert [*shortcomings(bare.certificate)] == [
        "its BasicConstraints are not critical",
        "it has no AuthorityKeyIdentifier",
    ]

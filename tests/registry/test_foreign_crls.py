"""Which CRLs come with what a partner brings: those that are given, and those that its certificates name."""

import pytest
from cryptography import x509

from mutua.errors import InvalidAddress, InvalidCredential
from mutua.pki.thumbprints import spki_s256
from mutua.registry.credentials import CrlSource, Form, Role, StalePolicy
from mutua.registry.foreign_crls import MAX_CRLS, with_crls
from mutua.registry.partners import Introduction, by_certificate, by_key, by_subject
from tests.pki.hierarchy import NOW, Authority, issue, make_issuing_ca, make_root
from tests.pki.revocation_lists import with_points

ROOT = make_root(organization="Partner")
CA = make_issuing_ca(ROOT)
PLAIN = issue(CA, names=["api.bank.example"]).certificate
URL = "http://crl.bank.example/ca.crl"
LEAF = with_points(PLAIN, CA, "ldap://crl.bank.example/cn=ca", URL, "https://user@crl.bank.example/")
NAMED_CA = Authority(CA.key, with_points(CA.certificate, ROOT, "http://crl.bank.example/root.crl"))


def key(authority: Authority) -> str:
    return spki_s256(authority.key.public_key())


def subject(*brought: x509.Certificate) -> Introduction:
    return by_subject(brought, Form.DNS, "api.bank.example", now=NOW)


def test_an_address_that_is_given_is_of_the_pinned_ca_until_another_has_signed_it() -> None:
    brought = [ROOT.certificate, CA.certificate]
    known = with_crls(subject(*brought), brought, urls=[URL, URL], stale=StalePolicy.ADMIT)
    assert known.crls == (CrlSource(URL, (key(ROOT), key(CA)), StalePolicy.ADMIT),)


def test_a_ca_below_names_the_crl_of_the_one_above() -> None:
    brought = [ROOT.certificate, NAMED_CA.certificate]
    assert with_crls(subject(*brought), brought).crls == (CrlSource("http://crl.bank.example/root.crl", (key(ROOT),)),)


@pytest.mark.parametrize("ca", [CA, NAMED_CA])
def test_a_pinned_certificate_names_the_crl_of_the_ca_behind_it(ca: Authority) -> None:
    brought = [LEAF, ca.certificate]
    for known in (by_certificate(brought, now=NOW), by_key(brought)):
        assert with_crls(known, brought).crls == (CrlSource(URL, (key(CA),)),)


def test_a_root_that_signs_crls_is_kept_for_nothing_else() -> None:
    leaf = with_points(issue(ROOT).certificate, ROOT, URL)
    brought = [leaf, ROOT.certificate]
    known = with_crls(by_certificate(brought, now=NOW), brought)
    assert [each.role for each in known.certificates] == [Role.LEAF, Role.CRL_ISSUER]


def test_a_certificate_alone_has_nobody_to_verify_its_crl() -> None:
    known = by_certificate([LEAF], now=NOW)
    told = with_crls(known, [LEAF])
    assert (told.credential, told.certificates, told.crls) == (known.credential, known.certificates, ())
    assert told.warnings == (
        f"the CRL {URL} is not fetched, for the CA that signed the certificate is not in the file",
    )
    with pytest.raises(InvalidCredential, match="that CA is not in the file"):
        with_crls(known, [LEAF], urls=[URL])


def test_a_ca_that_signed_something_else_is_not_the_one() -> None:
    brought = [LEAF, make_issuing_ca(ROOT).certificate]
    with pytest.raises(InvalidCredential, match="that CA is not in the file"):
        with_crls(by_certificate(brought, now=NOW), brought, urls=[URL])


def test_nothing_to_fetch_changes_nothing() -> None:
    brought = [ROOT.certificate, CA.certificate]
    known = subject(*brought)
    assert with_crls(known, brought) is known


def test_there_is_a_limit_to_them() -> None:
    brought = [ROOT.certificate]
    urls = [f"{URL}?{place}" for place in range(MAX_CRLS + 1)]
    with pytest.raises(InvalidCredential, match="more than 8"):
        with_crls(subject(*brought), brought, urls=urls)
    assert len(with_crls(subject(*brought), brought, urls=urls[:-1]).crls) == MAX_CRLS


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidAddress):
        with_crls(subject(ROOT.certificate), [ROOT.certificate], urls=["ldap://crl.bank.example/"])

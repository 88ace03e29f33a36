"""Where the CRLs of partners' CAs are, and what becomes of their clients while such a CRL is stale."""

import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from cryptography import x509

from mutua.errors import InvalidAddress, InvalidCredential
from mutua.pki.certificates import issued_by, may_sign, write_der
from mutua.pki.foreign_crl import distribution_points
from mutua.pki.keys import accepted_public_key
from mutua.pki.thumbprints import spki_s256
from mutua.registry.credentials import CredentialKind, CrlSource, PartnerCertificate, Role, StalePolicy
from mutua.registry.partners import Introduction

MAX_CRLS = 8
"""Addresses that come with one credential; certificates of public CAs have one or two."""

MAX_URL = 2048
"""Characters of an address; certificates of public CAs have under 100."""

_URL = re.compile(r"https?://[!-~]+", re.IGNORECASE)


def accepted_crl_url(text: str) -> str:
    """Return ``text`` if a CRL can be fetched there.

    Raises:
        InvalidAddress: see ``accepted_url``.
    """
    return accepted_url(text, example="http://crl.bank.example/ca.crl")


def accepted_url(text: str, *, example: str = "http://ca.bank.example/ca.cer") -> str:
    """Return ``text`` if something can be fetched there.

    Raises:
        InvalidAddress: it is not http or https, has a user's name or password in it, or is no address.
    """
    hint = f"give it like {example}"
    shown = text[:80]
    try:
        parts = urlsplit(text)
        port = parts.port  # raises where it is none
        usable = bool(_URL.fullmatch(text) and parts.hostname and port != 0 and len(text) <= MAX_URL)
    except ValueError:
        usable, parts = False, urlsplit("")
    if not usable:
        raise InvalidAddress(f"{shown!r} is not an http or https address", hint=hint)
    if "@" in parts.netloc:
        raise InvalidAddress("an address with a name or password in it is not taken", hint=hint)
    if parts.fragment:
        raise InvalidAddress(f"{shown!r} has a fragment, which is never sent", hint=hint)
    return text


def with_crls(
    introduced: Introduction,
    brought: Sequence[x509.Certificate],
    *,
    urls: Iterable[str] = (),
    stale: StalePolicy = StalePolicy.REFUSE,
) -> Introduction:
    """The introduction with the addresses of its CAs' CRLs: those that are given, and those in the certificates.

    Args:
        introduced: what the partner is known by.
        brought: everything that it handed over: its own certificate or its CA first.
        urls: given by hand.
        stale: what becomes of its clients while a CRL is stale.

    Raises:
        InvalidAddress: a CRL cannot be fetched there.
        InvalidCredential: there are too many, or none of the CAs came along that could have signed such a CRL.
    """
    given = [accepted_crl_url(url) for url in urls]
    issuers = _issuers(introduced, brought)
    if given and not issuers:
        raise InvalidCredential(
            "a CRL is of the CA that signed the certificate, and that CA is not in the file",
            hint="put the CA's certificate behind it: cat bank.pem bank-ca.pem > both.pem",
        )
    sources: dict[str, CrlSource] = {}
    for certificate, issuer in _links(brought):
        for url in _usable(distribution_points(certificate)):
            sources.setdefault(url, CrlSource(url, _keys([issuer]), stale))
    for url in given:
        sources.setdefault(url, CrlSource(url, _keys(issuers), stale))
    if len(sources) > MAX_CRLS:
        raise InvalidCredential(f"{len(sources)} addresses of CRLs are more than {MAX_CRLS}", hint="give fewer of them")
    if warnings := tuple(_unfetched(brought, sources)):
        introduced = replace(introduced, warnings=(*introduced.warnings, *warnings))
    if not sources:
        return introduced
    signers = {key for source in sources.values() for key in source.authorities}
    return replace(
        introduced,
        certificates=(*introduced.certificates, *_missing(introduced, issuers, signers)),
        crls=tuple(sources.values()),
    )


def _issuers(introduced: Introduction, brought: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """The CAs whose CRLs may be given by hand, first the one that the credential is pinned to, or that signed it."""
    if introduced.credential.kind is CredentialKind.SUBJECT:
        return [each for each in brought if may_sign(each)]
    leaf, *above = brought
    own = [each for each in above if issued_by(leaf, each)]
    return [*own, *(each for each in above if may_sign(each) and each not in own)] if own else []


def _links(brought: Sequence[x509.Certificate]) -> Iterable[tuple[x509.Certificate, x509.Certificate]]:
    for certificate in brought:
        for issuer in brought:
            if certificate.subject != certificate.issuer and issued_by(certificate, issuer):
                yield certificate, issuer


def _unfetched(brought: Sequence[x509.Certificate], sources: Container[str]) -> Iterable[str]:
    """What the certificates name in vain: without its CA nobody could tell a CRL from a forged one."""
    issued = (each for each in brought if each.subject != each.issuer)
    named = (url for certificate in issued for url in _usable(distribution_points(certificate)))
    for url in list(dict.fromkeys(named))[:MAX_CRLS]:
        if url not in sources:
            yield f"the CRL {url} is not fetched, for the CA that signed the certificate is not in the file"


def _usable(addresses: Iterable[str]) -> Iterable[str]:
    for address in addresses:
        try:
            yield accepted_crl_url(address)
        except InvalidAddress:
            continue  # ldap, mostly


def _missing(
    introduced: Introduction, issuers: Iterable[x509.Certificate], signers: set[str]
) -> Iterable[PartnerCertificate]:
    """CAs that sign CRLs and that the credential itself has no use for: roots above a pinned certificate."""
    there = {each.der for each in introduced.certificates}
    for each in issuers:
        if write_der(each) not in there and not signers.isdisjoint(_keys([each])):
            yield PartnerCertificate(Role.CRL_ISSUER, write_der(each))


def _keys(issuers: Iterable[x509.Certificate]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(spki_s256(accepted_public_key(each.public_key())) for each in issuers))

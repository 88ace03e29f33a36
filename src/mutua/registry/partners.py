"""What a partner hands over, as a credential: its certificate, its key, or its CA and one name."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from mutua.errors import InvalidCredential, UnreadableKey
from mutua.pki.certificates import issued_by, may_sign, write_der
from mutua.pki.keys import accepted_public_key
from mutua.registry.credentials import Credential, CrlSource, Form, PartnerCertificate, Role

MAX_BROUGHT = 16
"""Certificates that come with one credential; chains of real partners have four."""

_MEMO = "look: mutua cert inspect FILE"


@dataclass(frozen=True, slots=True)
class Introduction:
    """A credential and the certificates that come with it.

    Attributes:
        credential: what the client will be known by.
        certificates: what handshakes with it need.
        warnings: what whoever registers it should know, one line each.
        crls: where the CRLs of its CAs are; see ``mutua.registry.foreign_crls``.
    """

    credential: Credential
    certificates: tuple[PartnerCertificate, ...] = ()
    warnings: tuple[str, ...] = ()
    crls: tuple[CrlSource, ...] = ()


def by_certificate(certificates: Sequence[x509.Certificate], *, now: datetime) -> Introduction:
    """Know a client by exactly one certificate, self-signed or a stranger's.

    Args:
        certificates: the client's own first, then CAs above it, if they came along.
        now: UTC.

    Raises:
        InvalidCredential: it cannot be used now, or its key is too weak.
    """
    leaf, *above = _accepted(certificates)
    _require_current(leaf, now)
    return Introduction(Credential.pin(leaf), _pinned(leaf, above), tuple(_oddities(leaf)))


def by_key(certificates: Sequence[x509.Certificate]) -> Introduction:
    """Know a client by its key, whatever certificate it has for it.

    Raises:
        InvalidCredential: the key is too weak.
    """
    leaf, *above = _accepted(certificates)
    key = accepted_public_key(leaf.public_key())
    return Introduction(Credential.pinned_key(key), _pinned(leaf, above), tuple(_oddities(leaf)))


def by_subject(certificates: Sequence[x509.Certificate], form: Form, text: str, *, now: datetime) -> Introduction:
    """Know a client by one name in a certificate from a CA, which is known by its key (RFC 8705 section 2.1).

    Args:
        certificates: the CA first, then CAs below it that its certificates come from, if they came along.
        form: of the name.
        text: the name.
        now: UTC.

    Raises:
        InvalidCredential: the first is no CA, or cannot be used now. InvalidDistinguishedName: the name is none.
    """
    anchor, *below = _accepted(certificates)
    if not may_sign(anchor):
        raise InvalidCredential("the certificate is not a CA's", hint=f"{_MEMO}; --cert pins one certificate")
    _require_current(anchor, now)
    credential = Credential.subject(accepted_public_key(anchor.public_key()), form, text)
    between = [PartnerCertificate(Role.INTERMEDIATE, write_der(each)) for each in below if may_sign(each)]
    return Introduction(credential, (PartnerCertificate(Role.ANCHOR, write_der(anchor)), *between))


def _accepted(certificates: Sequence[x509.Certificate]) -> Sequence[x509.Certificate]:
    if not 1 <= len(certificates) <= MAX_BROUGHT:
        raise InvalidCredential(f"{len(certificates)} certificates are not 1 to {MAX_BROUGHT}", hint=_MEMO)
    for each in certificates:
        try:
            accepted_public_key(each.public_key())
        except UnreadableKey as error:
            raise InvalidCredential(f"the key of a certificate is not accepted: {error.message}", hint=_MEMO) from None
    return certificates


def _require_current(certificate: x509.Certificate, now: datetime) -> None:
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise InvalidCredential(
            f"the certificate is good from {certificate.not_valid_before_utc:%Y-%m-%d} to "
            f"{certificate.not_valid_after_utc:%Y-%m-%d}, and not now",
            hint="ask the partner for the one it uses",
        )


def _pinned(leaf: x509.Certificate, above: Sequence[x509.Certificate]) -> tuple[PartnerCertificate, ...]:
    brought = [PartnerCertificate(Role.LEAF, write_der(leaf))]
    below = leaf
    for each in above:
        if issued_by(below, each) and each.subject != each.issuer:
            brought.append(PartnerCertificate(Role.INTERMEDIATE, write_der(each)))
            below = each
    return tuple(brought)


def _oddities(leaf: x509.Certificate) -> list[str]:
    if may_sign(leaf):
        return ["it is a CA's certificate: whatever it signs passes the handshake, and only itself is known"]
    return []

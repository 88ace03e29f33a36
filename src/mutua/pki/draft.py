"""A draft: everything a certificate will say, but for the signature."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import NamedTuple

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from mutua.pki.certificates import authority_key_identifier
from mutua.pki.keys import PrivateKey, PublicKey, signature_hash
from mutua.pki.names import Name
from mutua.pki.profiles import Profile

MAX_COMMON_NAME = 64
"""ub-common-name of RFC 5280 appendix A.1; counted in bytes of UTF-8, as cryptography does."""


@dataclass(frozen=True, slots=True)
class Pointers:
    """Where a certificate's state and its issuer's certificate are found (RFC 5280 sections 4.2.1.13 and 4.2.2.1).

    Attributes:
        crl: the URL of the CRL that covers the certificate.
        issuer: the URL of the issuer's certificate, in DER.
        ocsp: the URL of the OCSP responder, or ``None`` for a responder's own certificate.
    """

    crl: str
    issuer: str
    ocsp: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """How far a CA's word goes.

    Attributes:
        path_length: how many CAs may follow below it; ``None`` for no limit.
        purposes: the only ExtendedKeyUsages below it; none for any.
        permitted, excluded: its NameConstraints (RFC 5280 section 4.2.1.10); none for any name.
    """

    path_length: int | None
    purposes: tuple[x509.ObjectIdentifier, ...] = ()
    permitted: tuple[x509.GeneralName, ...] = ()
    excluded: tuple[x509.GeneralName, ...] = ()


class Draft(NamedTuple):
    """A certificate before its signature: decided by ``mutua.ca``, signed where the key is.

    Attributes:
        profile: decides key usage, purpose and basic constraints.
        subject: the distinguished name.
        names: the SubjectAltName entries, in order; a CA has none.
        public_key: the key to certify.
        issuer: the CA that will sign; ``None`` for a self-signed root.
        serial: of 128 bits; see ``mutua.pki.randomness``.
        not_before, not_after: UTC, whole seconds.
        constraints: of a CA; ``None`` for the end of a chain.
        pointers: where its state is published, if it is.
    """

    profile: Profile
    subject: x509.Name
    names: tuple[Name, ...]
    public_key: PublicKey
    issuer: x509.Certificate | None
    serial: int
    not_before: datetime
    not_after: datetime
    constraints: Constraints | None = None
    pointers: Pointers | None = None

    def sign(self, key: PrivateKey) -> x509.Certificate:
        """Sign the draft.

        Args:
            key: the issuer's private key, or for a root the subject's own.
        """
        builder = x509.CertificateBuilder(
            issuer_name=self.issuer.subject if self.issuer else self.subject,
            subject_name=self.subject,
            public_key=self.public_key,
            serial_number=self.serial,
            not_valid_before=self.not_before,
            not_valid_after=self.not_after,
            # Given whole: add_extension copies the builder each time, a tenth of what an issuance costs.
            extensions=self._extensions(),
        )
        return builder.sign(key, signature_hash(key))

    def _extensions(self) -> list[x509.Extension[x509.ExtensionType]]:
        extensions = list(_usual(self.profile) if self.constraints is None else _of_ca(self.constraints))
        extensions.append(_extension(x509.SubjectKeyIdentifier.from_public_key(self.public_key)))
        extensions.append(
            _issued_by(self.issuer)
            if self.issuer
            else _extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.public_key))
        )
        if self.names:
            # Critical exactly when the subject is empty: RFC 5280 section 4.2.1.6.
            alternatives = x509.SubjectAlternativeName([name.general_name() for name in self.names])
            extensions.append(_extension(alternatives, critical=not self.subject.rdns))
        if self.pointers is not None:
            extensions.extend(_published(self.pointers, crl=not self.profile.no_check))
        return extensions


def distinguished_name(*, common_name: str = "", organization: str = "") -> x509.Name:
    """A subject of O and CN; a common name over 64 bytes is left out, the SubjectAltName carries it."""
    attributes = []
    if organization:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    if common_name and len(common_name.encode()) <= MAX_COMMON_NAME:
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    return x509.Name(attributes)


@lru_cache(maxsize=64)
def _issued_by(issuer: x509.Certificate) -> x509.Extension[x509.ExtensionType]:
    return _extension(authority_key_identifier(issuer))


@cache
def _usual(profile: Profile) -> tuple[x509.Extension[x509.ExtensionType], ...]:
    """What every certificate of a profile says."""
    extensions = [
        _extension(x509.BasicConstraints(ca=False, path_length=None), critical=True),
        _extension(_key_usage(is_ca=False), critical=True),
    ]
    if profile.purpose is not None:
        extensions.append(_extension(x509.ExtendedKeyUsage([profile.purpose])))
    if profile.no_check:
        extensions.append(_extension(x509.OCSPNoCheck()))
    return tuple(extensions)


def _of_ca(constraints: Constraints) -> Iterable[x509.Extension[x509.ExtensionType]]:
    yield _extension(x509.BasicConstraints(ca=True, path_length=constraints.path_length), critical=True)
    yield _extension(_key_usage(is_ca=True), critical=True)
    if constraints.purposes:
        yield _extension(x509.ExtendedKeyUsage(constraints.purposes))
    if constraints.permitted or constraints.excluded:
        names = x509.NameConstraints(constraints.permitted or None, constraints.excluded or None)
        yield _extension(names, critical=True)


@lru_cache(maxsize=1024)
def _published(pointers: Pointers, *, crl: bool) -> tuple[x509.Extension[x509.ExtensionType], ...]:
    accesses = [(AuthorityInformationAccessOID.CA_ISSUERS, pointers.issuer)]
    if pointers.ocsp is not None:
        accesses.insert(0, (AuthorityInformationAccessOID.OCSP, pointers.ocsp))
    descriptions = [x509.AccessDescription(method, x509.UniformResourceIdentifier(url)) for method, url in accesses]
    found = _extension(x509.AuthorityInformationAccess(descriptions))
    if not crl:
        return (found,)
    point = x509.DistributionPoint([x509.UniformResourceIdentifier(pointers.crl)], None, None, None)
    return _extension(x509.CRLDistributionPoints([point])), found


def _extension(value: x509.ExtensionType, *, critical: bool = False) -> x509.Extension[x509.ExtensionType]:
    return x509.Extension(value.oid, critical, value)


def _key_usage(*, is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )

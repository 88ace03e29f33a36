"""A draft: everything a certificate will say, but for the signature."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

from mutua.pki.keys import PrivateKey, PublicKey, signature_hash
from mutua.pki.names import Name
from mutua.pki.profiles import Profile

MAX_COMMON_NAME = 64
"""ub-common-name of RFC 5280 appendix A.1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A certificate before its signature: decided by ``mutua.ca``, signed where the key is.

    Attributes:
        profile: decides key usage, purpose and basic constraints.
        subject: the distinguished name.
        names: the SubjectAltName entries, in order; a CA has none.
        public_key: the key to certify.
        issuer: the CA that will sign; ``None`` for a self-signed root.
        serial: 128 random bits.
        not_before, not_after: UTC, whole seconds.
    """

    profile: Profile
    subject: x509.Name
    names: tuple[Name, ...]
    public_key: PublicKey
    issuer: x509.Certificate | None
    serial: int
    not_before: datetime
    not_after: datetime

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
        )
        for extension, critical in self._extensions():
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(key, signature_hash(key))

    def _extensions(self) -> Iterable[tuple[x509.ExtensionType, bool]]:
        profile = self.profile
        yield x509.BasicConstraints(ca=profile.is_ca, path_length=profile.path_length), True
        yield _key_usage(is_ca=profile.is_ca), True
        if profile.purpose is not None:
            yield x509.ExtendedKeyUsage([profile.purpose]), False
        yield x509.SubjectKeyIdentifier.from_public_key(self.public_key), False
        yield self._authority_key_identifier(), False
        if self.names:
            # Critical exactly when the subject is empty: RFC 5280 section 4.2.1.6.
            alternatives = x509.SubjectAlternativeName([name.general_name() for name in self.names])
            yield alternatives, not list(self.subject)

    def _authority_key_identifier(self) -> x509.AuthorityKeyIdentifier:
        if self.issuer is None:
            return x509.AuthorityKeyIdentifier.from_issuer_public_key(self.public_key)
        identifier = self.issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def distinguished_name(*, common_name: str = "", organization: str = "") -> x509.Name:
    """A subject of O and CN; a common name over 64 characters is left out, the SubjectAltName carries it."""
    attributes = []
    if organization:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    if common_name and len(common_name) <= MAX_COMMON_NAME:
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    return x509.Name(attributes)


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

"""Reading and writing certificates: PEM, DER and bundles of them."""

import re
from collections.abc import Iterable
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from mutua.errors import UnreadableCertificate
from mutua.pki.der import is_der
from mutua.pki.foreign import MALFORMED, parsing
from mutua.pki.keys import accepted_public_key
from mutua.pki.names import Name, name_of

MAX_CERTIFICATE_BYTES = 100 * 1024
"""OpenSSL's default limit for a whole certificate chain in a handshake (SSL_CTX_set_max_cert_list)."""

MAX_BUNDLE_BYTES = 4 * 1024 * 1024
"""The Mozilla bundle, the largest in common use, takes under 250 KiB."""

_PEM_CERTIFICATE = re.compile(rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----")
_HINT = "give X.509 certificates in PEM or DER"


def read_certificate(data: bytes) -> x509.Certificate:
    """Read exactly one certificate, PEM or DER.

    Raises:
        UnreadableCertificate: none, more than one, or not readable.
    """
    certificates = read_certificates(data)
    if len(certificates) != 1:
        raise UnreadableCertificate(f"expected one certificate and found {len(certificates)}", hint=_HINT)
    return certificates[0]


def read_certificates(data: bytes) -> tuple[x509.Certificate, ...]:
    """Read every certificate of a PEM bundle, in order, or the one of a DER file.

    Text around the PEM blocks and blocks of other kinds, such as keys, are passed over.

    Args:
        data: the file's bytes, at most 4 MiB.

    Raises:
        UnreadableCertificate: too large, nothing found, or one of them is not readable.
    """
    if len(data) > MAX_BUNDLE_BYTES:
        raise UnreadableCertificate(f"{len(data)} bytes are too many for a bundle", hint=_HINT)
    try:
        with parsing(UnreadableCertificate("not a readable certificate", hint=_HINT)):
            if not is_der(data) and _PEM_CERTIFICATE.search(data):
                certificates = x509.load_pem_x509_certificates(data)
            elif not is_der(data) and b"-----BEGIN" in data:
                raise UnreadableCertificate("there is no certificate in this PEM file", hint=_HINT)
            else:
                certificates = [x509.load_der_x509_certificate(data)]
            for certificate in certificates:
                _read_every_part(certificate)
    except MALFORMED as error:
        raise UnreadableCertificate(f"not a readable certificate: {str(error)[:120]}", hint=_HINT) from None
    return tuple(certificates)


def write_pem(certificates: Iterable[x509.Certificate]) -> bytes:
    """The certificates as one PEM bundle, in the order given."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def write_der(certificate: x509.Certificate) -> bytes:
    """The certificate's DER."""
    return certificate.public_bytes(Encoding.DER)


def names_of(certificate: x509.Certificate) -> tuple[Name, ...]:
    """The names in the SubjectAltName that mutua works with; kinds it does not use are left out."""
    try:
        entries = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(name for entry in entries if (name := name_of(entry)) is not None)


def common_name(name: x509.Name) -> str:
    """The last common name, or the whole name in RFC 4514 form where there is none."""
    values = name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(values[-1].value) if values else name.rfc4514_string()


def purposes(certificate: x509.Certificate) -> frozenset[x509.ObjectIdentifier]:
    """The ExtendedKeyUsage; empty where the extension is absent, which leaves every purpose open."""
    try:
        return frozenset(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return frozenset()


def is_ca(certificate: x509.Certificate) -> bool:
    """Whether BasicConstraints makes it a CA."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def may_sign(certificate: x509.Certificate) -> bool:
    """Whether it is a CA that may sign certificates: CA:TRUE, and keyCertSign where it has a KeyUsage at all."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return is_ca(certificate)
    return is_ca(certificate) and usage.key_cert_sign


@lru_cache(maxsize=64)
def authority_key_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """What a certificate or CRL says of its issuer's key: the issuer's own identifier, or one made from its key.

    A CA that somebody else made may carry none (RFC 5280 section 4.2.1.2 wants one in every CA certificate).
    """
    try:
        identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(accepted_public_key(issuer.public_key()))
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether ``issuer``'s name and key match the certificate's issuer and signature."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _read_every_part(certificate: x509.Certificate) -> None:
    """Parse now what cryptography parses on first use, so that nothing read later can raise."""
    try:
        certificate.public_key()
    except UnsupportedAlgorithm:
        raise UnreadableCertificate("its public key is of an unknown kind", hint=_HINT) from None
    _ = certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string(), certificate.serial_number
    _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc, certificate.extensions

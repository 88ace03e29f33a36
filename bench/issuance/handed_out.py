"""What was handed out is looked at when the clock has stopped: nobody is quick by doing less."""

from collections.abc import Sequence

from cryptography import x509

from bench.issuance.issuer import BASIC_CONSTRAINTS, EXTENDED_KEY_USAGE, LIFETIME, extension, key_usage

_EXPECTED = {
    value.oid: extension(value, critical=critical)
    for value, critical in ((BASIC_CONSTRAINTS, True), (key_usage(), True), (EXTENDED_KEY_USAGE, False))
}
_OF_ITS_OWN = {
    x509.SubjectAlternativeName.oid,
    x509.SubjectKeyIdentifier.oid,
    x509.AuthorityKeyIdentifier.oid,
}


class WronglyIssued(Exception):
    """A certificate is not what its request asked for."""


def check(issued: Sequence[bytes], csrs: Sequence[bytes], issuer: x509.Certificate) -> None:
    """Hold each certificate against its request and its issuer.

    Raises:
        WronglyIssued: one is missing, says less or other than asked, repeats a serial, or is not signed by the issuer.
    """
    if len(issued) != len(csrs):
        raise WronglyIssued(f"{len(csrs)} requests, {len(issued)} certificates")
    certificates = [x509.load_pem_x509_certificate(pem) for pem in issued]
    if len({certificate.serial_number for certificate in certificates}) != len(certificates):
        raise WronglyIssued("a serial number repeats")
    for certificate, csr in zip(certificates, map(x509.load_pem_x509_csr, csrs), strict=True):
        certificate.verify_directly_issued_by(issuer)
        _check_content(certificate, csr)


def _check_content(certificate: x509.Certificate, csr: x509.CertificateSigningRequest) -> None:
    extensions = certificate.extensions
    if {found.oid for found in extensions} != _EXPECTED.keys() | _OF_ITS_OWN:
        raise WronglyIssued(f"{certificate.subject.rfc4514_string()} has other extensions")
    for oid, expected in _EXPECTED.items():
        if extensions.get_extension_for_oid(oid) != expected:
            raise WronglyIssued(f"{certificate.subject.rfc4514_string()} has another {type(expected.value).__name__}")
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    if names != csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value:
        raise WronglyIssued(f"{certificate.subject.rfc4514_string()} has other names than were asked for")
    if certificate.subject != csr.subject or certificate.public_key() != csr.public_key():
        raise WronglyIssued(f"{certificate.subject.rfc4514_string()} is not of the request's subject or key")
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    if abs((lifetime - LIFETIME).total_seconds()) > 3600:
        raise WronglyIssued(f"{certificate.subject.rfc4514_string()} lives {lifetime}")

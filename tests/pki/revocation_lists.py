"""CRLs as partners' CAs publish them, and as none should."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from tests.pki.hierarchy import NOW, Authority

Extension = tuple[x509.ExtensionType, bool]


def crl(
    issuer: Authority,
    serials: Iterable[int] = (),
    *,
    number: int | None = 1,
    this_update: datetime = NOW - timedelta(hours=1),
    life: timedelta = timedelta(days=1),
    extensions: Sequence[Extension] = (),
    entry_extensions: Sequence[Extension] = (),
    name: x509.Name | None = None,
    encoding: Encoding = Encoding.DER,
) -> bytes:
    """A CRL of an issuer."""
    builder = x509.CertificateRevocationListBuilder(name or issuer.certificate.subject, this_update, this_update + life)
    if number is not None:
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    for serial in serials:
        entry = x509.RevokedCertificateBuilder(serial, this_update)
        for value, critical in entry_extensions:
            entry = entry.add_extension(value, critical)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(encoding)


def scope(
    *places: str, users: bool = False, cas: bool = False, indirect: bool = False, some_reasons: bool = False
) -> Extension:
    """An IssuingDistributionPoint (RFC 5280 section 5.2.5)."""
    point = x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier(place) for place in places] or None,
        relative_name=None,
        only_contains_user_certs=users,
        only_contains_ca_certs=cas,
        only_some_reasons=frozenset({x509.ReasonFlags.key_compromise}) if some_reasons else None,
        indirect_crl=indirect,
        only_contains_attribute_certs=False,
    )
    return point, True


def points(*urls: str) -> x509.CRLDistributionPoints:
    """What a certificate says of where its CRL is."""
    names = [x509.UniformResourceIdentifier(url) for url in urls]
    return x509.CRLDistributionPoints([x509.DistributionPoint(names, None, None, None)])


def with_points(certificate: x509.Certificate, issuer: Authority, *urls: str) -> x509.Certificate:
    """The same certificate, from the same CA, naming these addresses."""
    builder = x509.CertificateBuilder(
        issuer.certificate.subject,
        certificate.subject,
        certificate.public_key(),
        certificate.serial_number,
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
    )
    for each in certificate.extensions:
        builder = builder.add_extension(each.value, each.critical)
    return builder.add_extension(points(*urls), critical=False).sign(issuer.key, hashes.SHA256())

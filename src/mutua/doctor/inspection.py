"""Inspection: what is in a file, said as a mapping with stable keys, for a person and for a program alike.

Texts are as their maker wrote them: whoever shows them escapes them.
"""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AuthorityInformationAccessOID

from mutua.doctor.extensions import (
    access_urls,
    constrained_names,
    crl_urls,
    extension_of,
    key_identifiers,
    key_usages_in,
    names_in,
    other_extensions,
    purposes_in,
    scope_urls,
    signature_in,
)
from mutua.errors import UnreadableContents
from mutua.pki.certificates import is_ca
from mutua.pki.chains import leaf_of
from mutua.pki.contents import (
    CertificateContent,
    Content,
    CrlContent,
    Pkcs7Content,
    Pkcs12Content,
    PrivateKeyContent,
    PublicKeyContent,
    RequestContent,
    UnknownContent,
)
from mutua.pki.dn import DistinguishedName
from mutua.pki.keys import PublicKey, describe_key
from mutua.pki.thumbprints import base64url, x5t_s256

Description = dict[str, object]
"""What there is to say of one thing; its ``kind`` decides which keys it has."""


def inspect(contents: tuple[Content, ...], now: datetime) -> list[Description]:
    """Describe everything in a file, in its order.

    Args:
        contents: what ``read_contents`` found.
        now: UTC; decides what is past.

    Returns:
        Mappings of texts, numbers, booleans, datetimes, and lists of them. A private key names the certificate of the
        same file that it belongs to.
    """
    owners = {_spki_s256(each.public_key()): x5t_s256(each) for each in _certificates(contents)}
    return [_describe(each, now, owners) for each in contents]


def subject_of(contents: tuple[Content, ...]) -> DistinguishedName:
    """The subject of the leaf among the certificates of a file; where it has none, that of its request.

    Raises:
        UnreadableContents: there is neither.
    """
    if certificates := tuple(_certificates(contents)):
        return DistinguishedName.of(leaf_of(certificates).subject)
    request = next((each.request for each in contents if isinstance(each, RequestContent)), None)
    if request is None:
        raise UnreadableContents("there is no certificate and no request in it", hint="give a file that has a subject")
    return DistinguishedName.of(request.subject)


def describe_certificate(certificate: x509.Certificate, now: datetime) -> Description:
    """Everything mutua looks at in a certificate."""
    constraints = extension_of(certificate, x509.BasicConstraints)
    return {
        "kind": "certificate",
        "subject": str(DistinguishedName.of(certificate.subject)),
        "names": names_in(certificate),
        "purposes": purposes_in(certificate),
        "key_usage": key_usages_in(certificate),
        "is_ca": is_ca(certificate),
        "path_length": constraints.path_length if constraints else None,
        **constrained_names(certificate),
        "key": _key_kind(certificate.public_key()),
        "signature": signature_in(certificate),
        "issuer": str(DistinguishedName.of(certificate.issuer)),
        "self_issued": certificate.subject == certificate.issuer,
        "serial": f"{certificate.serial_number:032x}",
        "not_before": certificate.not_valid_before_utc,
        "not_after": certificate.not_valid_after_utc,
        "state": _state(certificate.not_valid_before_utc, certificate.not_valid_after_utc, now),
        "thumbprint": x5t_s256(certificate),
        "spki": _spki_s256(certificate.public_key()),
        **key_identifiers(certificate),
        "crl_urls": crl_urls(certificate),
        "ca_issuer_urls": access_urls(certificate, AuthorityInformationAccessOID.CA_ISSUERS),
        "ocsp_urls": access_urls(certificate, AuthorityInformationAccessOID.OCSP),
        "other_extensions": other_extensions(certificate),
    }


def _describe(content: Content, now: datetime, owners: Mapping[str, str]) -> Description:
    match content:
        case CertificateContent():
            return {
                **describe_certificate(content.certificate, now),
                "friendly_name": content.friendly_name or None,
            }
        case RequestContent():
            return _describe_request(content)
        case CrlContent():
            return _describe_crl(content, now)
        case PrivateKeyContent():
            spki = _spki_s256(content.key.public_key())
            return {
                "kind": "private_key",
                "key": _key_kind(content.key.public_key()),
                "spki": spki,
                "encrypted": content.encrypted,
                "belongs_to": owners.get(spki),
                "friendly_name": content.friendly_name or None,
            }
        case PublicKeyContent():
            spki = _spki_s256(content.key)
            return {"kind": "public_key", "key": _key_kind(content.key), "spki": spki, "belongs_to": owners.get(spki)}
        case Pkcs12Content():
            return {"kind": "pkcs12", "contents": [_describe(each, now, owners) for each in content.contents]}
        case Pkcs7Content():
            certificates = [describe_certificate(each, now) for each in content.certificates]
            return {"kind": "pkcs7", "contents": certificates}
        case UnknownContent():
            return {"kind": "unknown", "label": content.label}


def _describe_request(content: RequestContent) -> Description:
    request = content.request
    constraints = extension_of(request, x509.BasicConstraints)
    return {
        "kind": "request",
        "subject": str(DistinguishedName.of(request.subject)),
        "names": names_in(request),
        "purposes": purposes_in(request),
        "key_usage": key_usages_in(request),
        "is_ca": bool(constraints and constraints.ca),
        "key": _key_kind(request.public_key()),
        "spki": _spki_s256(request.public_key()),
        "signature": signature_in(request),
        "signature_verifies": content.verifies,
        "other_extensions": other_extensions(request),
    }


def _describe_crl(content: CrlContent, now: datetime) -> Description:
    crl = content.crl
    number = extension_of(crl, x509.CRLNumber)
    delta = extension_of(crl, x509.DeltaCRLIndicator)
    return {
        "kind": "crl",
        "issuer": str(DistinguishedName.of(crl.issuer)),
        "number": number.crl_number if number else None,
        "delta_of": delta.crl_number if delta else None,
        "this_update": crl.last_update_utc,
        "next_update": crl.next_update_utc,
        "state": _state(crl.last_update_utc, crl.next_update_utc, now),
        "revoked": content.count,
        "signature": signature_in(crl),
        "scope_urls": scope_urls(crl),
        "authority_key_identifier": key_identifiers(crl)["authority_key_identifier"],
        "other_extensions": other_extensions(crl),
    }


def _certificates(contents: tuple[Content, ...]) -> Iterator[x509.Certificate]:
    for content in contents:
        match content:
            case CertificateContent():
                yield content.certificate
            case Pkcs12Content():
                yield from _certificates(content.contents)
            case Pkcs7Content():
                yield from content.certificates


def _key_kind(key: object) -> str:
    if isinstance(key, PublicKey):
        return describe_key(key)
    return type(key).__name__.removesuffix("PublicKey").lstrip("_") or "unknown"


def _spki_s256(key: CertificatePublicKeyTypes) -> str:
    """As ``spki_s256``, for a key of any kind."""
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64url(hashlib.sha256(der).digest())


def _state(start: datetime, end: datetime | None, now: datetime) -> str:
    if now < start:
        return "not_yet_valid"
    return "expired" if end is not None and now > end else "valid"

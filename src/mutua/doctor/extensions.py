"""Extensions of certificates, requests and CRLs as texts (RFC 5280 sections 4.2 and 5.2)."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, ObjectIdentifier, SignatureAlgorithmOID

from mutua.pki.dn import DistinguishedName
from mutua.pki.names import name_of

Extended = x509.Certificate | x509.CertificateSigningRequest | x509.CertificateRevocationList
E = TypeVar("E", bound=x509.ExtensionType)

PURPOSES = {
    ExtendedKeyUsageOID.SERVER_AUTH: "server_auth",
    ExtendedKeyUsageOID.CLIENT_AUTH: "client_auth",
    ExtendedKeyUsageOID.CODE_SIGNING: "code_signing",
    ExtendedKeyUsageOID.EMAIL_PROTECTION: "email_protection",
    ExtendedKeyUsageOID.TIME_STAMPING: "time_stamping",
    ExtendedKeyUsageOID.OCSP_SIGNING: "ocsp_signing",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "any",
}

SIGNATURES = {
    SignatureAlgorithmOID.RSA_WITH_MD5: "RSA with MD5",
    SignatureAlgorithmOID.RSA_WITH_SHA1: "RSA with SHA-1",
    SignatureAlgorithmOID.RSA_WITH_SHA256: "RSA with SHA-256",
    SignatureAlgorithmOID.RSA_WITH_SHA384: "RSA with SHA-384",
    SignatureAlgorithmOID.RSA_WITH_SHA512: "RSA with SHA-512",
    SignatureAlgorithmOID.RSASSA_PSS: "RSA-PSS",
    SignatureAlgorithmOID.ECDSA_WITH_SHA1: "ECDSA with SHA-1",
    SignatureAlgorithmOID.ECDSA_WITH_SHA256: "ECDSA with SHA-256",
    SignatureAlgorithmOID.ECDSA_WITH_SHA384: "ECDSA with SHA-384",
    SignatureAlgorithmOID.ECDSA_WITH_SHA512: "ECDSA with SHA-512",
    SignatureAlgorithmOID.ED25519: "Ed25519",
}

_KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)
_TOLD = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.AUTHORITY_INFORMATION_ACCESS,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.CRL_NUMBER,
        ExtensionOID.DELTA_CRL_INDICATOR,
        ExtensionOID.ISSUING_DISTRIBUTION_POINT,
    }
)


def extension_of(source: Extended, kind: type[E]) -> E | None:
    """The value of an extension, or ``None`` where there is none."""
    try:
        return source.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def names_in(source: Extended) -> list[str]:
    """The SubjectAltName, in order."""
    return [text_of(each) for each in extension_of(source, x509.SubjectAlternativeName) or ()]


def purposes_in(source: Extended) -> list[str]:
    """The ExtendedKeyUsage, such as ``client_auth``; dotted identifiers for those we have no word for."""
    return [PURPOSES.get(each, each.dotted_string) for each in extension_of(source, x509.ExtendedKeyUsage) or ()]


def key_usages_in(source: Extended) -> list[str]:
    """The KeyUsage, such as ``digital_signature``."""
    usage = extension_of(source, x509.KeyUsage)
    return [each for each in _KEY_USAGES if getattr(usage, each)] if usage else []


def constrained_names(source: Extended) -> dict[str, list[str]]:
    """The NameConstraints: which names a CA may certify, and which it may not."""
    constraints = extension_of(source, x509.NameConstraints)
    return {
        "permitted_names": _texts(constraints.permitted_subtrees if constraints else None),
        "excluded_names": _texts(constraints.excluded_subtrees if constraints else None),
    }


def crl_urls(source: Extended) -> list[str]:
    """Where its CRL is (CRLDistributionPoints)."""
    points = extension_of(source, x509.CRLDistributionPoints) or ()
    return [text for point in points for text in _texts(point.full_name)]


def access_urls(source: Extended, method: ObjectIdentifier) -> list[str]:
    """Where its issuer's certificate or OCSP responder is (AuthorityInformationAccess)."""
    descriptions = extension_of(source, x509.AuthorityInformationAccess) or ()
    return [text_of(each.access_location) for each in descriptions if each.access_method == method]


def scope_urls(source: Extended) -> list[str]:
    """Which distribution points a CRL stands for (IssuingDistributionPoint); none when it covers all."""
    point = extension_of(source, x509.IssuingDistributionPoint)
    return _texts(point.full_name if point else None)


def key_identifiers(source: Extended) -> dict[str, str | None]:
    """The SubjectKeyIdentifier and the AuthorityKeyIdentifier, in hex."""
    own = extension_of(source, x509.SubjectKeyIdentifier)
    issuer = extension_of(source, x509.AuthorityKeyIdentifier)
    above = issuer.key_identifier if issuer else None
    return {
        "subject_key_identifier": own.digest.hex() if own else None,
        "authority_key_identifier": above.hex() if above is not None else None,
    }


def other_extensions(source: Extended) -> list[dict[str, object]]:
    """Those that no other key tells of."""
    return list(_others(source))


def signature_in(source: Extended) -> str:
    """What it is signed with, such as ``ECDSA with SHA-256``."""
    return SIGNATURES.get(source.signature_algorithm_oid, source.signature_algorithm_oid.dotted_string)


def text_of(name: x509.GeneralName) -> str:
    """A GeneralName as text; kinds that mutua does not work with say which they are."""
    known = name_of(name)
    if known is not None:
        return str(known)
    match name:
        case x509.DirectoryName():
            return f"directory name {DistinguishedName.of(name.value)}"
        case x509.RegisteredID():
            return f"registered identifier {name.value.dotted_string}"
        case x509.OtherName():
            return f"other name {name.type_id.dotted_string}"
        case _:
            return str(name.value)


def _texts(names: Iterable[x509.GeneralName] | None) -> list[str]:
    return [text_of(each) for each in names or ()]


def _others(source: Extended) -> Iterator[dict[str, object]]:
    for extension in source.extensions:
        if extension.oid not in _TOLD:
            yield {"oid": extension.oid.dotted_string, "critical": extension.critical}

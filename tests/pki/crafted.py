"""Certificates of any kind, right and wrong: what a CA should make, and what no builder would."""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from mutua.errors import UnreadableCertificate
from mutua.pki.foreign import parsing
from mutua.pki.keys import MAX_RSA_EXPONENT_BITS, KeyType, PrivateKey, signature_hash
from mutua.pki.randomness import generate_key, new_serial

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)

SHA256_RSA = bytes.fromhex("2a864886f70d01010b")
SHA1_RSA = bytes.fromhex("2a864886f70d010105")
MD5_RSA = bytes.fromhex("2a864886f70d010104")

Crl = x509.CertificateRevocationList
Extensions = dict[type[x509.ExtensionType], tuple[x509.ExtensionType, bool] | None]

DNS, MAIL, URI, DIRECTORY = x509.DNSName, x509.RFC822Name, x509.UniformResourceIdentifier, x509.DirectoryName


def IP(text: str) -> x509.IPAddress:  # noqa: N802 -- beside the kinds of names above
    return x509.IPAddress(ipaddress.ip_network(text) if "/" in text else ipaddress.ip_address(text))


@dataclass(frozen=True)
class Made:
    """A certificate with its key."""

    key: PrivateKey
    certificate: x509.Certificate


@cache
def key_called(name: str, kind: KeyType = KeyType.P256) -> PrivateKey:
    """One key for each name."""
    return generate_key(kind)


def dn(text: str) -> x509.Name:
    """``C=BR/O=Acme/CN=woovi``, or a common name alone."""
    oids = {"CN": NameOID.COMMON_NAME, "O": NameOID.ORGANIZATION_NAME, "C": NameOID.COUNTRY_NAME,
            "E": NameOID.EMAIL_ADDRESS}  # fmt: skip
    pairs = [part.split("=") if "=" in part else ("CN", part) for part in text.split("/") if part]
    return x509.Name([x509.NameAttribute(oids[name], value) for name, value in pairs])


def usage(*names: str) -> x509.KeyUsage:
    every = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")  # fmt: skip
    return x509.KeyUsage(**{name: name in names for name in every})


def make(
    subject: str,
    issuer: Made | None = None,
    *,
    ca: bool = True,
    key: PrivateKey | None = None,
    path_length: int | None = None,
    names: Iterable[x509.GeneralName] = (),
    purposes: Iterable[x509.ObjectIdentifier] = (),
    start: datetime = NOW - DAY,
    end: datetime = NOW + 30 * DAY,
    serial: int | None = None,
    change: Extensions | None = None,
) -> Made:
    """A certificate as it should be, but for what is asked for; ``change`` replaces extensions, or leaves them out."""
    key = key or key_called(subject)
    signer = issuer.key if issuer else key
    above = issuer.certificate if issuer else None
    extensions: Extensions = {
        x509.BasicConstraints: (x509.BasicConstraints(ca=ca, path_length=path_length), True),
        x509.KeyUsage: (usage("key_cert_sign", "crl_sign") if ca else usage("digital_signature"), True),
        x509.SubjectKeyIdentifier: (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        x509.AuthorityKeyIdentifier: (
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
            False,
        ),
    }
    if names:
        extensions[x509.SubjectAlternativeName] = x509.SubjectAlternativeName(names), not subject
    if purposes:
        extensions[x509.ExtendedKeyUsage] = x509.ExtendedKeyUsage(purposes), False
    builder = x509.CertificateBuilder(
        above.subject if above else dn(subject), dn(subject), key.public_key(), serial or new_serial(), start, end
    )
    for value in {**extensions, **(change or {})}.values():
        if value is not None:
            builder = builder.add_extension(*value)
    return Made(key, builder.sign(signer, signature_hash(signer)))


def altered(made: Made, old: bytes, new: bytes, signer: PrivateKey, hash_: HashAlgorithm | None = None) -> Made:
    """The certificate with bytes replaced by as many others, and signed again: what no builder would make."""
    assert len(old) == len(new)
    inner, der = made.certificate.tbs_certificate_bytes, made.certificate.public_bytes(Encoding.DER)
    assert old in inner
    with parsing(UnreadableCertificate("never")):
        return Made(made.key, x509.load_der_x509_certificate(signed_again(der, inner, old, new, signer, hash_)))


def signed_again(
    der: bytes, inner: bytes, old: bytes, new: bytes, signer: PrivateKey, hash_: HashAlgorithm | None = None
) -> bytes:
    """A certificate or CRL with bytes of its inner part replaced; with another hash, in its algorithm as well."""
    rest = der[der.index(inner) + len(inner) :]
    algorithm, inner = rest[: 2 + rest[1]], inner.replace(old, new)
    if isinstance(signer, rsa.RSAPrivateKey):
        signature = signer.sign(inner, padding.PKCS1v15(), hash_ or SHA256())
        algorithm = algorithm.replace(old, new) if hash_ else algorithm
    else:
        assert isinstance(signer, ec.EllipticCurvePrivateKey)
        signature = signer.sign(inner, ec.ECDSA(SHA256()))
    return tlv(0x30, inner + algorithm + tlv(0x03, b"\0" + signature))


def tlv(tag: int, content: bytes) -> bytes:
    """An element of DER."""
    size = len(content).to_bytes(2).lstrip(b"\0") or b"\0"
    return bytes([tag]) + (size if size < b"\x80" and len(size) == 1 else bytes([0x80 + len(size)]) + size) + content


def constraints(permit: Sequence[x509.GeneralName] = (), exclude: Sequence[x509.GeneralName] = ()) -> Extensions:
    return {x509.NameConstraints: (x509.NameConstraints(permit or None, exclude or None), True)}


def rsa_key(name: str = "rsa") -> rsa.RSAPrivateKey:
    key = key_called(name, KeyType.RSA2048)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def by(issuer: Made) -> Extensions:
    """An AuthorityKeyIdentifier for the issuer's key, whoever signs."""
    value = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    return {x509.AuthorityKeyIdentifier: (value, False)}


def crl(
    issuer: Made,
    *revoked: Made,
    reason: x509.ReasonFlags | None = None,
    start: timedelta = -DAY,
    end: timedelta = DAY,
    extensions: Iterable[tuple[x509.ExtensionType, bool]] = (),
    of_entries: Iterable[tuple[x509.ExtensionType, bool]] = (),
    key: PrivateKey | None = None,
) -> Crl:
    builder = x509.CertificateRevocationListBuilder(issuer.certificate.subject, NOW + start, NOW + end)
    key = key or issuer.key
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    for value, critical in [(x509.CRLNumber(7), False), (identifier, False), *extensions]:
        builder = builder.add_extension(value, critical)
    for each in revoked:
        entry = x509.RevokedCertificateBuilder(each.certificate.serial_number, NOW - DAY)
        for value, critical in [*([(x509.CRLReason(reason), False)] if reason else []), *of_entries]:
            entry = entry.add_extension(value, critical)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(key, signature_hash(key))


def scope(**options: Any) -> tuple[x509.ExtensionType, bool]:
    url = options.pop("url", None)
    plain = {
        "full_name": [URI(url)] if url else None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**{**plain, **options}), True


def at(url: str) -> Extensions:
    point = x509.DistributionPoint([URI(url)], None, None, None)
    return {x509.CRLDistributionPoints: (x509.CRLDistributionPoints([point]), False)}


def tampered(made: Made, old: bytes, new: bytes) -> Made:
    """The certificate with bytes replaced and its signature kept."""
    der = made.certificate.public_bytes(Encoding.DER)
    return Made(made.key, x509.load_der_x509_certificate(der.replace(old, new)))


def endless(issuer: Made) -> Crl:
    """A CRL without nextUpdate: its second time is taken out."""
    made = crl(issuer)
    inner, der = made.tbs_certlist_bytes, made.public_bytes(Encoding.DER)
    until = tlv(0x17, f"{NOW + DAY:%y%m%d%H%M%S}Z".encode())
    header = 2 + (inner[1] & 0x7F if inner[1] & 0x80 else 0)
    shorter = tlv(0x30, inner[header:].replace(until, b""))
    return x509.load_der_x509_crl(signed_again(der, inner, inner, shorter, issuer.key))


def costly() -> Made:
    """A CA below the root, its key of RSA with an exponent that makes each check slow. The private key is another's."""
    numbers = rsa.RSAPublicNumbers((1 << MAX_RSA_EXPONENT_BITS) + 1, rsa_key().public_key().public_numbers().n)
    builder = x509.CertificateBuilder(dn("Root"), dn("Costly"), numbers.public_key(), 1, NOW - DAY, NOW + DAY)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(usage("key_cert_sign", "crl_sign"), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(numbers.public_key()), critical=False)
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(ROOT.key.public_key())
    builder = builder.add_extension(above, critical=False)
    return Made(key_called("Costly"), builder.sign(ROOT.key, SHA256()))


ROOT = make("Root")
ISSUING = make("Issuing", ROOT)
LEAF = make("leaf", ISSUING, ca=False)

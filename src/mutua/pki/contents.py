"""What is in a file: certificates, requests, CRLs, keys, PKCS#12, PKCS#7, in PEM or DER, whatever it is called.

It is told by its structure, not by a PEM block's label: Windows writes PKCS#7 under ``CERTIFICATE``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from mutua.errors import UnreadableContents, UnreadableCrl, UnreadableKey, UnreadableRequest
from mutua.pki.certificates import read_certificate
from mutua.pki.der import BIT_STRING, INTEGER, OCTET_STRING, SEQUENCE, first_element, member_tags
from mutua.pki.foreign import MALFORMED, parsing
from mutua.pki.keys import (
    MAX_KEY_BYTES,
    MAX_RSA_BITS,
    MAX_RSA_EXPONENT_BITS,
    PrivateKey,
    PublicKey,
    read_private_key,
    rounds_of_private_key,
)
from mutua.pki.pbes import require_affordable
from mutua.pki.pem import PemBlock, looks_like_pem, pem_blocks
from mutua.pki.pkcs7 import looks_like_pkcs7, read_pkcs7
from mutua.pki.pkcs12 import MAX_PRIVATE_KEYS, looks_like_pkcs12, open_pkcs12
from mutua.pki.unwrapping import OPENSSH_HINT, OPENSSH_LABEL, unwrapped

MAX_CONTENTS_BYTES = 64 * 1024 * 1024
"""A CRL with a million entries takes up to 48 MiB; every other kind has a smaller limit of its own."""

MAX_REQUEST_BYTES = 64 * 1024
"""A request with an RSA-8192 key and a hundred long names takes under 40 KiB."""


@dataclass(frozen=True, slots=True)
class CertificateContent:
    """A certificate; with the friendly name it has in a PKCS#12 file, or an empty one."""

    certificate: x509.Certificate
    friendly_name: str = ""


@dataclass(frozen=True, slots=True)
class RequestContent:
    """A certificate signing request.

    Attributes:
        request: every part of it can be read.
        verifies: whether it is signed with its own key; ``None`` where its key or algorithm is not supported.
    """

    request: x509.CertificateSigningRequest
    verifies: bool | None


@dataclass(frozen=True, slots=True)
class CrlContent:
    """A revocation list, and how many certificates are on it."""

    crl: x509.CertificateRevocationList
    count: int


@dataclass(frozen=True, slots=True)
class PrivateKeyContent:
    """A private key; whether it was encrypted; the friendly name it has in a PKCS#12 file, or an empty one."""

    key: PrivateKey
    encrypted: bool
    friendly_name: str = ""


@dataclass(frozen=True, slots=True)
class PublicKeyContent:
    """A public key, perhaps a weak one."""

    key: PublicKey


@dataclass(frozen=True, slots=True)
class Pkcs12Content:
    """A PKCS#12 file: its keys, then its certificates."""

    contents: tuple[PrivateKeyContent | CertificateContent, ...]

    @property
    def has_key(self) -> bool:
        """Whether a private key is in it; a truststore has none."""
        return any(isinstance(each, PrivateKeyContent) for each in self.contents)


@dataclass(frozen=True, slots=True)
class Pkcs7Content:
    """A PKCS#7 file of certificates, which are in no order."""

    certificates: tuple[x509.Certificate, ...]


@dataclass(frozen=True, slots=True)
class UnknownContent:
    """A PEM block of a kind that mutua does not read, such as ``EC PARAMETERS``."""

    label: str


Content = (
    CertificateContent
    | RequestContent
    | CrlContent
    | PrivateKeyContent
    | PublicKeyContent
    | Pkcs12Content
    | Pkcs7Content
    | UnknownContent
)


class _Kind(Enum):
    CERTIFICATE = auto()
    REQUEST = auto()
    CRL = auto()
    PRIVATE_KEY = auto()
    PUBLIC_KEY = auto()
    PKCS12 = auto()
    PKCS7 = auto()
    UNKNOWN = auto()


def read_contents(data: bytes, password: bytes | None = None) -> tuple[Content, ...]:
    """Read everything in a file, in its order.

    Args:
        data: the file's bytes, at most 64 MiB; see ``unwrapping`` for what may be around PEM and DER.
        password: opens private keys and PKCS#12; ignored by what is not encrypted.

    Raises:
        UnreadableContents: too large, damaged, or nothing in it is of a kind that mutua reads.
        UnreadableCertificate, UnreadableRequest, UnreadableCrl, UnreadableKey: that kind of thing is there, and damaged
            or not accepted.
        EncryptedKey: a password is needed. WrongPassword: it does not open it.
    """
    if len(data) > MAX_CONTENTS_BYTES:
        raise UnreadableContents(f"{len(data)} bytes are too many: the limit is {MAX_CONTENTS_BYTES}", hint=_HINT)
    data = unwrapped(data)
    if looks_like_pem(data):
        found = tuple(_read_blocks(pem_blocks(data), password))
    else:
        found = (_read(data, _kind_of(data), password),)
    if all(isinstance(each, UnknownContent) for each in found):
        named = [each.label for each in found if isinstance(each, UnknownContent) and each.label]
        labels = f": {', '.join(map(repr, named))}"[:200] if named else ""
        hint = OPENSSH_HINT if OPENSSH_LABEL in named else _HINT
        raise UnreadableContents(f"nothing in it is of a known kind{labels}", hint=hint)
    return found


def _read_blocks(blocks: tuple[PemBlock, ...], password: bytes | None) -> Iterator[Content]:
    kinds = [_kind_of_block(block) for block in blocks]
    keys = [block for block, kind in zip(blocks, kinds, strict=True) if kind is _Kind.PRIVATE_KEY]
    if len(keys) > MAX_PRIVATE_KEYS:
        raise UnreadableContents(f"there are more than {MAX_PRIVATE_KEYS} private keys in the file", hint=_HINT)
    # Together: a thousand keys that are each within the limit would keep us busy for long.
    require_affordable(sum(rounds_of_private_key(block.der) for block in keys if not block.headers))
    for block, kind in zip(blocks, kinds, strict=True):
        if block.headers:
            yield PrivateKeyContent(read_private_key(block.encoding, password), encrypted=True)
        elif kind is not _Kind.UNKNOWN:
            yield _read(_der(block), kind, password)
        elif block.label in _LABELS:
            raise UnreadableContents(f"the PEM block {block.label!r} holds something else, or is damaged", hint=_HINT)
        else:
            yield UnknownContent(block.label)


def _kind_of_block(block: PemBlock) -> _Kind:
    if block.headers:
        return _Kind.PRIVATE_KEY
    # Two integers are a public key of RSA, but for the parameters of Diffie-Hellman.
    return _Kind.UNKNOWN if block.label.endswith("PARAMETERS") else _kind_of(_der(block))


def _der(block: PemBlock) -> bytes:
    # OpenSSL writes what a certificate is trusted for behind it.
    return first_element(block.der).encoding if block.label == "TRUSTED CERTIFICATE" else block.der


def _kind_of(data: bytes) -> _Kind:
    """What the structure is, from the tags of its members."""
    if looks_like_pkcs12(data):
        return _Kind.PKCS12
    if looks_like_pkcs7(data):
        return _Kind.PKCS7
    try:
        outer = member_tags(data)
        if outer == (SEQUENCE, SEQUENCE, BIT_STRING):
            return _kind_of_signed(member_tags(data, 0))
    except UnreadableContents:
        return _Kind.UNKNOWN
    if outer in {(SEQUENCE, BIT_STRING), (INTEGER, INTEGER)}:
        return _Kind.PUBLIC_KEY
    if outer == (SEQUENCE, OCTET_STRING) or (outer[:1] == (INTEGER,) and len(outer) > 2):
        return _Kind.PRIVATE_KEY
    return _Kind.UNKNOWN


def _kind_of_signed(members: tuple[int, ...]) -> _Kind:
    """What the signed part is: a TBSCertificate, TBSCertList or CertificationRequestInfo."""
    if _TIMES & set(members[2:4]):
        return _Kind.CRL
    if members[:1] == (_EXPLICIT_VERSION,) or len(members) >= 6:
        return _Kind.CERTIFICATE
    return _Kind.REQUEST


def _read(data: bytes, kind: _Kind, password: bytes | None) -> Content:
    match kind:
        case _Kind.CERTIFICATE:
            return CertificateContent(read_certificate(data))
        case _Kind.REQUEST:
            return _read_request(data)
        case _Kind.CRL:
            return _read_crl(data)
        case _Kind.PRIVATE_KEY:
            return PrivateKeyContent(read_private_key(data, password), encrypted=rounds_of_private_key(data) > 0)
        case _Kind.PUBLIC_KEY:
            return _read_public_key(data)
        case _Kind.PKCS12:
            opened = open_pkcs12(data, password)
            keys = (PrivateKeyContent(each.key, each.encrypted, each.friendly_name) for each in opened.keys)
            certificates = (CertificateContent(each.certificate, each.friendly_name) for each in opened.certificates)
            return Pkcs12Content((*keys, *certificates))
        case _Kind.PKCS7:
            return Pkcs7Content(read_pkcs7(data))
        case _Kind.UNKNOWN:
            return UnknownContent("")


def _read_request(der: bytes) -> RequestContent:
    if len(der) > MAX_REQUEST_BYTES:
        raise UnreadableRequest(f"{len(der)} bytes are too many for a request", hint=_HINT)
    try:
        with parsing(UnreadableRequest("not a readable request", hint=_HINT)):
            request = x509.load_der_x509_csr(der)
            # Parsed now, so that nothing asked of it later can raise.
            _ = request.subject.rfc4514_string(), request.extensions, request.public_key()
            return RequestContent(request, _verifies(request))
    except MALFORMED as error:
        raise UnreadableRequest(f"not a readable request: {str(error)[:120]}", hint=_HINT) from None


def _verifies(request: x509.CertificateSigningRequest) -> bool | None:
    key = request.public_key()
    if not isinstance(key, PublicKey):
        return None
    if isinstance(key, rsa.RSAPublicKey):
        exponent = key.public_numbers().e
        if key.key_size > MAX_RSA_BITS or exponent.bit_length() > MAX_RSA_EXPONENT_BITS:
            return None
    try:
        return request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm):
        return None


def _read_crl(der: bytes) -> CrlContent:
    try:
        with parsing(UnreadableCrl("not a readable CRL", hint=_HINT)):
            crl = x509.load_der_x509_crl(der)
            _ = crl.issuer.rfc4514_string(), crl.last_update_utc, crl.next_update_utc, crl.extensions
            return CrlContent(crl, len(crl))
    except MALFORMED as error:
        raise UnreadableCrl(f"not a readable CRL: {str(error)[:120]}", hint=_HINT) from None


def _read_public_key(der: bytes) -> PublicKeyContent:
    refusal = UnreadableKey("the public key cannot be read, or is of an unsupported kind", hint=_HINT)
    if len(der) > MAX_KEY_BYTES:
        raise refusal
    try:
        with parsing(refusal):
            key = serialization.load_der_public_key(der)
    except MALFORMED:
        raise refusal from None
    if not isinstance(key, PublicKey):
        raise refusal
    return PublicKeyContent(key)


_HINT = "give a certificate, request, CRL, key, .p12 or .p7b file, in PEM or DER"
_EXPLICIT_VERSION = 0xA0
_TIMES = {0x17, 0x18}  # UTCTime and GeneralizedTime: thisUpdate stands third or fourth (RFC 5280 section 5.1)
_LABELS = frozenset(
    {
        "CERTIFICATE",
        "X509 CERTIFICATE",
        "TRUSTED CERTIFICATE",
        "CERTIFICATE REQUEST",
        "NEW CERTIFICATE REQUEST",
        "X509 CRL",
        "PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "PUBLIC KEY",
        "RSA PUBLIC KEY",
        "PKCS7",
        "CMS",
        "PKCS12",
    }
)

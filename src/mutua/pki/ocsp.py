"""OCSP: reading a question, signing its answer (RFC 6960, with the nonce of RFC 9654)."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from mutua.errors import InvalidLifetime, UnreadableOcsp
from mutua.pki.certificates import is_ca
from mutua.pki.crl import Revocation
from mutua.pki.foreign import MALFORMED, parsing
from mutua.pki.keys import PrivateKey, signature_hash

MAX_REQUEST_BYTES = 8 * 1024
"""What Apache and nginx take for a request line, so for a request by GET; a signed one with its chain fits."""

MAX_NONCE_BYTES = 128
"""RFC 9654 section 2.1."""

_SERIAL_BITS = 160
"""A serial number has up to 20 octets and is positive (RFC 5280 section 4.1.2.2)."""

_HINT = "send one OCSP request for one certificate, in DER"


class CertIdHash(StrEnum):
    """The hashes by which mutua knows its CAs: most clients ask with SHA-1 (RFC 5019 section 2.1.1)."""

    SHA1 = "sha1"
    SHA256 = "sha256"


class IssuerId(NamedTuple):
    """The part of a CertID that names the issuer (RFC 6960 section 4.1.1); what a responder looks its CAs up by.

    Attributes:
        algorithm: the hash's name, as ``CertIdHash`` has it; a stranger's request may hold another.
        name_hash: of the issuer's distinguished name, in DER.
        key_hash: of the issuer's public key, without the algorithm's identifier.
    """

    algorithm: str
    name_hash: bytes
    key_hash: bytes


class OcspRequest(NamedTuple):
    """A question: the state of one certificate.

    Attributes:
        issuer: who is said to have issued it.
        serial: its number.
        nonce: to be repeated in the answer; 1 to 128 bytes.
    """

    issuer: IssuerId
    serial: int
    nonce: bytes | None


class CertStatus(StrEnum):
    """The state of a certificate that is not revoked (RFC 6960 section 2.2)."""

    GOOD = "good"
    UNKNOWN = "unknown"


class OcspError(StrEnum):
    """Why there is no answer (RFC 6960 section 2.3)."""

    MALFORMED_REQUEST = "malformed_request"
    INTERNAL_ERROR = "internal_error"
    TRY_LATER = "try_later"
    UNAUTHORIZED = "unauthorized"


@dataclass(frozen=True, slots=True, kw_only=True)
class OcspResponder:
    """Who answers: the CA itself, or whom it delegates to (RFC 6960 section 4.2.2.2).

    Attributes:
        certificate: a CA's own, or one of the profile ``ocsp``, which then goes along with each answer.
        key: the certificate's private key.
        by_name: whether answers name the responder by its subject instead of the hash of its key.
    """

    certificate: x509.Certificate
    key: PrivateKey
    by_name: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OcspDraft:
    """An answer before its signature.

    Attributes:
        issuer: as the request has it.
        serial: the certificate's.
        status: good, unknown, or how it is revoked.
        this_update, next_update: for how long the answer holds; UTC, whole seconds.
        nonce: the request's; ``None`` for an answer that is made ahead.

    Raises:
        InvalidLifetime: the next update is not after this one.
    """

    issuer: IssuerId
    serial: int
    status: CertStatus | Revocation
    this_update: datetime
    next_update: datetime
    nonce: bytes | None = None

    def __post_init__(self) -> None:
        if self.next_update <= self.this_update:
            raise InvalidLifetime("an answer's next update comes after this one", hint="let answers live longer")

    def sign(self, responder: OcspResponder) -> bytes:
        """The signed answer, in DER. Its producedAt is the moment of signing, whatever the answer says."""
        status, revoked_at, reason = _said(self.status)
        builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
            self.issuer.name_hash,
            self.issuer.key_hash,
            self.serial,
            _HASHES[self.issuer.algorithm],
            status,
            self.this_update,
            self.next_update,
            revoked_at,
            reason,
        )
        encoding = ocsp.OCSPResponderEncoding.NAME if responder.by_name else ocsp.OCSPResponderEncoding.HASH
        builder = builder.responder_id(encoding, responder.certificate)
        if not is_ca(responder.certificate):
            builder = builder.certificates([responder.certificate])
        if self.nonce is not None:
            builder = builder.add_extension(x509.OCSPNonce(self.nonce), critical=False)
        return builder.sign(responder.key, signature_hash(responder.key)).public_bytes(Encoding.DER)


def cert_id_of(issuer: x509.Certificate, algorithm: CertIdHash) -> IssuerId:
    """What a request says of ``issuer`` when it asks for a certificate of its, hashed with ``algorithm``."""
    # Only cryptography's builder hashes a key without the identifier of its algorithm; the subject here is no matter.
    asked = ocsp.OCSPRequestBuilder().add_certificate(issuer, issuer, _HASHES[algorithm]).build()
    name = hashlib.new(algorithm, issuer.subject.public_bytes(), usedforsecurity=False).digest()
    return IssuerId(algorithm.value, name, asked.issuer_key_hash)


def read_ocsp_request(data: bytes) -> OcspRequest:
    """Read a request in DER. A signature on it is not looked at: mutua answers everybody.

    Args:
        data: the body of a POST, or what a GET carries in base64; at most 8 KiB.

    Raises:
        UnreadableOcsp: too large, not readable, not for exactly one certificate, with a nonce that RFC 9654 section
            2.1 refuses, or with a critical extension that is not known. The answer is ``MALFORMED_REQUEST``.
    """
    if len(data) > MAX_REQUEST_BYTES:
        raise UnreadableOcsp(f"{len(data)} bytes are too many for an OCSP request", hint=_HINT)
    try:
        with parsing(UnreadableOcsp("not a readable OCSP request", hint=_HINT)):
            request = ocsp.load_der_ocsp_request(data)
            issuer = IssuerId(request.hash_algorithm.name, request.issuer_name_hash, request.issuer_key_hash)
            serial, nonce = request.serial_number, _nonce(request.extensions)
    except MALFORMED as error:
        raise UnreadableOcsp(f"not a readable OCSP request: {str(error)[:120]}", hint=_HINT) from None
    if not 0 < serial < 1 << _SERIAL_BITS:
        raise UnreadableOcsp("the serial number is not one a certificate can have", hint=_HINT)
    return OcspRequest(issuer, serial, nonce)


def refusal(error: OcspError) -> bytes:
    """An answer without a signature, in DER: why there is no other."""
    return _REFUSALS[error]


def _said(status: CertStatus | Revocation) -> tuple[ocsp.OCSPCertStatus, datetime | None, x509.ReasonFlags | None]:
    if isinstance(status, Revocation):
        return ocsp.OCSPCertStatus.REVOKED, status.revoked_at, status.reason.flag
    return _STATUSES[status], None, None


def _nonce(extensions: x509.Extensions) -> bytes | None:
    nonce: bytes | None = None
    for extension in extensions:
        match extension.value:
            case x509.OCSPNonce() as found:
                nonce = found.nonce
                if not 1 <= len(nonce) <= MAX_NONCE_BYTES:
                    raise UnreadableOcsp(f"a nonce has 1 to {MAX_NONCE_BYTES} bytes, not {len(nonce)}", hint=_HINT)
            case x509.OCSPAcceptableResponses():
                pass  # the basic kind is always among them (RFC 6960 section 4.4.3)
            case _ if extension.critical:
                raise UnreadableOcsp("the request has a critical extension that is not known", hint=_HINT)
    return nonce


_HASHES: dict[str, hashes.HashAlgorithm] = {CertIdHash.SHA1: hashes.SHA1(), CertIdHash.SHA256: hashes.SHA256()}  # noqa: S303 -- names no secret, and every client asks with it
_STATUSES = {CertStatus.GOOD: ocsp.OCSPCertStatus.GOOD, CertStatus.UNKNOWN: ocsp.OCSPCertStatus.UNKNOWN}
_REFUSALS = {
    error: ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus[error.name]).public_bytes(Encoding.DER)
    for error in OcspError
}

"""Certificate revocation lists: making one, reading one (RFC 5280 section 5)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.hazmat.primitives.serialization import Encoding

from mutua.errors import InvalidLifetime, UnreadableCrl
from mutua.pki.certificates import authority_key_identifier
from mutua.pki.der import (
    BIT_STRING,
    OCTET_STRING,
    SEQUENCE,
    encode,
    encode_identifier,
    encode_integer,
    is_der,
    read_der,
)
from mutua.pki.foreign import MALFORMED, parsing
from mutua.pki.keys import PrivateKey, signature_hash

MAX_CRL_BYTES = 64 * 1024 * 1024
"""A million entries of ours take 48 MiB in DER; OpenSSL fetches up to 32 MiB (OSSL_HTTP_DEFAULT_MAX_CRL_LEN)."""

_UTC_TIME = 0x17
_GENERALIZED_TIME = 0x18

_PEM_CRL = b"-----BEGIN X509 CRL-----"
_HINT = "give one X.509 CRL in PEM or DER"


class RevocationReason(StrEnum):
    """Why a certificate is revoked (RFC 5280 section 5.3.1), but for the two that never stand in our lists."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "key_compromise"
    CA_COMPROMISE = "ca_compromise"
    AFFILIATION_CHANGED = "affiliation_changed"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessation_of_operation"
    CERTIFICATE_HOLD = "certificate_hold"
    PRIVILEGE_WITHDRAWN = "privilege_withdrawn"

    @property
    def flag(self) -> x509.ReasonFlags | None:
        """What cryptography calls it; ``None`` for ``unspecified``, which is said by saying nothing."""
        return None if self is RevocationReason.UNSPECIFIED else x509.ReasonFlags[self.value]


class Revocation(NamedTuple):
    """That a certificate is revoked or on hold.

    Attributes:
        revoked_at: since when, UTC, whole seconds.
        reason: why.
        invalid_since: when its key is thought to have been lost, UTC, where that was earlier.
    """

    revoked_at: datetime
    reason: RevocationReason
    invalid_since: datetime | None = None


class RevokedEntry(NamedTuple):
    """A line of a CRL: a serial number, and what ``Revocation`` says."""

    serial: int
    revoked_at: datetime
    reason: RevocationReason
    invalid_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlDraft:
    """A CRL before its signature.

    Attributes:
        issuer: the CA whose certificates it lists, and which signs it.
        number: larger than that of any CRL before it of the same CA and scope (RFC 5280 section 5.2.3).
        this_update, next_update: UTC, whole seconds.
        entries: what it lists, each serial once; read once, so a generator keeps a long list out of memory.
        distribution_point: the URL that the certificates in its scope carry; ``None`` when it covers all of its CA's.

    Raises:
        InvalidLifetime: the next update is not after this one.
    """

    issuer: x509.Certificate
    number: int
    this_update: datetime
    next_update: datetime
    entries: Iterable[RevokedEntry]
    distribution_point: str | None = None

    def __post_init__(self) -> None:
        if self.next_update <= self.this_update:
            raise InvalidLifetime("a CRL's next update comes after this one", hint="give the CRL a longer life")

    def sign(self, key: PrivateKey) -> bytes:
        """Sign the draft.

        Args:
            key: the issuer's private key. It signs twice where there are entries: first without them.

        Returns:
            The CRL in DER, the form in which it is published (RFC 5280 section 4.2.1.13).
        """
        frame = x509.CertificateRevocationListBuilder(
            issuer_name=self.issuer.subject,
            last_update=self.this_update,
            next_update=self.next_update,
            extensions=[x509.Extension(value.oid, critical, value) for value, critical in self._extensions()],
        ).sign(key, signature_hash(key))
        return _filled(frame.public_bytes(Encoding.DER), self.entries, key)

    def _extensions(self) -> Iterable[tuple[x509.ExtensionType, bool]]:
        yield authority_key_identifier(self.issuer), False
        yield x509.CRLNumber(self.number), False
        if self.distribution_point is not None:
            yield _scope(self.distribution_point), True


def read_crl(data: bytes) -> x509.CertificateRevocationList:
    """Read one CRL, PEM or DER.

    Every entry is read, so that nothing asked of the CRL later can raise.

    Args:
        data: the file's bytes, at most 64 MiB.

    Raises:
        UnreadableCrl: too large, none, more than one, or not readable.
    """
    if len(data) > MAX_CRL_BYTES:
        raise UnreadableCrl(f"{len(data)} bytes are too many for a CRL", hint=_HINT)
    blocks = 0 if is_der(data) else data.count(_PEM_CRL)
    if blocks > 1 or (not blocks and not is_der(data) and b"-----BEGIN" in data):
        raise UnreadableCrl(f"expected one CRL and found {blocks}", hint=_HINT)
    try:
        with parsing(UnreadableCrl("not a readable CRL", hint=_HINT)):
            crl = x509.load_pem_x509_crl(data) if blocks else x509.load_der_x509_crl(data)
            _read_every_part(crl)
    except MALFORMED as error:
        raise UnreadableCrl(f"not a readable CRL: {str(error)[:120]}", hint=_HINT) from None
    return crl


def _scope(distribution_point: str) -> x509.IssuingDistributionPoint:
    """The scope is the certificates with this address, of whatever kind and for whatever reason."""
    return x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier(distribution_point)],
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )


def _filled(frame: bytes, entries: Iterable[RevokedEntry], key: PrivateKey) -> bytes:
    """The CRL ``frame``, which lists nothing, with these entries, signed anew.

    cryptography's builder would take them too, and twice the time and memory: it makes an object of each.
    """
    listed = bytearray()
    for serial, revoked_at, reason, invalid_since in entries:
        extensions = _REASON_ALONE[reason] if invalid_since is None else _extensions_of(reason, invalid_since)
        listed += encode(SEQUENCE, encode_integer(serial), _time(revoked_at), extensions)
    if not listed:
        return frame
    signed, algorithm, _ = read_der(frame).members()
    *head, extensions_of_crl = (member.encoding for member in signed.members())
    content = encode(SEQUENCE, *head, encode(SEQUENCE, bytes(listed)), extensions_of_crl)
    return encode(SEQUENCE, content, algorithm.encoding, encode(BIT_STRING, b"\x00", _signature(key, content)))


def _signature(key: PrivateKey, content: bytes) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(content)
    algorithm = signature_hash(key)
    assert algorithm is not None, "only Ed25519 brings a hash of its own"
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(content, ec.ECDSA(algorithm))
    return key.sign(content, padding.PKCS1v15(), algorithm)


def _time(moment: datetime) -> bytes:
    """A Time: UTCTime up to 2049, GeneralizedTime from then on (RFC 5280 section 5.1.2.6)."""
    moment = moment.astimezone(UTC)
    return encode(_UTC_TIME, _digits(moment)[2:]) if 1950 <= moment.year < 2050 else _generalized_time(moment)


def _generalized_time(moment: datetime) -> bytes:
    return encode(_GENERALIZED_TIME, _digits(moment.astimezone(UTC)))


def _digits(moment: datetime) -> bytes:
    date, time = (moment.year, moment.month, moment.day), (moment.hour, moment.minute, moment.second)
    return b"%04d%02d%02d%02d%02d%02dZ" % (*date, *time)


def _extensions_of(reason: RevocationReason, invalid_since: datetime) -> bytes:
    date = encode(SEQUENCE, _INVALIDITY_DATE, encode(OCTET_STRING, _generalized_time(invalid_since)))
    return encode(SEQUENCE, _REASONS[reason], date)


def _reason(reason: RevocationReason) -> bytes:
    """The extension with the reason; nothing where there is nothing to say (RFC 5280 section 5.3.1)."""
    if (flag := reason.flag) is None:
        return b""
    return encode(SEQUENCE, _CRL_REASON, encode(OCTET_STRING, x509.CRLReason(flag).public_bytes()))


def _read_every_part(crl: x509.CertificateRevocationList) -> None:
    """Parse now what cryptography parses on first use."""
    _ = crl.issuer.rfc4514_string(), crl.last_update_utc, crl.next_update_utc, crl.extensions
    for entry in crl:
        _ = entry.revocation_date_utc, entry.extensions


_CRL_REASON = encode_identifier(x509.CRLReason.oid.dotted_string)
_INVALIDITY_DATE = encode_identifier(x509.InvalidityDate.oid.dotted_string)
_REASONS = {reason: _reason(reason) for reason in RevocationReason}
_REASON_ALONE = {reason: encode(SEQUENCE, extension) if extension else b"" for reason, extension in _REASONS.items()}
"""All the extensions of most entries, made once: a long list repeats them."""

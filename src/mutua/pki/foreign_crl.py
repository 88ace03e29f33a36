"""A CRL of somebody else's CA: read, verified with the CA's key, and kept as little as the gate needs of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

from mutua.errors import UnreadableContents, UnreadableCrl, UnreadableKey
from mutua.pki import chains
from mutua.pki.certificates import is_ca
from mutua.pki.chains import extension
from mutua.pki.foreign import MALFORMED, parsing
from mutua.pki.keys import accepted_public_key
from mutua.pki.revoked_serials import RevokedSerials, revoked_serials
from mutua.pki.thumbprints import spki_s256

MAX_FOREIGN_CRL_BYTES = 32 * 1024 * 1024
"""What OpenSSL fetches at most (OSSL_HTTP_DEFAULT_MAX_CRL_LEN); the largest of ICP-Brasil and of card schemes have
several MiB."""

MAX_CLOCK_SKEW = timedelta(minutes=10)
"""How far in the future a CRL may begin: the CA's clock may be ahead of ours."""

_HINT = "ask the partner for a complete CRL of its own CA (RFC 5280 section 5)"

_UNDERSTOOD = {
    ExtensionOID.ISSUING_DISTRIBUTION_POINT,
    ExtensionOID.CRL_NUMBER,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignCrl:
    """A CRL whose signature was verified.

    Attributes:
        issuer: the CA.
        authority: the SPKI hash of its key.
        number: of RFC 5280 section 5.2.3; ``None`` where the CA does not count.
        this_update, next_update: UTC.
        places: the distribution points that it is for; none for certificates with whatever distribution point.
        kinds: whether it is for CAs' certificates (``True``), for others (``False``), or both.
        serials: what it revokes.
    """

    issuer: x509.Certificate
    authority: str
    number: int | None
    this_update: datetime
    next_update: datetime
    places: frozenset[str]
    kinds: frozenset[bool]
    serials: RevokedSerials

    @property
    def scope(self) -> tuple[str, frozenset[str], frozenset[bool]]:
        """What it is about: of two CRLs with the same scope the newer one counts."""
        return self.authority, self.places, self.kinds

    def is_older_than(self, other: "ForeignCrl") -> bool:
        """Whether it was made before another one of the same scope."""
        if self.number is not None and other.number is not None and self.number != other.number:
            return self.number < other.number
        return self.this_update < other.this_update

    def covers(self, certificate: x509.Certificate) -> bool:
        """Whether it would list the certificate of its CA if that were revoked (RFC 5280 section 5.2.5)."""
        if is_ca(certificate) not in self.kinds:
            return False
        return not self.places or not self.places.isdisjoint(distribution_points(certificate))


def read_foreign_crl(data: bytes, issuers: Iterable[x509.Certificate], *, now: datetime) -> ForeignCrl:
    """Read a CRL and verify that one of these CAs signed it.

    It may have ended: what it lists is revoked all the same.

    Args:
        data: DER or PEM, at most ``MAX_FOREIGN_CRL_BYTES``.
        issuers: the CAs that it may be of.
        now: UTC.

    Raises:
        UnreadableCrl: no CRL, of none of these CAs, not yet valid, or of a kind that is not understood: indirect, for
            some reasons only, a delta, with an unknown critical extension.
    """
    if len(data) > MAX_FOREIGN_CRL_BYTES:
        raise UnreadableCrl(f"the CRL has more than {MAX_FOREIGN_CRL_BYTES // 2**20} MiB", hint=_HINT)
    refusal = UnreadableCrl("not a readable CRL", hint=_HINT)
    try:
        with parsing(refusal):
            der = as_der(data)
            return _verified(der, x509.load_der_x509_crl(der), issuers, now)
    except (*MALFORMED, UnreadableContents) as error:
        raise UnreadableCrl(f"not a readable CRL: {str(error)[:120]}", hint=_HINT) from None


def distribution_points(certificate: x509.Certificate) -> tuple[str, ...]:
    """The addresses of the CRLs that cover a certificate for every reason, of whatever scheme."""
    try:
        with parsing(UnreadableCrl("its distribution points cannot be read")):
            return tuple(
                address.value
                for point in extension(certificate, x509.CRLDistributionPoints) or ()
                if point.reasons is None and point.crl_issuer is None
                for address in point.full_name or ()
                if isinstance(address, x509.UniformResourceIdentifier)
            )
    except (*MALFORMED, UnreadableCrl):
        return ()


def _verified(
    der: bytes, crl: x509.CertificateRevocationList, issuers: Iterable[x509.Certificate], now: datetime
) -> ForeignCrl:
    issuer = _signer(crl, issuers)
    end = crl.next_update_utc
    if end is None:
        raise UnreadableCrl("the CRL does not say until when it is good", hint=_HINT)
    if crl.last_update_utc > now + MAX_CLOCK_SKEW:
        raise UnreadableCrl(f"the CRL begins at {crl.last_update_utc:%Y-%m-%d %H:%M} UTC only", hint=_HINT)
    for each in crl.extensions:
        if each.critical and each.oid not in _UNDERSTOOD:
            raise UnreadableCrl(
                f"the CRL has the critical extension {each.oid.dotted_string}, which is not understood", hint=_HINT
            )
    number = extension(crl, x509.CRLNumber)
    places, kinds = _scope(extension(crl, x509.IssuingDistributionPoint))
    return ForeignCrl(
        issuer=issuer,
        authority=spki_s256(accepted_public_key(issuer.public_key())),
        number=number.crl_number if number else None,
        this_update=crl.last_update_utc,
        next_update=end,
        places=places,
        kinds=kinds,
        serials=revoked_serials(der),
    )


def _scope(scope: x509.IssuingDistributionPoint | None) -> tuple[frozenset[str], frozenset[bool]]:
    if scope is None:
        return frozenset(), frozenset({True, False})
    if scope.indirect_crl or scope.only_some_reasons is not None or scope.only_contains_attribute_certs:
        raise UnreadableCrl("the CRL is indirect, for some reasons only, or for attribute certificates", hint=_HINT)
    places = frozenset(each.value for each in scope.full_name or () if isinstance(each, x509.UniformResourceIdentifier))
    if scope.relative_name is not None or (scope.full_name and not places):
        raise UnreadableCrl("the CRL is for a distribution point without an address", hint=_HINT)
    if scope.only_contains_ca_certs:
        return places, frozenset({True})
    return places, frozenset({False}) if scope.only_contains_user_certs else frozenset({True, False})


def _signer(crl: x509.CertificateRevocationList, issuers: Iterable[x509.Certificate]) -> x509.Certificate:
    if weak := chains.weakness(crl):
        raise UnreadableCrl(f"the CRL is signed with {weak}, which proves nothing", hint=_HINT)
    for issuer in issuers:
        usage = extension(issuer, x509.KeyUsage)
        if issuer.subject == crl.issuer and (usage is None or usage.crl_sign) and _is_signed(crl, issuer):
            return issuer
    raise UnreadableCrl("the CRL is not signed by the CA that was registered", hint=_HINT)


def _is_signed(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    try:
        return crl.is_signature_valid(accepted_public_key(issuer.public_key()))
    except (UnreadableKey, InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError):
        return False


def as_der(data: bytes) -> bytes:
    """A CRL in DER, which it may be already. Raises whatever cryptography does for PEM that is no CRL."""
    return data if data[:1] == b"\x30" else x509.load_pem_x509_crl(data).public_bytes(Encoding.DER)

"""Renewal statements: a new request, signed with the key of the certificate that it is to replace.

For those who cannot renew over mTLS with the certificate itself. A statement is a JWS in compact form (RFC 7515):

=========  ===============  =====================================================================================
header     ``typ``          ``mutua-renewal+jwt``, so that no other JWT can pass for one (RFC 8725 section 3.11)
..         ``alg``          ``ES256``, ``ES384``, ``PS256``, ``RS256`` or ``Ed25519`` (RFC 7518, RFC 9864)
..         ``x5t#S256``     of the certificate to be renewed (RFC 7515 section 4.1.8)
payload    ``csr``          the new request, DER, base64url; its own signature proves possession of the new key
..         ``aud``          which authority it is for
..         ``iat``, ``exp`` when it was signed, and until when it is good: 15 minutes at most
..         ``jti``          its number, for the audit trail
=========  ===============  =====================================================================================
"""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.util import urlsafe_b64decode

from mutua.errors import KeyMismatch, RefusedRenewal, UnreadableKey, UnreadableRequest, UnreadableStatement
from mutua.pki.keys import PrivateKey, PublicKey, accepted_public_key
from mutua.pki.profiles import CLOCK_SKEW
from mutua.pki.randomness import new_serial
from mutua.pki.requests import MAX_REQUEST_BYTES, CertificateRequest, read_request
from mutua.pki.thumbprints import base64url, x5t_s256

STATEMENT_TYPE = "mutua-renewal+jwt"

STATEMENT_LIFE = timedelta(minutes=5)
"""How long a statement of ours is good: time enough for one request and its retries."""

MAX_STATEMENT_LIFE = timedelta(minutes=15)
"""How long anybody's may be good."""

MAX_STATEMENT_CHARACTERS = MAX_REQUEST_BYTES * 16 // 9 + 4096
"""The largest request, in base64 twice, with room for the claims and the signature of an RSA-8192 key (1366)."""

_MEMBERS = {"typ", "alg", "x5t#S256"}
_CLAIMS = {"csr", "aud", "iat", "exp", "jti"}
_ALGORITHMS = {"ES256", "ES384", "PS256", "RS256", "Ed25519"}
_HINT = "make one with the key of the certificate that is to be renewed"


@dataclass(frozen=True, slots=True)
class StatementHeader:
    """What a statement says of itself. Nothing of it is proved yet.

    Attributes:
        algorithm: the JWS algorithm, one of those above.
        thumbprint: x5t#S256 of the certificate that it wants renewed: where to find it.
    """

    algorithm: str
    thumbprint: str


def write_statement(
    key: PrivateKey, certificate: x509.Certificate, request: bytes, *, now: datetime, audience: str
) -> str:
    """Ask for a renewal.

    Args:
        key: of the certificate to be renewed.
        certificate: the one to be renewed.
        request: the new request, DER, with the same key or a new one.
        now: UTC.
        audience: x5t#S256 of the CA that issued the certificate.

    Raises:
        KeyMismatch: the key is not the certificate's.
    """
    public_key = key.public_key()
    if public_key != certificate.public_key():
        raise KeyMismatch("the key is not that of the certificate to be renewed", hint=_HINT)
    claims = {
        "csr": base64url(request),
        "aud": audience,
        "iat": int(now.timestamp()),
        "exp": int((now + STATEMENT_LIFE).timestamp()),
        "jti": f"{new_serial():032x}",
    }
    algorithm = _algorithms(public_key)[0]
    header = {"typ": STATEMENT_TYPE, "alg": algorithm, "x5t#S256": x5t_s256(certificate)}
    return jws.serialize_compact(header, json.dumps(claims), _signing(key), algorithms=[algorithm])


def read_statement(text: str) -> StatementHeader:
    """Read what a statement says of itself, before anything of it is verified.

    Raises:
        UnreadableStatement: too long, not a JWS in compact form, or not a renewal statement.
    """
    return _header(_extract(text))


def verify_statement(text: str, certificate: x509.Certificate, *, now: datetime, audience: str) -> CertificateRequest:
    """Verify that whoever holds the certificate's key asks this authority, now, for this renewal.

    Whether the certificate may be renewed is for ``mutua.ca.renewal``.

    Args:
        text: the statement.
        certificate: the one that its header names, from the inventory.
        now: UTC. Clocks may differ by five minutes.
        audience: as for ``write_statement``.

    Returns:
        The new request, its own signature verified too.

    Raises:
        UnreadableStatement: not a renewal statement.
        RefusedRenewal: another certificate's, not signed by its key, for another authority, too early or too late.
        UnreadableRequest: the request within cannot be read or does not prove possession of its key.
    """
    header = read_statement(text)
    if not hmac.compare_digest(header.thumbprint.encode(), x5t_s256(certificate).encode()):
        raise _refused("it names another certificate")
    try:
        key = accepted_public_key(certificate.public_key())
    except UnreadableKey as error:
        raise _refused(error.message) from None
    algorithms = _algorithms(key)
    if header.algorithm not in algorithms:
        raise _refused(f"the algorithm {header.algorithm} does not fit the certificate's key")
    try:
        payload = jws.deserialize_compact(text, _verifying(key), registry=_registry(algorithms)).payload
    except (JoseError, ValueError, TypeError):
        raise _refused("it is not signed by the certificate's key") from None
    claims = _claims(payload)
    if claims["aud"] != audience:
        raise _refused("it is for another authority")
    _check_times(claims["iat"], claims["exp"], now)
    return read_request(_request_bytes(claims["csr"]))


def _registry(algorithms: tuple[str, ...]) -> jws.JWSRegistry:
    registry = jws.JWSRegistry(algorithms=algorithms)
    registry.max_payload_length = MAX_STATEMENT_CHARACTERS
    registry.max_signature_length = 1366
    return registry


_ANY_ALGORITHM = _registry(tuple(sorted(_ALGORITHMS)))


def _extract(text: str) -> jws.CompactSignature:
    if len(text) > MAX_STATEMENT_CHARACTERS:
        raise _unreadable(f"{len(text)} characters are too many")
    try:
        return jws.extract_compact(text.encode("ascii"), registry=_ANY_ALGORITHM)
    except (JoseError, ValueError, TypeError, AttributeError, RecursionError):
        raise _unreadable("it is not a JWS in compact form") from None


def _header(statement: jws.CompactSignature) -> StatementHeader:
    header = statement.protected
    if not isinstance(header, dict) or header.keys() != _MEMBERS or header["typ"] != STATEMENT_TYPE:
        raise _unreadable("its header is not that of a renewal statement")
    algorithm, thumbprint = header["alg"], header["x5t#S256"]
    if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS:
        raise _unreadable(f"the algorithm {str(algorithm)[:40]!r} is not accepted")
    if not isinstance(thumbprint, str) or len(thumbprint) != 43 or not thumbprint.isascii():
        raise _unreadable("its x5t#S256 is not a SHA-256 in base64url")
    return StatementHeader(algorithm, thumbprint)


def _claims(payload: bytes) -> Mapping[str, Any]:
    try:
        claims = json.loads(payload)
    except (ValueError, RecursionError):
        raise _unreadable("its payload is not JSON") from None
    if not isinstance(claims, dict) or claims.keys() != _CLAIMS:
        raise _unreadable("its payload is not that of a renewal statement")
    if not all(isinstance(claims[name], str) for name in ("csr", "aud", "jti")):
        raise _unreadable("csr, aud and jti must be texts")
    if not all(type(claims[name]) is int for name in ("iat", "exp")):
        raise _unreadable("iat and exp must be whole seconds since 1970")
    return claims


def _check_times(issued: int, expires: int, now: datetime) -> None:
    moment, skew = now.timestamp(), CLOCK_SKEW.total_seconds()
    if issued > moment + skew:
        raise _refused("it was signed in the future: one of the two clocks is wrong")
    if expires < moment - skew:
        raise _refused("it has expired: sign a new one, and compare the clocks")
    if not 0 < expires - issued <= MAX_STATEMENT_LIFE.total_seconds():
        raise _refused(f"it must be good for up to {MAX_STATEMENT_LIFE.seconds // 60} minutes")


def _request_bytes(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text.encode("ascii"))
    except ValueError:
        raise UnreadableRequest("the statement's request is not base64url", hint=_HINT) from None


def _algorithms(key: PublicKey) -> tuple[str, ...]:
    """What a key of this kind signs with, the best first."""
    match key:
        case ec.EllipticCurvePublicKey():
            return ("ES256",) if key.key_size == 256 else ("ES384",)
        case rsa.RSAPublicKey():
            return ("PS256", "RS256")
        case _:
            return ("Ed25519",)


def _verifying(key: PublicKey) -> ECKey | RSAKey | OKPKey:
    match key:
        case ec.EllipticCurvePublicKey():
            return ECKey(key, key)
        case rsa.RSAPublicKey():
            return RSAKey(key, key)
        case _:
            return OKPKey(key, key)


def _signing(key: PrivateKey) -> ECKey | RSAKey | OKPKey:
    """The key with only its public half written out: one in a token has nothing else to show."""
    public = _verifying(key.public_key()).as_dict()
    match key:
        case ec.EllipticCurvePrivateKey():
            return ECKey(key, public)
        case rsa.RSAPrivateKey():
            return RSAKey(key, public)
        case _:
            return OKPKey(key, public)


def _unreadable(why: str) -> UnreadableStatement:
    return UnreadableStatement(f"the renewal statement cannot be read: {why}", hint=_HINT)


def _refused(why: str) -> RefusedRenewal:
    return RefusedRenewal(f"the renewal statement is refused: {why}", hint=_HINT)

"""Thumbprints: how a certificate or a key is named everywhere in mutua."""

import hashlib
from base64 import urlsafe_b64encode

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mutua.pki.keys import PublicKey, public_key_bytes


def x5t_s256(certificate: x509.Certificate | bytes) -> str:
    """The SHA-256 of a certificate's DER, base64url without padding (RFC 8705 section 3.1, RFC 7515 section 4.1.8).

    Neither the certificate's version nor its validity matters; DER bytes are taken as they are.
    """
    der = certificate if isinstance(certificate, bytes) else certificate.public_bytes(Encoding.DER)
    return base64url(hashlib.sha256(der).digest())


def spki_s256(key: PublicKey) -> str:
    """The SHA-256 of a key's SubjectPublicKeyInfo, base64url without padding (compare RFC 7469 section 2.4)."""
    return base64url(hashlib.sha256(public_key_bytes(key)).digest())


def base64url(data: bytes) -> str:
    """Base64url without padding (RFC 7515 section 2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")

"""CSR attributes: what an EST server would like to see in a request (RFC 7030 section 4.5.2, RFC 9908).

``CsrAttrs ::= SEQUENCE SIZE (0..MAX) OF AttrOrOID``. Of a key it says kind and size, and with which digest the request
is to be signed. Nothing of names is asked for: they are none of the request's business here.
"""

from collections.abc import Mapping

from mutua.pki.der import SEQUENCE, SET, encode, encode_identifier, encode_integer
from mutua.pki.keys import MIN_RSA_BITS

_EC_PUBLIC_KEY = "1.2.840.10045.2.1"
_RSA_ENCRYPTION = "1.2.840.113549.1.1.1"
_ED25519 = "1.3.101.112"
_CURVES = {"p256": ("1.2.840.10045.3.1.7", "1.2.840.10045.4.3.2"), "p384": ("1.3.132.0.34", "1.2.840.10045.4.3.3")}
_SHA256_WITH_RSA = "1.2.840.113549.1.1.11"
_PREFERRED = ("p256", "p384", "ed25519", "rsa")


def write_csr_attributes(keys: Mapping[str, int]) -> bytes:
    """The attributes in DER.

    One kind is named, the best of those allowed: a client is to do what it is told, and has no choice to make
    (RFC 9908 section 3.2 has each attribute at most once).

    Args:
        keys: which are allowed: ``p256``, ``p384``, ``ed25519`` or ``rsa``, each with its least size in bits.
    """
    kind = next(each for each in _PREFERRED if each in keys)
    if kind in _CURVES:
        curve, signature = _CURVES[kind]
        return encode(SEQUENCE, _attribute(_EC_PUBLIC_KEY, encode_identifier(curve)), encode_identifier(signature))
    if kind == "rsa":
        size = _attribute(_RSA_ENCRYPTION, encode_integer(max(keys[kind], MIN_RSA_BITS)))
        return encode(SEQUENCE, size, encode_identifier(_SHA256_WITH_RSA))
    return encode(SEQUENCE, encode_identifier(_ED25519))


def _attribute(kind: str, value: bytes) -> bytes:
    return encode(SEQUENCE, encode_identifier(kind), encode(SET, value))

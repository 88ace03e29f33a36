"""Between what tokens speak (PKCS #11) and what certificates carry: public keys, digests, signatures."""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from mutua.errors import InvalidInput, TokenUnavailable, UnreadableKey
from mutua.pki.keys import PublicKey, accepted_public_key

# CKA_EC_PARAMS: the curve's object identifier in DER (RFC 5480 section 2.1.1.1, RFC 8410 section 3).
P256_PARAMETERS = bytes.fromhex("06082a8648ce3d030107")
P384_PARAMETERS = bytes.fromhex("06052b81040022")
ED25519_PARAMETERS = bytes.fromhex("06032b6570")

_CURVES: dict[bytes, ec.EllipticCurve] = {P256_PARAMETERS: ec.SECP256R1(), P384_PARAMETERS: ec.SECP384R1()}

_DIGEST_INFO = {
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}
"""What stands before the digest in EMSA-PKCS1-v1_5 (RFC 8017 section 9.2, note 1)."""

_HINT = "make the key with mutua, or with P-256, P-384, Ed25519, or RSA from 2048 bits"


def ec_public_key(parameters: bytes, point: bytes) -> PublicKey:
    """A public key from CKA_EC_PARAMS and CKA_EC_POINT.

    Raises:
        TokenUnavailable: another curve, or not a point on it.
    """
    curve = _CURVES.get(parameters)
    if curve is None:
        raise TokenUnavailable("the key in the token is on a curve that is not supported", hint=_HINT)
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, _octets(point, 1 + 2 * -(-curve.key_size // 8)))
    except ValueError:
        raise _damaged() from None


def ed25519_public_key(point: bytes) -> PublicKey:
    """A public key from the CKA_EC_POINT of an Edwards curve; its parameters say little, and each token says it so.

    Raises:
        TokenUnavailable: it is not one of Ed25519.
    """
    try:
        return ed25519.Ed25519PublicKey.from_public_bytes(_octets(point, 32))
    except ValueError:
        raise _damaged() from None


def rsa_public_key(modulus: bytes, exponent: bytes) -> PublicKey:
    """A public key from CKA_MODULUS and CKA_PUBLIC_EXPONENT.

    Raises:
        TokenUnavailable: not such a key, or one too weak.
    """
    numbers = rsa.RSAPublicNumbers(int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big"))
    try:
        return accepted_public_key(numbers.public_key())
    except ValueError:
        raise _damaged() from None
    except UnreadableKey as error:
        raise TokenUnavailable(f"the key in the token cannot be used: {error.message}", hint=_HINT) from None


def hashed(data: bytes, algorithm: object) -> tuple[bytes, hashes.HashAlgorithm]:
    """The digest to sign, with its algorithm.

    Raises:
        InvalidInput: neither SHA-256, SHA-384 nor SHA-512, or a digest of another length.
    """
    # A digest that was made before keeps its algorithm where only the library that made it looks.
    algorithm, given = (algorithm._algorithm, True) if isinstance(algorithm, Prehashed) else (algorithm, False)  # noqa: SLF001
    if not isinstance(algorithm, hashes.HashAlgorithm) or algorithm.name not in _DIGEST_INFO:
        raise InvalidInput("a key in a token signs with SHA-256, SHA-384 or SHA-512", hint="name one of them")
    if given:
        if len(data) != algorithm.digest_size:
            raise InvalidInput(f"{len(data)} bytes are not a digest of {algorithm.name}", hint="give the digest itself")
        return data, algorithm
    digest = hashes.Hash(algorithm)
    digest.update(data)
    return digest.finalize(), algorithm


def digest_info(digest: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
    """What CKM_RSA_PKCS pads and signs (RFC 8017 section 9.2)."""
    return _DIGEST_INFO[algorithm.name] + digest


def ecdsa_signature(raw: bytes) -> bytes:
    """The Ecdsa-Sig-Value of RFC 3279 section 2.2.3 from what CKM_ECDSA gives: r and s, of one length."""
    half = len(raw) // 2
    return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))


def _octets(point: bytes, size: int) -> bytes:
    """The point out of its OCTET STRING in DER; older tokens leave that out (PKCS #11 2.40, section 2.3.3)."""
    return point[2:] if len(point) == size + 2 and point[:2] == bytes([0x04, size]) else point


def _damaged() -> TokenUnavailable:
    return TokenUnavailable("the public key in the token is damaged", hint=_HINT)

"""Private keys: which kinds there are, reading them, writing them."""

from collections.abc import Callable
from enum import StrEnum

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from mutua.errors import EncryptedKey, UnreadableKey, WrongPassword
from mutua.pki.foreign import parsing

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

MIN_RSA_BITS = 2048
"""NIST SP 800-57 part 1, table 2: below this a key has less than 112 bits of strength."""

MAX_RSA_BITS = 8192
"""A larger modulus only makes every handshake slower; OpenSSL itself stops at 16384."""

MAX_KEY_BYTES = 64 * 1024
"""An encrypted RSA-8192 key in PEM takes under 8 KiB."""


class KeyType(StrEnum):
    """The kinds of key mutua makes. P-256 unless a partner's profile asks for another."""

    P256 = "p256"
    P384 = "p384"
    RSA2048 = "rsa2048"
    RSA3072 = "rsa3072"
    RSA4096 = "rsa4096"
    ED25519 = "ed25519"


def signature_hash(key: PrivateKey | PublicKey) -> hashes.SHA256 | hashes.SHA384 | None:
    """The hash a certificate signed with this key uses; ``None`` for Ed25519, which has its own (RFC 8410)."""
    match key:
        case ed25519.Ed25519PrivateKey() | ed25519.Ed25519PublicKey():
            return None
        case ec.EllipticCurvePrivateKey() | ec.EllipticCurvePublicKey() if key.key_size > 256:
            return hashes.SHA384()
        case _:
            return hashes.SHA256()


def describe_key(key: PublicKey) -> str:
    """``P-256``, ``RSA-2048``, ``Ed25519``: how people call the key."""
    match key:
        case ed25519.Ed25519PublicKey():
            return "Ed25519"
        case ec.EllipticCurvePublicKey():
            return {"secp256r1": "P-256", "secp384r1": "P-384"}.get(key.curve.name, key.curve.name)
        case _:
            return f"RSA-{key.key_size}"


def accepted_public_key(key: object) -> PublicKey:
    """Return ``key`` if mutua works with its kind and strength.

    Raises:
        UnreadableKey: another algorithm or curve, or RSA below 2048 or above 8192 bits.
    """
    match key:
        case ed25519.Ed25519PublicKey():
            return key
        case ec.EllipticCurvePublicKey() if isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1):
            return key
        case rsa.RSAPublicKey() if MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
            return key
        case rsa.RSAPublicKey():
            problem = f"an RSA key of {key.key_size} bits is outside {MIN_RSA_BITS} to {MAX_RSA_BITS}"
        case ec.EllipticCurvePublicKey():
            problem = f"the curve {key.curve.name} is not supported"
        case _:
            problem = "the key's algorithm is not supported"
    raise UnreadableKey(problem, hint="use P-256, P-384, Ed25519, or RSA with 2048 bits or more")


def write_private_key(key: PrivateKey, password: bytes | None = None) -> bytes:
    """The key as PKCS#8 in PEM; encrypted when a password is given (RFC 5958).

    The password-based encryption is OpenSSL's PBKDF2 with 2,048 rounds, so it is only as
    strong as the password. CA keys in a store are sealed otherwise: see ``mutua.home.sealing``.
    """
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password is not None:
        encryption = serialization.BestAvailableEncryption(password)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def public_key_bytes(key: PublicKey) -> bytes:
    """The SubjectPublicKeyInfo in DER (RFC 5280 section 4.1.2.7)."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def read_private_key(data: bytes, password: bytes | None = None) -> PrivateKey:
    """Read a private key from PEM or DER, in PKCS#8, PKCS#1 or SEC 1.

    Args:
        data: the file's bytes, at most 64 KiB.
        password: for an encrypted key; ignored by one that is not encrypted.

    Raises:
        EncryptedKey: it is encrypted and no password was given.
        WrongPassword: the password does not open it.
        UnreadableKey: it is no private key, or of a kind ``accepted_public_key`` refuses.
    """
    if len(data) > MAX_KEY_BYTES:
        raise UnreadableKey(f"{len(data)} bytes are too many for a private key", hint="give the key file itself")
    loader: Callable[..., object] = (
        serialization.load_pem_private_key if b"-----BEGIN" in data else serialization.load_der_private_key
    )
    try:
        with parsing(UnreadableKey("the private key cannot be read", hint=_READABLE_KEYS)):
            # Whether the factors of an RSA key are prime is asked below: for a huge key it takes hours.
            key = loader(data, password, unsafe_skip_rsa_key_validation=True)
    except TypeError as error:
        if password is None:
            raise EncryptedKey("the private key is encrypted", hint="give its password with --password-file") from None
        if "not encrypted" in str(error):
            return read_private_key(data)
        raise UnreadableKey("the private key cannot be read", hint=_READABLE_KEYS) from None
    except (ValueError, UnsupportedAlgorithm, OverflowError, InternalError):
        # InternalError is what an X25519 key of the wrong length raises.
        if password is not None and (b"ENCRYPTED" in data or b"-----BEGIN" not in data):
            raise WrongPassword("the password does not open the private key", hint="try the password again") from None
        raise UnreadableKey("the private key cannot be read", hint=_READABLE_KEYS) from None
    if not isinstance(key, PrivateKey):
        raise UnreadableKey("the private key's algorithm is not supported", hint=_READABLE_KEYS)
    accepted_public_key(key.public_key())
    return _validated(key) if isinstance(key, rsa.RSAPrivateKey) else key


def _validated(key: rsa.RSAPrivateKey) -> rsa.RSAPrivateKey:
    try:
        return key.private_numbers().private_key()
    except ValueError:
        raise UnreadableKey("the private key cannot be read", hint=_READABLE_KEYS) from None


_READABLE_KEYS = "give a PKCS#8, PKCS#1 or SEC 1 key in PEM or DER: P-256, P-384, Ed25519 or RSA"

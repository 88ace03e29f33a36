"""Private keys: which kinds there are, reading them, writing them."""

import re
from contextlib import suppress
from enum import StrEnum

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from mutua.errors import EncryptedKey, UnreadableContents, UnreadableKey, WrongPassword
from mutua.pki.der import INTEGER, OCTET_STRING, SEQUENCE, Element, read_der
from mutua.pki.foreign import parsing
from mutua.pki.pbes import read_algorithm, read_encryption, require_affordable
from mutua.pki.pem import PemBlock, looks_like_pem, pem_blocks

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

MIN_RSA_BITS = 2048
"""NIST SP 800-57 part 1, table 2: below this a key has less than 112 bits of strength."""

MAX_RSA_BITS = 8192
"""A larger modulus only makes every handshake slower; OpenSSL itself stops at 16384."""

MAX_RSA_EXPONENT_BITS = 64
"""OPENSSL_RSA_MAX_PUBEXP_BITS: verifying takes as long as the exponent is."""

MAX_KEY_BYTES = 64 * 1024
"""An encrypted RSA-8192 key in PEM takes under 8 KiB."""

MAX_TRADITIONAL_BYTES = 8 * 1024
"""An RSA-8192 key takes under 5 KiB."""


class KeyType(StrEnum):
    """The kinds of key mutua makes. P-256 unless a partner's profile asks for another."""

    P256 = "p256"
    P384 = "p384"
    RSA2048 = "rsa2048"
    RSA3072 = "rsa3072"
    RSA4096 = "rsa4096"
    ED25519 = "ed25519"


def key_type_of(key: object) -> KeyType:
    """The kind of key to make in place of this one; P-256 for one of no kind that mutua makes."""
    match key:
        case ec.EllipticCurvePublicKey(curve=ec.SECP384R1()):
            return KeyType.P384
        case ed25519.Ed25519PublicKey():
            return KeyType.ED25519
        case rsa.RSAPublicKey(key_size=size):
            return KeyType.RSA2048 if size <= 2048 else KeyType.RSA3072 if size <= 3072 else KeyType.RSA4096
    return KeyType.P256


def signature_hash(key: PrivateKey | PublicKey) -> hashes.SHA256 | hashes.SHA384 | None:
    """The hash a certificate signed with this key uses; ``None`` for Ed25519, which has its own (RFC 8410)."""
    match key:
        case ec.EllipticCurvePrivateKey() | ec.EllipticCurvePublicKey():
            return hashes.SHA384() if key.key_size > 256 else hashes.SHA256()
        case ed25519.Ed25519PrivateKey() | ed25519.Ed25519PublicKey():
            return None
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
        case ec.EllipticCurvePublicKey() if isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1):
            return key
        case ed25519.Ed25519PublicKey():
            return key
        case rsa.RSAPublicKey() if MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
            return key
        case rsa.RSAPublicKey():
            problem = f"an RSA key of {key.key_size} bits is outside {MIN_RSA_BITS} to {MAX_RSA_BITS}"
        case ec.EllipticCurvePublicKey():
            problem = f"the curve {key.curve.name} is not supported"
        case _:
            problem = "the key's algorithm is not supported"
    raise UnreadableKey(problem, hint=_ACCEPTED_KEYS)


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
        data: the file's bytes, at most 64 KiB; of a PEM file the first private key is read.
        password: for an encrypted key; ignored by one that is not encrypted.

    Raises:
        EncryptedKey: it is encrypted and no password was given.
        WrongPassword: the password does not open it.
        UnreadableKey: it is no private key, of a kind ``accepted_public_key`` refuses, or would keep us busy.
    """
    if len(data) > MAX_KEY_BYTES:
        raise UnreadableKey(f"{len(data)} bytes are too many for a private key", hint="give the key file itself")
    try:
        if not looks_like_pem(data):
            return _read_der_key(data, password)
        block = next((each for each in pem_blocks(data) if each.label.endswith("PRIVATE KEY")), None)
        if block is None:
            raise UnreadableKey("there is no private key in this PEM file", hint=_READABLE_KEYS)
        if block.headers:
            return _read_traditional_key(block, password)
        return _read_der_key(block.der, password)
    except UnreadableContents as error:
        raise UnreadableKey(f"the private key cannot be read: {error.message}", hint=_READABLE_KEYS) from None


def rounds_of_private_key(der: bytes) -> int:
    """What its password costs, in rounds of SHA-256: zero for a key that is not encrypted.

    Raises:
        UnreadableKey, UnreadableContents: it is no private key, or encrypted in a way we do not know.
    """
    members = read_der(der).members()
    return read_encryption(members[0]).rounds if _is_encrypted(members) else 0


def read_encrypted_key(der: bytes, password: bytes | None) -> PrivateKey:
    """Read an EncryptedPrivateKeyInfo whose rounds the caller has counted (RFC 5958 section 3).

    Args:
        der: the structure.
        password: ``None`` is none at all, as only PKCS#12 has it.

    Raises:
        WrongPassword: the password does not open it. UnreadableKey: what is in it is not accepted.
        UnreadableContents: it is damaged.
    """
    outer = read_der(der).members()
    if not _is_encrypted(outer):
        raise UnreadableContents("the DER has something else where an encrypted key belongs")
    clear = read_encryption(outer[0]).decrypt(outer[1].octets(), password)
    try:
        members = read_der(clear).members()
    except UnreadableContents:
        # One wrong password in 256 leaves a padding that looks right.
        raise WrongPassword("the password does not open the private key", hint="try the password again") from None
    return _load(clear, members)


def _read_der_key(der: bytes, password: bytes | None) -> PrivateKey:
    members = read_der(der).members()
    if not _is_encrypted(members):
        return _load(der, members)
    if not password:
        raise EncryptedKey("the private key is encrypted", hint="give its password with --password-file")
    require_affordable(rounds_of_private_key(der))
    return read_encrypted_key(der, password)


def _is_encrypted(members: tuple[Element, ...]) -> bool:
    return [each.tag for each in members] == [SEQUENCE, OCTET_STRING]


def _read_traditional_key(block: PemBlock, password: bytes | None) -> PrivateKey:
    """Read a key that OpenSSL encrypted before PKCS#8, its key derived by one round of MD5."""
    known = block.label in {"RSA PRIVATE KEY", "EC PRIVATE KEY"} and _TRADITIONAL_CIPHER.search(block.encoding)
    if not known or len(block.der) > MAX_TRADITIONAL_BYTES:
        raise UnreadableKey("the private key's algorithm is not supported", hint=_READABLE_KEYS)
    if not password:
        raise EncryptedKey("the private key is encrypted", hint="give its password with --password-file")
    try:
        with parsing(UnreadableKey("the private key cannot be read", hint=_READABLE_KEYS)):
            key = serialization.load_pem_private_key(block.encoding, password, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm, OverflowError):
        raise WrongPassword("the password does not open the private key", hint="try the password again") from None
    return _accepted(key)


def _load(der: bytes, members: tuple[Element, ...]) -> PrivateKey:
    """Let cryptography read a key that is not encrypted, once its kind and size are known.

    It would compute a DSA or Diffie-Hellman key's public half, and prove an RSA key's factors prime, whatever their
    size: for what fits into 64 KiB that takes hours.
    """
    tags = [each.tag for each in members]
    if tags[:3] == [INTEGER, SEQUENCE, OCTET_STRING]:
        kind = read_algorithm(members[1])[0]
        if kind not in _ALGORITHMS:
            raise UnreadableKey("the private key's algorithm is not supported", hint=_READABLE_KEYS)
        inner = read_der(members[2].content).members() if kind in _RSA else ()
    elif tags[:2] == [INTEGER, OCTET_STRING] or tags == [INTEGER] * _PKCS1_MEMBERS:
        inner = members if tags[1] == INTEGER else ()
    else:
        raise UnreadableKey("the private key cannot be read", hint=_READABLE_KEYS)
    if inner:
        _require_rsa_size(*(each.integer().bit_length() for each in inner[1:3]))
    try:
        with parsing(UnreadableKey("the private key cannot be read", hint=_READABLE_KEYS)):
            return _accepted(serialization.load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True))
    except (ValueError, TypeError, UnsupportedAlgorithm, OverflowError):
        raise UnreadableKey("the private key cannot be read", hint=_READABLE_KEYS) from None


def _accepted(key: object) -> PrivateKey:
    if not isinstance(key, PrivateKey):
        raise UnreadableKey("the private key's algorithm is not supported", hint=_READABLE_KEYS)
    accepted_public_key(key.public_key())
    if isinstance(key, rsa.RSAPrivateKey):
        _require_consistent(key)
    return key


def _require_consistent(key: rsa.RSAPrivateKey) -> None:
    """Refuse an RSA key whose parts do not belong together (RFC 8017 section 3.2).

    OpenSSL would prove both factors prime as well, which takes seconds at 8192 bits and longer for factors of unequal
    size. That a signature verifies is a Fermat test of both.
    """
    numbers = key.private_numbers()
    p, q, d, e = numbers.p, numbers.q, numbers.d, numbers.public_numbers.e
    fits = (
        p * q == numbers.public_numbers.n
        and min(p, q, e) > 2
        and p & q & e & 1
        and e * d % (p - 1) == 1
        and e * d % (q - 1) == 1
        and numbers.dmp1 == d % (p - 1)
        and numbers.dmq1 == d % (q - 1)
        and numbers.iqmp * q % p == 1
    )
    if fits:
        with parsing(UnreadableKey("the private key cannot be read", hint=_READABLE_KEYS)), suppress(*_NO_SIGNATURE):
            signature = key.sign(b"mutua", padding.PKCS1v15(), hashes.SHA256())
            key.public_key().verify(signature, b"mutua", padding.PKCS1v15(), hashes.SHA256())
            return
    raise UnreadableKey("the private key cannot be read: its numbers do not belong together", hint=_READABLE_KEYS)


def _require_rsa_size(modulus: int, exponent: int) -> None:
    if modulus > MAX_RSA_BITS or exponent > MAX_RSA_EXPONENT_BITS:
        raise UnreadableKey(
            f"an RSA key of {modulus} bits with an exponent of {exponent} is outside what is accepted",
            hint=_ACCEPTED_KEYS,
        )


_TRADITIONAL_CIPHER = re.compile(
    rb"^DEK-Info: (AES-(128|192|256)-CBC,[0-9A-Fa-f]{32}|DES-EDE3-CBC,[0-9A-Fa-f]{16})\s*$", re.MULTILINE
)
"""With the whole initialization vector: cryptography panics on a short one, and says so on stderr."""

_NO_SIGNATURE = (ValueError, InvalidSignature, UnsupportedAlgorithm)
_RSA = frozenset({"1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10"})
_ALGORITHMS = _RSA | {"1.2.840.10045.2.1", "1.3.101.112"}
_PKCS1_MEMBERS = 9
_ACCEPTED_KEYS = "use P-256, P-384, Ed25519, or RSA with 2048 bits or more"
_READABLE_KEYS = "give a PKCS#8, PKCS#1 or SEC 1 key in PEM or DER: P-256, P-384, Ed25519 or RSA"

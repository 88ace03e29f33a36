"""Password-based encryption of keys and certificates (RFC 8018; RFC 7292 appendices B and C).

What a file asks for is read and counted here before anything is derived from a password: an iteration count of two
thousand million is four bytes long. And it is decrypted here, because cryptography does not say what it will find:
inside may be a key that takes hours to load.
"""

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt as ScryptKdf
from cryptography.hazmat.primitives.padding import PKCS7

from mutua.errors import UnreadableContents, UnreadableKey, WrongPassword
from mutua.pki.der import SEQUENCE, Element, dotted

MAX_ROUNDS = 5_000_000
"""Rounds of SHA-256 that a file may ask for in all: under a second. GnuTLS 3.7 takes 600,000 for the MAC, the key and
each certificate, 4.2 million for a chain of three as they are counted here; Java stops at 5,000,000 for each."""

MAX_SCRYPT_BYTES = 128 * 1024 * 1024
"""128 N r, with the N of 2^17 and r of 8 that OWASP asks for: as much as mutua itself takes to seal a CA key."""

MAX_SCRYPT_PARALLEL = 16
"""OWASP's table of equal strength ends at 10."""

_WEIGHTS = {"sha1": 1, "sha224": 1, "sha256": 1, "sha384": 4, "sha512": 4}
"""What a round of PBKDF2 costs, in rounds of SHA-256, as measured."""

_KDF_WEIGHT = 3
"""The same for the PKCS#12 derivation, which runs in Python."""

KEY, INITIALIZATION_VECTOR, MAC_KEY = 1, 2, 3  # RFC 7292 appendix B.3

DIGESTS = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
HMACS = {f"1.2.840.113549.2.{7 + place}": digest for place, digest in enumerate(_WEIGHTS)}

PBKDF2, SCRYPT, PBES2 = "1.2.840.113549.1.5.12", "1.3.6.1.4.1.11591.4.11", "1.2.840.113549.1.5.13"
PBE_SHA1_3DES = "1.2.840.113549.1.12.1.3"
_PBES1 = ("1.2.840.113549.1.12.1.", "1.2.840.113549.1.5.")
_CIPHERS: dict[str, tuple[type[AES | TripleDES], int]] = {
    "2.16.840.1.101.3.4.1.2": (AES, 16),
    "2.16.840.1.101.3.4.1.22": (AES, 24),
    "2.16.840.1.101.3.4.1.42": (AES, 32),
    "1.2.840.113549.3.7": (TripleDES, 24),
}
_HINT = "ask its sender for one with at most 600000 iterations"
_UNSUPPORTED = "write it anew with AES, such as by: openssl pkcs8 -topk8 -v2 aes-256-cbc -in FILE -out NEW"


@dataclass(frozen=True, slots=True)
class Pbkdf2:
    """PBKDF2 (RFC 8018 section 5.2)."""

    salt: bytes
    iterations: int
    digest: str

    def rounds(self, length: int) -> int:
        """What ``length`` bytes of key cost, in rounds of SHA-256."""
        return self.iterations * -(-length // hashlib.new(self.digest).digest_size) * _WEIGHTS[self.digest]

    def derive(self, password: bytes | None, length: int) -> bytes:
        """``length`` bytes of key."""
        return hashlib.pbkdf2_hmac(self.digest, password or b"", self.salt, self.iterations, length)


@dataclass(frozen=True, slots=True)
class Scrypt:
    """Scrypt (RFC 7914), its parameters within our limits."""

    salt: bytes
    n: int
    r: int
    p: int

    def __post_init__(self) -> None:
        if min(self.n, self.r, self.p) < 1 or self.n & (self.n - 1) or self.n == 1:
            raise UnreadableKey("its scrypt parameters make no sense", hint=_HINT)
        if 128 * self.n * self.r > MAX_SCRYPT_BYTES or self.p > MAX_SCRYPT_PARALLEL:
            raise UnreadableKey(f"its scrypt parameters (N {self.n}, r {self.r}, p {self.p}) are too large", hint=_HINT)

    def rounds(self, _length: int) -> int:
        """What a key costs, in rounds of SHA-256."""
        return self.n * self.r * self.p

    def derive(self, password: bytes | None, length: int) -> bytes:
        """``length`` bytes of key."""
        return ScryptKdf(self.salt, length, self.n, self.r, self.p).derive(password or b"")


@dataclass(frozen=True, slots=True)
class Pkcs12Kdf:
    """The derivation of PKCS#12 (RFC 7292 appendix B.2), of which cryptography has no function to call."""

    salt: bytes
    iterations: int
    digest: str

    def rounds(self, length: int) -> int:
        """What ``length`` bytes cost, in rounds of SHA-256."""
        return self.iterations * -(-length // hashlib.new(self.digest).digest_size) * _KDF_WEIGHT

    def derive(self, password: bytes | None, length: int, purpose: int) -> bytes:
        """``length`` bytes for a purpose.

        Args:
            password: UTF-8; ``None`` for none at all, which is not the empty one.
            length: bytes.
            purpose: KEY, INITIALIZATION_VECTOR or MAC_KEY.

        Raises:
            WrongPassword: it is not UTF-8.
        """
        hashed = getattr(hashlib, self.digest)
        size = hashed().block_size
        blocks = [
            text[start : start + size]
            for text in (_filled(self.salt, size), _filled(_bmp(password), size))
            for start in range(0, len(text), size)
        ]
        derived = b""
        while True:
            value: bytes = bytes((purpose,)) * size + b"".join(blocks)
            for _ in range(self.iterations):
                value = hashed(value).digest()
            derived += value
            if len(derived) >= length:
                return derived[:length]
            step = int.from_bytes(_filled(value, size)[:size]) + 1
            blocks = [((int.from_bytes(block) + step) % (1 << 8 * size)).to_bytes(size) for block in blocks]


@dataclass(frozen=True, slots=True)
class Encryption:
    """How something is encrypted under a password.

    Attributes:
        derivation: how the key comes from the password.
        cipher: in CBC mode; ``None`` for one that mutua does not decrypt, such as RC2.
        key_size: bytes.
        iv: the initialization vector; empty where it is derived too.
        name: the algorithm's identifier, dotted.
    """

    derivation: Pbkdf2 | Scrypt | Pkcs12Kdf
    cipher: type[AES | TripleDES] | None
    key_size: int
    iv: bytes
    name: str

    @property
    def rounds(self) -> int:
        """What decrypting costs, in rounds of SHA-256."""
        rounds = self.derivation.rounds(self.key_size)
        return rounds if self.iv else rounds + self.derivation.rounds(1)

    def decrypt(self, data: bytes, password: bytes | None) -> bytes:
        """The plain text; the caller has counted the rounds.

        Args:
            data: the cipher text.
            password: UTF-8; ``None`` for none at all.

        Raises:
            WrongPassword: the padding is wrong, which one wrong password in 256 does not cause.
            UnreadableKey: mutua does not decrypt it.
        """
        if self.cipher is None:
            raise UnreadableKey(f"it is encrypted with {self.name}, which is not supported", hint=_UNSUPPORTED)
        if isinstance(self.derivation, Pkcs12Kdf):
            key = self.derivation.derive(password, self.key_size, KEY)
            iv = self.derivation.derive(password, 8, INITIALIZATION_VECTOR)
        else:
            key, iv = self.derivation.derive(password, self.key_size), self.iv
        try:
            decryptor, unpadder = Cipher(self.cipher(key), modes.CBC(iv)).decryptor(), PKCS7(len(iv) * 8).unpadder()
            padded = decryptor.update(data) + decryptor.finalize()
            return unpadder.update(padded) + unpadder.finalize()
        except ValueError:
            raise WrongPassword("the password does not open it", hint="try the password again") from None


def read_encryption(algorithm: Element) -> Encryption:
    """Read an AlgorithmIdentifier of password-based encryption.

    Raises:
        UnreadableKey: it is of no kind we know, or its parameters are out of bounds.
        UnreadableContents: it is damaged.
    """
    name, parameters = read_algorithm(algorithm)
    if name == PBES2:
        return _pbes2(parameters)
    if not name.startswith(_PBES1):
        raise UnreadableKey(f"it is encrypted with {name}, which is not supported", hint=_UNSUPPORTED)
    salt, iterations = _members(parameters, 2, most=2)
    known = name == PBE_SHA1_3DES
    # The others also take at most 24 bytes of key, derived from SHA-1 or from something quicker.
    derivation = Pkcs12Kdf(salt.octets(), positive(iterations), "sha1")
    return Encryption(derivation, TripleDES if known else None, 24, b"", name)


def read_pbkdf2(parameters: Element) -> tuple[Pbkdf2, int | None]:
    """Read PBKDF2-params, and the length of key they name (RFC 8018 appendix A.2).

    Raises:
        UnreadableKey, UnreadableContents: see ``read_encryption``.
    """
    salt, iterations, *rest = _members(parameters, 2)
    length = positive(rest.pop(0)) if rest and rest[0].tag != SEQUENCE else None
    digest = HMACS.get(read_algorithm(rest.pop(0))[0]) if rest else "sha1"
    if digest is None or rest:
        raise UnreadableKey("its PBKDF2 parameters are not supported", hint=_UNSUPPORTED)
    return Pbkdf2(salt.octets(), positive(iterations), digest), length


def read_algorithm(algorithm: Element) -> tuple[str, Element]:
    """An AlgorithmIdentifier's identifier, dotted, and its parameters; itself where it has none."""
    identifier, *parameters = _members(algorithm, 1)
    return dotted(identifier.identifier()), parameters[0] if parameters else algorithm


def require_affordable(rounds: int) -> None:
    """Refuse a file that would keep us busy.

    Raises:
        UnreadableKey: it asks for more than ``MAX_ROUNDS``.
    """
    if rounds > MAX_ROUNDS:
        raise UnreadableKey(f"its password would take {rounds} rounds of hashing, over {MAX_ROUNDS}", hint=_HINT)


def positive(element: Element) -> int:
    """An INTEGER from 1 to 2^63 - 1.

    Raises:
        UnreadableContents: it is none.
    """
    value = element.integer()
    if not 1 <= value < 1 << 63:
        raise UnreadableContents("the DER has a count that cannot be")
    return value


def _pbes2(parameters: Element) -> Encryption:
    derivation, encryption = _members(parameters, 2, most=2)
    name, details = read_algorithm(encryption)
    cipher, size = _CIPHERS.get(name, (None, 32))
    iv = details.octets() if cipher else b"\x00"
    if cipher and 8 * len(iv) != cipher.block_size:
        raise UnreadableContents("the DER has an initialization vector of a wrong length")
    kdf, kdf_details = read_algorithm(derivation)
    if kdf == PBKDF2:
        derive: Pbkdf2 | Scrypt = read_pbkdf2(kdf_details)[0]
    elif kdf == SCRYPT:
        salt, *costs = _members(kdf_details, 4)
        derive = Scrypt(salt.octets(), *map(positive, costs[:3]))
    else:
        raise UnreadableKey(f"its key is derived by {kdf}, which is not supported", hint=_UNSUPPORTED)
    return Encryption(derive, cipher, size, iv, name)


def _members(element: Element, least: int, *, most: int | None = None) -> tuple[Element, ...]:
    members = element.expect(SEQUENCE).members()
    if not least <= len(members) <= (most or len(members)):
        raise UnreadableContents("the DER has a structure with too few members or too many")
    return members


def _bmp(password: bytes | None) -> bytes:
    """A password as PKCS#12 takes it: UTF-16 with two zero bytes at its end (RFC 7292 appendix B.1)."""
    if password is None:
        return b""
    try:
        return password.decode().encode("utf-16-be") + b"\x00\x00"
    except UnicodeError:
        raise WrongPassword("the password is not UTF-8", hint="try the password again") from None


def _filled(text: bytes, size: int) -> bytes:
    """``text`` repeated up to a multiple of ``size`` bytes; nothing stays nothing."""
    length = -(-len(text) // size) * size
    return (text * (length // len(text) + 1))[:length] if text else b""

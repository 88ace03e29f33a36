"""Requests that no library writes: any part can be given, and the signature still fits. And keys that can be broken."""

from collections.abc import Sequence
from functools import cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from mutua.pki.keys import PrivateKey, public_key_bytes
from tests.pki.hierarchy import key_of


def write_der(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(length))) + length + content


def write_integer(value: int) -> bytes:
    return write_der(0x02, value.to_bytes(value.bit_length() // 8 + 1))


def write_identifier(dotted: str) -> bytes:
    first, second, *arcs = map(int, dotted.split("."))
    content = b""
    for arc in (40 * first + second, *arcs):
        groups = [arc >> shift & 0x7F for shift in range(0, arc.bit_length() or 1, 7)]
        content += bytes(group | 0x80 for group in groups[:0:-1]) + bytes(groups[:1])
    return write_der(0x06, content)


SEQUENCE, SET, OCTETS, BITS, TEXT, NULL, CONTEXT_0 = 0x30, 0x31, 0x04, 0x03, 0x0C, 0x05, 0xA0
NO_NAME = write_der(SEQUENCE)
EXTENSION_REQUEST = "1.2.840.113549.1.9.14"
SUBJECT_ALT_NAME = "2.5.29.17"
ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2"
RSA_WITH_SHA256 = "1.2.840.113549.1.1.11"
RSA_WITH_MD5 = "1.2.840.113549.1.1.4"
RSA_WITH_SHA1 = "1.2.840.113549.1.1.5"


def extension(identifier: str, value: bytes) -> bytes:
    return write_der(SEQUENCE, write_identifier(identifier), write_der(OCTETS, value))


def attribute(identifier: str, *values: bytes) -> bytes:
    return write_der(SEQUENCE, write_identifier(identifier), write_der(SET, *values))


def extension_request(*extensions: bytes) -> bytes:
    return attribute(EXTENSION_REQUEST, write_der(SEQUENCE, *extensions))


def alternatives(*dns_names: bytes) -> bytes:
    return extension(SUBJECT_ALT_NAME, write_der(SEQUENCE, *(write_der(0x82, name) for name in dns_names)))


def subject(*values: tuple[str, bytes], tag: int = TEXT) -> bytes:
    pairs = (write_der(SEQUENCE, write_identifier(identifier), write_der(tag, value)) for identifier, value in values)
    return write_der(SEQUENCE, *(write_der(SET, pair) for pair in pairs))


def rsa_spki(modulus: int, exponent: int) -> bytes:
    key = write_der(SEQUENCE, write_integer(modulus), write_integer(exponent))
    algorithm = write_der(SEQUENCE, write_identifier("1.2.840.113549.1.1.1"), write_der(NULL))
    return write_der(SEQUENCE, algorithm, write_der(BITS, b"\0" + key))


def forged(
    *attributes: bytes,
    key: PrivateKey | None = None,
    name: bytes = NO_NAME,
    spki: bytes | None = None,
    algorithm: str | None = None,
    signature: bytes | None = None,
    version: int = 0,
) -> bytes:
    """A request in DER, signed with the key unless a signature is given."""
    key = key or key_of("end entity")
    spki = spki or public_key_bytes(key.public_key())
    content = write_der(SEQUENCE, write_integer(version), name, spki, write_der(CONTEXT_0, *sorted(attributes)))
    if isinstance(key, rsa.RSAPrivateKey):
        algorithm = algorithm or RSA_WITH_SHA256
        signature = signature or key.sign(content, padding.PKCS1v15(), hashes.SHA256())
    else:
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        algorithm = algorithm or ECDSA_WITH_SHA256
        signature = signature or key.sign(content, ec.ECDSA(hashes.SHA256()))
    identifier = write_der(SEQUENCE, write_identifier(algorithm))
    return write_der(SEQUENCE, content, identifier, write_der(BITS, b"\0" + signature))


@cache
def rsa_key(p: int, q: int, exponent: int = 65537) -> rsa.RSAPrivateKey:
    """The key of two primes."""
    private = pow(exponent, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=private,
        dmp1=private % (p - 1),
        dmq1=private % (q - 1),
        iqmp=pow(q, -1, p),
        public_numbers=rsa.RSAPublicNumbers(exponent, p * q),
    )
    return numbers.private_key()


def rsa_public_key(modulus: int, exponent: int = 65537) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def _from_hex(lines: Sequence[str]) -> int:
    return int("".join(lines), 16)


# Made as the chips of CVE-2017-15361 make primes: k * M + (65537 ** a mod M), M the product of the first 126 primes.
ROCA_PRIMES = (
    _from_hex(
        [
            "d52145431fc391f3c098142c4073ff7d587b0da8d2cbdb3754f977fc9aac07f20d02810b87db361cd27d79fd",
            "e6f3e9e1f6ea4bbc4c39b4cff8d9f933596992e923a9338f4d9e0766ef45bcb2d3e645627670bb20d161a7f3",
            "3ec8eb373b923936661f3482dd212c4efe86795f746b1ba5f65ff5547532ce1183743177d925edc9",
        ]
    ),
    _from_hex(
        [
            "f02d556c5f20bf9a3d0056bf1531228a51b6010ba665e2eef877e628d4c0ba8e8389d828b10c9672b6866b37",
            "58137de0a56a2de31d2c3e220c71f3d35b11c9378b1fc719717496e3a19c4a71b85730d68db941b78aeacc4b",
            "dcdc84f49c0cd2434c1506cd441a8bbb2323b6bdd6c9817c614f593ecb3512eb0b1275a33e44c51d",
        ]
    ),
)
_CLOSE_PRIME = _from_hex(
    [
        "d2d077aa6e65272341faa914c24f6c422bdd9a8f175e007e7727ce7bc39d4bd87d967e79ebf561f5801a20e7",
        "64ccd1c678c5207d26e5277ed498ce05ed62da8fd55dca35ebf962be69d2f55735350b9400c3edbac084d01d",
        "c7b9727a4bb0614fde98e7131c6c60e408ad19ba2e1abcd1c8a3d4a21e2f2f7d0086068d577b070f",
    ]
)
CLOSE_PRIMES = (_CLOSE_PRIME, _CLOSE_PRIME + 12)

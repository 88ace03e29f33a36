"""PKCS#12 files and keys of every shape, put together by hand: what no honest tool writes."""

import hashlib
import hmac
from collections.abc import Iterable

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from mutua.pki.der import INTEGER, OCTET_STRING, SEQUENCE, SET, encode, encode_identifier
from mutua.pki.pbes import HMACS, PBE_SHA1_3DES, PBES2, PBKDF2, SCRYPT, Pkcs12Kdf
from mutua.pki.pfx import (
    CERTIFICATE_BAG,
    ENCRYPTED_DATA,
    EXPLICIT,
    FRIENDLY_NAME,
    IMPLICIT,
    KEY_BAG,
    PBMAC1,
    SAFE_CONTENTS_BAG,
    SHROUDED_KEY_BAG,
    X509_CERTIFICATE,
    write_content_info,
    write_pfx,
)

PASSWORD = b"correct horse"
FOREVER = 2**31 - 1
SALT, IV = b"\x01" * 8, b"\x02" * 16
AES_256_CBC = "2.16.840.1.101.3.4.1.42"
PBE_SHA1_RC2_40 = "1.2.840.113549.1.12.1.6"
NULL = b"\x05\x00"


def integer(value: int) -> bytes:
    return encode(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, signed=True))


def algorithm(name: str, parameters: bytes = NULL) -> bytes:
    return encode(SEQUENCE, encode_identifier(name), parameters)


def pbkdf2(iterations: int, digest: str = "sha256", *, key_size: int | None = None, salt: bytes = SALT) -> bytes:
    prf = next(each for each, name in HMACS.items() if name == digest)
    size = integer(key_size) if key_size is not None else b""
    return algorithm(PBKDF2, encode(SEQUENCE, encode(OCTET_STRING, salt), integer(iterations), size, algorithm(prf)))


def pbes2(derivation: bytes, cipher: str = AES_256_CBC, iv: bytes = IV) -> bytes:
    return algorithm(PBES2, encode(SEQUENCE, derivation, algorithm(cipher, encode(OCTET_STRING, iv))))


def scrypt(n: int, r: int, p: int) -> bytes:
    return algorithm(SCRYPT, encode(SEQUENCE, encode(OCTET_STRING, SALT), integer(n), integer(r), integer(p)))


def pbes1(iterations: int, name: str = PBE_SHA1_3DES) -> bytes:
    return algorithm(name, encode(SEQUENCE, encode(OCTET_STRING, SALT), integer(iterations)))


def encrypted(clear: bytes, password: bytes = PASSWORD) -> bytes:
    """The cipher text of ``pbes2(pbkdf2(1))``."""
    padder = PKCS7(128).padder()
    key = hashlib.pbkdf2_hmac("sha256", password, SALT, 1, 32)
    encryptor = Cipher(algorithms.AES(key), modes.CBC(IV)).encryptor()
    return encryptor.update(padder.update(clear) + padder.finalize()) + encryptor.finalize()


def encrypted_key(algorithm_identifier: bytes, cipher_text: bytes) -> bytes:
    return encode(SEQUENCE, algorithm_identifier, encode(OCTET_STRING, cipher_text))


def sealed(clear: bytes, password: bytes = PASSWORD) -> bytes:
    """An EncryptedPrivateKeyInfo that the password opens at once."""
    return encrypted_key(pbes2(pbkdf2(1)), encrypted(clear, password))


def bag(kind: str, value: bytes, friendly_name: str = "") -> bytes:
    attributes = b""
    if friendly_name:
        name = encode(0x1E, friendly_name.encode("utf-16-be"))
        attributes = encode(SET, encode(SEQUENCE, encode_identifier(FRIENDLY_NAME), encode(SET, name)))
    return encode(SEQUENCE, encode_identifier(kind), encode(EXPLICIT, value), attributes)


def key_bag(private_key: bytes) -> bytes:
    return bag(KEY_BAG, private_key)


def shrouded_key_bag(encrypted_private_key: bytes, friendly_name: str = "") -> bytes:
    return bag(SHROUDED_KEY_BAG, encrypted_private_key, friendly_name)


def certificate_bag(certificate: bytes, friendly_name: str = "") -> bytes:
    value = encode(EXPLICIT, encode(OCTET_STRING, certificate))
    return bag(CERTIFICATE_BAG, encode(SEQUENCE, encode_identifier(X509_CERTIFICATE), value), friendly_name)


def nested_bags(depth: int) -> bytes:
    value = encode(SEQUENCE)
    for _ in range(depth):
        value = encode(SEQUENCE, bag(SAFE_CONTENTS_BAG, value))
    return value


def plain_safe(*bags: bytes) -> bytes:
    return write_content_info(encode(SEQUENCE, *bags))


def encrypted_safe(algorithm_identifier: bytes, cipher_text: bytes) -> bytes:
    info = encode(
        SEQUENCE,
        encode_identifier("1.2.840.113549.1.7.1"),
        algorithm_identifier,
        encode(IMPLICIT, cipher_text),
    )
    data = encode(SEQUENCE, integer(0), info)
    return encode(SEQUENCE, encode_identifier(ENCRYPTED_DATA), encode(EXPLICIT, data))


def safe_of(*bags: bytes) -> bytes:
    """A safe that the password opens at once."""
    return encrypted_safe(pbes2(pbkdf2(1)), encrypted(encode(SEQUENCE, *bags)))


def pfx(*safes: bytes, password: bytes | None = PASSWORD, digest: str = "sha1") -> bytes:
    """A PFX of the safes with a MAC that verifies at once."""
    return write_pfx(encode(SEQUENCE, *safes), Pkcs12Kdf(SALT, 1, digest), password)


def pfx_with_mac(mac: bytes, *safes: bytes) -> bytes:
    return encode(SEQUENCE, integer(3), write_content_info(encode(SEQUENCE, *safes)), mac)


def mac_data(iterations: int, value: bytes = bytes(20)) -> bytes:
    info = encode(SEQUENCE, algorithm("1.3.14.3.2.26"), encode(OCTET_STRING, value))
    return encode(SEQUENCE, info, encode(OCTET_STRING, SALT), integer(iterations))


def pbmac1(iterations: int, *safes: bytes, password: bytes = PASSWORD, key_size: int = 32) -> bytes:
    """PBMAC1's MacData (RFC 9579), right where the iterations are few."""
    few = min(iterations, 1000)
    key = hashlib.pbkdf2_hmac("sha256", password, SALT, few, min(key_size, 64))
    value = hmac.digest(key, encode(SEQUENCE, *safes), "sha256")
    hmac_sha256 = next(each for each, name in HMACS.items() if name == "sha256")
    parameters = encode(SEQUENCE, pbkdf2(iterations, key_size=key_size), algorithm(hmac_sha256))
    info = encode(SEQUENCE, algorithm(PBMAC1, parameters), encode(OCTET_STRING, value))
    return encode(SEQUENCE, info, encode(OCTET_STRING, b"NOT USED"))


def private_key_info(kind: str, parameters: bytes, key: bytes) -> bytes:
    return encode(SEQUENCE, integer(0), algorithm(kind, parameters), encode(OCTET_STRING, key))


def huge_rsa_key() -> bytes:
    """Two Mersenne primes: OpenSSL would prove them prime, each with more than a hundred rounds."""
    p, q, e = 2**44497 - 1, 2**21701 - 1, 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    return rsa_private_key(p, q, d, e)


def unbalanced_rsa_key() -> bytes:
    """No larger than we accept, and one factor is nearly all of it; proving that prime takes seconds."""
    p, q, e = 2**4423 - 1, 2**607 - 1, 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    return rsa_private_key(p, q, d, e)


def rsa_private_key(p: int, q: int, d: int, e: int = 65537) -> bytes:
    members = (0, p * q, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
    return encode(SEQUENCE, *map(integer, members))


def rsa_private_key_info(pkcs1: bytes) -> bytes:
    return private_key_info("1.2.840.113549.1.1.1", NULL, pkcs1)


def huge_dsa_key(bits: int = 100_000) -> bytes:
    """Its public half would be a power modulo a number of that many bits."""
    p, q, g, x = 2**bits - 1, 2**255 + 1, 3, 2 ** (bits - 1) + 1
    parameters = encode(SEQUENCE, integer(p), integer(q), integer(g))
    return private_key_info("1.2.840.10040.4.1", parameters, integer(x))


def huge_dh_key(bits: int = 100_000) -> bytes:
    parameters = encode(SEQUENCE, integer(2**bits - 1), integer(3))
    return private_key_info("1.2.840.113549.1.3.1", parameters, integer(2 ** (bits - 1) + 1))


def indefinite(data: bytes, chunk: int = 100) -> bytes:
    """DER as BER: every structure of indefinite length, every long OCTET STRING in pieces."""
    from mutua.pki.der import CONSTRUCTED, read_der

    element = read_der(data)
    if element.tag == OCTET_STRING and len(element.content) > chunk:
        pieces = (element.content[at : at + chunk] for at in range(0, len(element.content), chunk))
        return bytes((OCTET_STRING | CONSTRUCTED, 0x80)) + b"".join(_octets(pieces)) + b"\x00\x00"
    if not element.tag & CONSTRUCTED:
        return data
    members = b"".join(indefinite(each.encoding, chunk) for each in element.members())
    return bytes((element.tag, 0x80)) + members + b"\x00\x00"


def _octets(pieces: Iterable[bytes]) -> Iterable[bytes]:
    return (encode(OCTET_STRING, piece) for piece in pieces)

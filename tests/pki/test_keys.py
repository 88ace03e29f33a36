import math
from collections.abc import Callable
from functools import reduce

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa, x25519
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from mutua.errors import EncryptedKey, UnreadableKey, WrongPassword
from mutua.pki.der import encode
from mutua.pki.keys import (
    MAX_KEY_BYTES,
    KeyType,
    PrivateKey,
    accepted_public_key,
    describe_key,
    public_key_bytes,
    read_private_key,
    rounds_of_private_key,
    signature_hash,
    write_private_key,
)
from mutua.pki.pem import write_pem_block
from tests.pki import bombs
from tests.pki.hierarchy import key_of

KINDS = list(KeyType)
NAMES = {
    KeyType.P256: "P-256",
    KeyType.P384: "P-384",
    KeyType.RSA2048: "RSA-2048",
    KeyType.RSA3072: "RSA-3072",
    KeyType.RSA4096: "RSA-4096",
    KeyType.ED25519: "Ed25519",
}
REFUSED: dict[str, Callable[[], rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | dsa.DSAPrivateKey]] = {
    "RSA key of 1024 bits": lambda: rsa.generate_private_key(65537, 1024),
    "curve secp521r1": lambda: ec.generate_private_key(ec.SECP521R1()),
    "curve secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "algorithm is not supported": lambda: dsa.generate_private_key(1024),
}


def same(one: PrivateKey, other: PrivateKey) -> bool:
    return write_private_key(one) == write_private_key(other)


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_comes_back_from_pem(kind: KeyType) -> None:
    key = key_of("end entity", kind)
    written = write_private_key(key)
    assert written.startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert same(read_private_key(written), key)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sealed_key_comes_back_with_its_password_only(kind: KeyType) -> None:
    key = key_of("end entity", kind)
    sealed = write_private_key(key, b"correct horse")
    assert sealed.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    assert same(read_private_key(sealed, b"correct horse"), key)
    with pytest.raises(WrongPassword):
        read_private_key(sealed, b"battery staple")
    with pytest.raises(EncryptedKey):
        read_private_key(sealed)


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("kind", [KeyType.P256, KeyType.RSA2048])
def test_pkcs8_pkcs1_and_sec1_are_read_in_pem_and_der(kind: KeyType, form: PrivateFormat, encoding: Encoding) -> None:
    key = key_of("end entity", kind)
    assert same(read_private_key(key.private_bytes(encoding, form, NoEncryption())), key)


@pytest.mark.parametrize(
    ("encoding", "form"),
    [
        (Encoding.DER, PrivateFormat.PKCS8),
        (Encoding.PEM, PrivateFormat.TraditionalOpenSSL),
    ],
)
def test_other_encrypted_forms_tell_a_missing_password_from_a_wrong_one(
    encoding: Encoding, form: PrivateFormat
) -> None:
    key = key_of("end entity")
    encryption: KeySerializationEncryption = BestAvailableEncryption(b"correct horse")
    sealed = key.private_bytes(encoding, form, encryption)
    assert same(read_private_key(sealed, b"correct horse"), key)
    with pytest.raises(EncryptedKey):
        read_private_key(sealed)
    with pytest.raises(WrongPassword):
        read_private_key(sealed, b"battery staple")


def test_a_password_is_ignored_by_a_key_that_is_not_encrypted() -> None:
    key = key_of("end entity")
    assert same(read_private_key(write_private_key(key), b"unused"), key)


@pytest.mark.parametrize("why", REFUSED)
def test_weak_and_unsupported_keys_are_refused(why: str) -> None:
    key = REFUSED[why]()
    data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(UnreadableKey, match=why):
        read_private_key(data)
    with pytest.raises(UnreadableKey, match=why):
        accepted_public_key(key.public_key())


def test_a_key_that_cannot_sign_is_refused() -> None:
    key = x25519.X25519PrivateKey.generate()
    with pytest.raises(UnreadableKey, match="not supported"):
        read_private_key(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


@pytest.mark.parametrize("data", [b"", b"hello", b"-----BEGIN PRIVATE KEY-----\n", b"0\x03\x02\x01\x01", b"\x00" * 100])
def test_what_is_no_key_is_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadableKey):
        read_private_key(data)


def test_a_certificate_is_no_key(vectors: Callable[[str], bytes]) -> None:
    with pytest.raises(UnreadableKey):
        read_private_key(vectors("rfc8705_appA.pem"))


def test_a_file_too_large_for_a_key_is_not_parsed() -> None:
    data = write_private_key(key_of("end entity"))
    assert same(read_private_key(data.ljust(MAX_KEY_BYTES, b"\n")), key_of("end entity"))
    with pytest.raises(UnreadableKey, match="too many"):
        read_private_key(data.ljust(MAX_KEY_BYTES + 1, b"\n"))


def test_a_damaged_rsa_key_is_refused() -> None:
    key = key_of("end entity", KeyType.RSA2048)
    assert isinstance(key, rsa.RSAPrivateKey)
    data = bytearray(key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    data[-1] ^= 1
    with pytest.raises(UnreadableKey):
        read_private_key(bytes(data))


BOMBS: dict[str, Callable[[], bytes]] = {
    "a count": lambda: bombs.encrypted_key(bombs.pbes2(bombs.pbkdf2(bombs.FOREVER)), bytes(32)),
    "a count of triple DES": lambda: bombs.encrypted_key(bombs.pbes1(bombs.FOREVER), bytes(32)),
    "a count of RC2": lambda: bombs.encrypted_key(bombs.pbes1(bombs.FOREVER, bombs.PBE_SHA1_RC2_40), bytes(32)),
    "scrypt": lambda: bombs.encrypted_key(bombs.pbes2(bombs.scrypt(2**30, 8, 1)), bytes(32)),
    "a huge RSA key": bombs.huge_rsa_key,
    "a huge RSA key in PKCS#8": lambda: bombs.rsa_private_key_info(bombs.huge_rsa_key()),
    "a huge RSA key, encrypted": lambda: bombs.sealed(bombs.rsa_private_key_info(bombs.huge_rsa_key())),
    "a huge exponent": lambda: bombs.rsa_private_key(2**1279 - 1, 2**2203 - 1, 3, 2**2048 + 1),
    "a huge DSA key": bombs.huge_dsa_key,
    "a huge DSA key, encrypted": lambda: bombs.sealed(bombs.huge_dsa_key()),
    "a huge Diffie-Hellman key": bombs.huge_dh_key,
    "a huge Diffie-Hellman key, encrypted": lambda: bombs.sealed(bombs.huge_dh_key()),
    "a huge scalar": lambda: bombs.private_key_info(
        "1.2.840.10045.2.1",
        bytes.fromhex("06082a8648ce3d030107"),
        encode(0x30, bombs.integer(1), encode(0x04, b"\x7f" * 60_000)),
    ),
    "structures in structures": lambda: b"\x30\x80" * 30_000,
    "DER in DER": lambda: reduce(lambda inner, _: encode(0x30, inner), range(10_000), b""),
}


@pytest.mark.parametrize("pem", [False, True])
@pytest.mark.parametrize("name", BOMBS)
def test_what_would_keep_us_busy_is_refused(name: str, pem: bool) -> None:
    # cryptography would be at most of these until the timeout of the test.
    data = write_pem_block("PRIVATE KEY", BOMBS[name]()) if pem else BOMBS[name]()
    with pytest.raises(UnreadableKey):
        read_private_key(data, bombs.PASSWORD)


def test_the_size_of_an_rsa_key_is_told() -> None:
    with pytest.raises(UnreadableKey, match="66198 bits"):
        read_private_key(bombs.huge_rsa_key())


@pytest.mark.parametrize("label", ["DSA PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY"])
def test_only_rsa_and_ec_keys_are_encrypted_without_pkcs8(label: str) -> None:
    sealed = key_of("end entity").private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"correct horse")
    )
    with pytest.raises(UnreadableKey, match="not supported"):
        read_private_key(sealed.replace(b"EC PRIVATE KEY", label.encode()), b"correct horse")


P, Q = 2**1279 - 1, 2**2203 - 1
D = pow(65537, -1, (P - 1) * (Q - 1))


@pytest.mark.parametrize(
    ("p", "q", "d"),
    [(P + 2, Q, D), (P, Q + 2, D), (P, Q, D + 2), (P, Q, 0), (1, P * Q, D), (3, P * Q, D), (P, P, D)],
    ids=["p is not prime", "q is not prime", "another d", "no d", "p is one", "p is another", "p twice"],
)
def test_an_rsa_key_whose_numbers_do_not_belong_together_is_refused(p: int, q: int, d: int) -> None:
    read_private_key(bombs.rsa_private_key(P, Q, D))
    members = (0, P * Q if p in {1, 3} else p * q, 65537, d, p, q, d % max(p - 1, 1), d % (q - 1))
    coefficient = pow(q, -1, p) if p not in {1, q} else 1
    with pytest.raises(UnreadableKey, match="cannot be read"):
        read_private_key(encode(0x30, *map(bombs.integer, (*members, coefficient))))


def test_composite_factors_with_a_matching_exponent_are_found_by_signing() -> None:
    # All the arithmetic fits: only a signature tells that p is no prime.
    p = (2**607 - 1) * (2**1279 - 1)
    while math.gcd(65537, p - 1) != 1:
        p *= 3
    q = Q
    d = pow(65537, -1, (p - 1) * (q - 1))
    with pytest.raises(UnreadableKey, match="do not belong together"):
        read_private_key(bombs.rsa_private_key(p, q, d))


@pytest.mark.parametrize("kind", [KeyType.RSA2048, KeyType.RSA4096])
def test_good_rsa_keys_sign_after_reading(kind: KeyType) -> None:
    key = read_private_key(write_private_key(key_of("end entity", kind)))
    assert isinstance(key, rsa.RSAPrivateKey)
    signature = key.sign(b"x", padding.PKCS1v15(), SHA256())
    key.public_key().verify(signature, b"x", padding.PKCS1v15(), SHA256())


def test_the_first_private_key_of_a_file_is_read() -> None:
    one, two = key_of("end entity"), key_of("another")
    parameters = write_pem_block("EC PARAMETERS", bytes.fromhex("06082a8648ce3d030107"))
    assert same(read_private_key(parameters + write_private_key(one) + write_private_key(two)), one)


def test_rounds_are_counted_without_a_password() -> None:
    assert rounds_of_private_key(bombs.encrypted_key(bombs.pbes2(bombs.pbkdf2(12345)), b"")) == 12345
    der = key_of("end entity").private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert rounds_of_private_key(der) == 0


def test_a_short_initialization_vector_is_an_error_like_any_other() -> None:
    # cryptography's parser panics on it, and a panic is not an Exception.
    key = key_of("end entity")
    sealed = key.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"correct horse")
    )
    head, _, tail = sealed.partition(b"DEK-Info: AES-256-CBC,")
    assert tail
    with pytest.raises(UnreadableKey):
        read_private_key(head + b"DEK-Info: AES-256-CBC," + tail[:16] + tail[32:], b"correct horse")


def test_a_kind_of_key_with_the_length_of_another_is_an_error_like_any_other() -> None:
    # cryptography calls it an internal error of OpenSSL.
    ed25519_key = key_of("end entity", KeyType.ED25519).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    id_ed25519, id_x448 = bytes.fromhex("2b6570"), bytes.fromhex("2b656f")
    with pytest.raises(UnreadableKey):
        read_private_key(ed25519_key.replace(id_ed25519, id_x448))


@pytest.mark.parametrize("kind", KINDS)
def test_keys_are_described_as_people_call_them(kind: KeyType) -> None:
    assert describe_key(key_of("end entity", kind).public_key()) == NAMES[kind]


def test_the_signature_hash_fits_the_key() -> None:
    hashes = {kind: signature_hash(key_of("end entity", kind)) for kind in KINDS}
    assert hashes.pop(KeyType.ED25519) is None
    assert isinstance(hashes.pop(KeyType.P384), SHA384)
    assert all(isinstance(each, SHA256) for each in hashes.values())
    assert isinstance(signature_hash(key_of("end entity", KeyType.P384).public_key()), SHA384)


@pytest.mark.parametrize("kind", KINDS)
def test_accepted_keys_are_returned_as_they_are(kind: KeyType) -> None:
    key = key_of("end entity", kind).public_key()
    assert accepted_public_key(key) is key


def test_the_public_key_is_written_as_subject_public_key_info() -> None:
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    # RFC 8410 section 4: the algorithm 1.3.101.112 without parameters, then the 32 bytes.
    assert public_key_bytes(key) == bytes.fromhex("302a300506032b6570032100") + key.public_bytes_raw()

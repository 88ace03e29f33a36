from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from mutua.errors import EncryptedKey, UnreadableKey, WrongPassword
from mutua.pki.keys import (
    MAX_KEY_BYTES,
    KeyType,
    PrivateKey,
    accepted_public_key,
    describe_key,
    public_key_bytes,
    read_private_key,
    signature_hash,
    write_private_key,
)
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


def test_an_rsa_key_that_would_take_hours_to_check_is_refused_by_its_size() -> None:
    # Two Mersenne primes: OpenSSL would prove them prime, each with more than a hundred rounds.
    p, q, e = 2**44497 - 1, 2**21701 - 1, 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    members = (0, p * q, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
    content = b"".join(der(0x02, number.to_bytes(number.bit_length() // 8 + 1)) for number in members)
    with pytest.raises(UnreadableKey, match="66198 bits"):
        read_private_key(der(0x30, content))


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


def der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(length)]) + length + content

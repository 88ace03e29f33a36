import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa, x25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from mutua.errors import (
    EncryptedKey,
    UnreadableCertificate,
    UnreadableContents,
    UnreadableCrl,
    UnreadableKey,
    UnreadableRequest,
    WrongPassword,
)
from mutua.pki.certificates import write_der
from mutua.pki.contents import (
    MAX_CONTENTS_BYTES,
    MAX_REQUEST_BYTES,
    CertificateContent,
    Content,
    CrlContent,
    Pkcs7Content,
    Pkcs12Content,
    PrivateKeyContent,
    PublicKeyContent,
    RequestContent,
    UnknownContent,
    read_contents,
)
from mutua.pki.der import encode
from mutua.pki.keys import KeyType, write_private_key
from mutua.pki.pem import write_pem_block
from mutua.pki.pkcs7 import write_pkcs7
from mutua.pki.pkcs12 import MAX_PRIVATE_KEYS, write_pkcs12
from tests.pki import bombs
from tests.pki.hierarchy import NOW, client, issuing_ca, key_of, root

PASSWORD = b"correct horse"
KINDS = [KeyType.P256, KeyType.RSA2048, KeyType.ED25519]
EC_PUBLIC_KEY, UNKNOWN_KEY = bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06072a8648ce3d027f")
SUBJECT = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "woovi")])


def a_request(kind: KeyType = KeyType.P256) -> x509.CertificateSigningRequest:
    key = key_of("end entity", kind)
    builder = x509.CertificateSigningRequestBuilder(SUBJECT)
    return builder.sign(key, None if kind is KeyType.ED25519 else SHA256())


def a_crl(count: int = 2, *, extensions: bool = True) -> x509.CertificateRevocationList:
    ca = issuing_ca()
    builder = x509.CertificateRevocationListBuilder(ca.certificate.subject, NOW, NOW + timedelta(days=1))
    if extensions:
        builder = builder.add_extension(x509.CRLNumber(7), critical=False)
    for serial in range(1, count + 1):
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW).build()
        )
    return builder.sign(ca.key, SHA256())


def kinds_of(data: bytes, password: bytes | None = None) -> list[type[Content]]:
    return [type(each) for each in read_contents(data, password)]


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_told_in_pem_and_der(kind: KeyType, encoding: Encoding) -> None:
    key = key_of("end entity", kind)
    pem = encoding is Encoding.PEM
    expected: list[tuple[bytes, type[Content]]] = [
        (client(kind).certificate.public_bytes(encoding), CertificateContent),
        (a_request(kind).public_bytes(encoding), RequestContent),
        (a_crl().public_bytes(encoding), CrlContent),
        (a_crl(0, extensions=False).public_bytes(encoding), CrlContent),
        (key.private_bytes(encoding, PrivateFormat.PKCS8, NoEncryption()), PrivateKeyContent),
        (key.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo), PublicKeyContent),
        (write_pkcs7(client(kind).chain, pem=pem), Pkcs7Content),
    ]
    if kind is not KeyType.ED25519:
        expected.append(
            (key.private_bytes(encoding, PrivateFormat.TraditionalOpenSSL, NoEncryption()), PrivateKeyContent)
        )
    if isinstance(key, rsa.RSAPrivateKey):
        expected.append((key.public_key().public_bytes(encoding, PublicFormat.PKCS1), PublicKeyContent))
    for data, content in expected:
        assert kinds_of(data) == [content]
        assert kinds_of(data, PASSWORD) == [content]


def test_an_old_certificate_and_an_old_list_are_told(vectors: Callable[[str], bytes]) -> None:
    # Version 1 has no field for its version, and a list of version 1 no extensions.
    assert kinds_of(vectors("rfc8705_appA.pem")) == [CertificateContent]
    version_2 = a_crl(2, extensions=False).public_bytes(Encoding.DER)
    assert b"\x02\x01\x01" in version_2[:12]
    assert kinds_of(version_2) == [CrlContent]


@pytest.mark.parametrize("compatible", [True, False])
def test_everything_in_a_pkcs12_file_is_found(compatible: bool) -> None:
    identity = client()
    data = write_pkcs12(identity.key, identity.chain, password=PASSWORD, friendly_name="woovi", compatible=compatible)
    for given in (data, write_pem_block("PKCS12", data)):
        (found,) = read_contents(given, PASSWORD)
        assert isinstance(found, Pkcs12Content)
        key, *certificates = found.contents
        assert isinstance(key, PrivateKeyContent)
        assert (key.encrypted, key.friendly_name, write_private_key(key.key)) == (True, "woovi", identity.key_pem())
        assert certificates == [
            CertificateContent(identity.chain[0], "woovi"),
            CertificateContent(identity.chain[1], ""),
        ]
        with pytest.raises(EncryptedKey):
            read_contents(given)
        with pytest.raises(WrongPassword):
            read_contents(given, b"battery staple")


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_encrypted_keys_open_with_their_password_only(form: PrivateFormat) -> None:
    data = key_of("end entity").private_bytes(Encoding.PEM, form, BestAvailableEncryption(PASSWORD))
    (found,) = read_contents(client().chain_pem() + data, PASSWORD)[2:]
    assert isinstance(found, PrivateKeyContent)
    assert found.encrypted
    with pytest.raises(EncryptedKey):
        read_contents(client().chain_pem() + data)
    with pytest.raises(WrongPassword):
        read_contents(client().chain_pem() + data, b"battery staple")


def test_a_mixed_file_is_read_in_its_order() -> None:
    data = (
        b"Bag Attributes\n    friendlyName: woovi\n"
        + client().key_pem()
        + write_pem_block("EC PARAMETERS", bytes.fromhex("06082a8648ce3d030107"))
        + client().chain_pem().replace(b"\n", b"\r\n")
        + a_request()
        .public_bytes(Encoding.PEM)
        .replace(b"BEGIN CERTIFICATE", b"BEGIN NEW CERTIFICATE")
        .replace(b"END CERTIFICATE", b"END NEW CERTIFICATE")
        + a_crl().public_bytes(Encoding.PEM)
        + write_pkcs7([root().certificate])
    )
    assert kinds_of(data) == [
        PrivateKeyContent,
        UnknownContent,
        CertificateContent,
        CertificateContent,
        RequestContent,
        CrlContent,
        Pkcs7Content,
    ]


def test_the_structure_counts_and_not_the_label() -> None:
    # Windows writes PKCS#7 under this label.
    windows = write_pkcs7(client().chain).replace(b"PKCS7", b"CERTIFICATE")
    assert kinds_of(windows) == [Pkcs7Content]
    assert kinds_of(client().key_pem().replace(b"PRIVATE KEY", b"ANYTHING AT ALL")) == [PrivateKeyContent]


def test_a_trusted_certificate_of_openssl_is_read(peer: Callable[[str], str]) -> None:
    command = [peer("openssl"), "x509", "-trustout", "-addtrust", "serverAuth"]
    pem = subprocess.run(command, input=client().chain_pem(), capture_output=True, check=True, timeout=60).stdout
    assert b"TRUSTED" in pem
    assert read_contents(pem) == (CertificateContent(client().certificate),)


def test_the_signature_of_a_request_is_verified() -> None:
    for kind in KINDS:
        (found,) = read_contents(a_request(kind).public_bytes(Encoding.DER))
        assert isinstance(found, RequestContent)
        assert found.verifies is True
    der = bytearray(a_request(KeyType.RSA2048).public_bytes(Encoding.DER))
    der[-1] ^= 1
    (found,) = read_contents(bytes(der))
    assert isinstance(found, RequestContent)
    assert found.verifies is False


@pytest.mark.parametrize("key", [dsa.generate_private_key(2048)], ids=["DSA"])
def test_a_request_for_a_key_of_an_unsupported_kind_is_read_and_not_verified(key: dsa.DSAPrivateKey) -> None:
    request = x509.CertificateSigningRequestBuilder(SUBJECT).sign(key, SHA256())
    (found,) = read_contents(request.public_bytes(Encoding.DER))
    assert isinstance(found, RequestContent)
    assert found.verifies is None


def test_a_huge_key_in_a_request_is_not_computed_with() -> None:
    # A signature by a key of 16384 bits with an exponent as long takes seconds to verify.
    numbers = rsa.RSAPublicNumbers((1 << 16382) + 1, (1 << 16383) + 1)
    spki = numbers.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    sha256_with_rsa = bombs.algorithm("1.2.840.113549.1.1.11")
    info = encode(0x30, bombs.integer(0), SUBJECT.public_bytes(), spki, encode(0xA0))
    request = encode(0x30, info, sha256_with_rsa, encode(0x03, bytes(2049)))
    (found,) = read_contents(request)
    assert isinstance(found, RequestContent)
    assert found.verifies is None


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", UnreadableContents),
        (b"hello", UnreadableContents),
        (b"\x00" * 100, UnreadableContents),
        (b"\x30\x03\x02\x01\x01", UnreadableContents),
        (b"-----BEGIN CERTIFICATE-----\n", UnreadableContents),
        (write_pem_block("CERTIFICATE", b"\x30\x00"), UnreadableContents),
        (write_pem_block("OPENSSH PRIVATE KEY", b"openssh-key-v1\x00"), UnreadableContents),
        (write_pem_block("DH PARAMETERS", b"\x30\x06\x02\x01\x05\x02\x01\x02"), UnreadableContents),
        (b"\x30\x06\x02\x01\x05\x02\x01\x02", UnreadableKey),
        (write_der(client().certificate).replace(EC_PUBLIC_KEY, UNKNOWN_KEY), UnreadableCertificate),
        (a_request().public_bytes(Encoding.DER).replace(EC_PUBLIC_KEY, UNKNOWN_KEY), UnreadableRequest),
        (a_crl().public_bytes(Encoding.DER).replace(b"Z\x17\x0d", b"X\x17\x0d"), UnreadableCrl),
        (client().key_pem().replace(b"PRIVATE KEY", b"PUBLIC KEY"), None),
    ],
)
def test_what_cannot_be_read_is_told(data: bytes, error: type[Exception] | None) -> None:
    if error is None:
        assert kinds_of(data) == [PrivateKeyContent]
        return
    with pytest.raises(error):
        read_contents(data)


def test_unknown_blocks_alone_are_named() -> None:
    with pytest.raises(UnreadableContents, match="'OPENSSH PRIVATE KEY', 'EC PARAMETERS'"):
        read_contents(write_pem_block("OPENSSH PRIVATE KEY", b"\x00") + write_pem_block("EC PARAMETERS", b"\x06\x00"))


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP521R1()), x25519.X25519PrivateKey.generate()], ids=["P-521", "X25519"]
)
def test_public_keys_of_other_kinds(key: ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey) -> None:
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if isinstance(key, x25519.X25519PrivateKey):
        with pytest.raises(UnreadableKey, match="unsupported"):
            read_contents(der)
    else:
        assert kinds_of(der) == [PublicKeyContent]


def test_sizes_have_limits() -> None:
    with pytest.raises(UnreadableContents, match="too many"):
        read_contents(bytes(MAX_CONTENTS_BYTES + 1))
    huge = x509.CertificateSigningRequestBuilder(SUBJECT).add_extension(
        x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), bytes(MAX_REQUEST_BYTES)), critical=False
    )
    with pytest.raises(UnreadableRequest, match="too many"):
        read_contents(huge.sign(key_of("end entity"), SHA256()).public_bytes(Encoding.DER))
    spki = encode(0x30, encode(0x30), encode(0x03, bytes(100_000)))
    with pytest.raises(UnreadableKey):
        read_contents(spki)


def test_ten_megabytes_of_anything_are_an_error() -> None:
    for data in (
        b"\x30\x84\x00\xa0\x00\x00" + bytes(10 * 1024 * 1024),
        b"\x30\x80" * (5 * 1024 * 1024),
        b"-" * 10 * 1024 * 1024,
        b"-----BEGIN CERTIFICATE-----\n" * 400_000,
        b"A" * 10 * 1024 * 1024,
    ):
        with pytest.raises(UnreadableContents):
            read_contents(data)


def test_many_keys_that_are_each_cheap_enough_are_too_many_together() -> None:
    costly = write_pem_block(
        "ENCRYPTED PRIVATE KEY", bombs.encrypted_key(bombs.pbes2(bombs.pbkdf2(1_000_000)), bytes(32))
    )
    with pytest.raises(UnreadableKey, match="rounds"):
        read_contents(costly * 6, PASSWORD)
    with pytest.raises(UnreadableContents, match="private keys"):
        read_contents(client().key_pem() * (MAX_PRIVATE_KEYS + 1))
    assert len(read_contents(client().key_pem() * MAX_PRIVATE_KEYS)) == MAX_PRIVATE_KEYS


def test_a_list_of_many_entries_is_counted(tmp_path: Path) -> None:
    crl = x509.CertificateRevocationListBuilder(
        issuing_ca().certificate.subject,
        NOW,
        NOW + timedelta(days=1),
        revoked_certificates=[x509.RevokedCertificateBuilder(serial, NOW).build() for serial in range(1, 20_001)],
    ).sign(issuing_ca().key, SHA256())
    (found,) = read_contents(crl.public_bytes(Encoding.DER))
    assert isinstance(found, CrlContent)
    assert found.count == 20_000


def test_the_key_is_in_no_repr() -> None:
    (found,) = read_contents(client().key_pem())
    numbers = client().key.private_numbers()  # type: ignore[union-attr]
    assert str(numbers.private_value) not in repr(found)  # type: ignore[union-attr]

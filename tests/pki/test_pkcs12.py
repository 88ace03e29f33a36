import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from mutua.errors import EncryptedKey, UnreadableKey, WrongPassword
from mutua.pki.keys import KeyType, write_private_key
from mutua.pki.pkcs12 import MAX_PKCS12_BYTES, looks_like_pkcs12, read_pkcs12
from mutua.tls.identity import Identity
from tests.pki.hierarchy import client, server

SEALED = BestAvailableEncryption(b"correct horse")
TRIPLE_DES = (
    PrivateFormat.PKCS12.encryption_builder()
    .kdf_rounds(2048)
    .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
    .build(b"correct horse")
)


def pfx(identity: Identity, encryption: KeySerializationEncryption = SEALED) -> bytes:
    leaf, *others = identity.chain
    return pkcs12.serialize_key_and_certificates(b"woovi", identity.key, leaf, others, encryption)


@pytest.mark.parametrize("kind", list(KeyType))
def test_key_and_chain_come_back_the_keys_own_certificate_first(kind: KeyType) -> None:
    identity = client(kind, kind)
    key, certificates = read_pkcs12(pfx(identity), b"correct horse")
    assert write_private_key(key) == write_private_key(identity.key)
    assert certificates == identity.chain


def test_the_encryption_of_older_tools_is_read() -> None:
    assert read_pkcs12(pfx(client(), TRIPLE_DES), b"correct horse")[1] == client().chain


@pytest.mark.parametrize("password", ["correct horse", ""])
@pytest.mark.parametrize(
    "algorithms", [[], ["-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"]]
)
def test_what_openssl_writes_is_read(
    peer: Callable[[str], str], tmp_path: Path, algorithms: list[str], password: str
) -> None:
    (tmp_path / "identity.pem").write_bytes(client().key_pem() + client().chain_pem())
    command = [peer("openssl"), "pkcs12", "-export", "-in", "identity.pem", "-out", "woovi.p12", *algorithms]
    subprocess.run([*command, "-passout", f"pass:{password}"], cwd=tmp_path, check=True, capture_output=True)
    data = (tmp_path / "woovi.p12").read_bytes()
    assert looks_like_pkcs12(data)
    assert read_pkcs12(data, password.encode() or None)[1] == client().chain


def test_without_encryption_no_password_is_needed() -> None:
    assert read_pkcs12(pfx(client(), NoEncryption()))[1] == client().chain


def test_a_missing_password_is_told_from_a_wrong_one() -> None:
    with pytest.raises(EncryptedKey):
        read_pkcs12(pfx(client()))
    with pytest.raises(WrongPassword):
        read_pkcs12(pfx(client()), b"battery staple")


def test_a_file_without_a_key_or_without_a_certificate_is_refused() -> None:
    with pytest.raises(UnreadableKey, match="no usable key"):
        read_pkcs12(pkcs12.serialize_key_and_certificates(None, None, None, client().chain, NoEncryption()))
    with pytest.raises(UnreadableKey, match="no usable key"):
        read_pkcs12(pkcs12.serialize_key_and_certificates(None, client().key, None, None, NoEncryption()))


@pytest.mark.parametrize(
    "make", [lambda: rsa.generate_private_key(65537, 1024), lambda: ec.generate_private_key(ec.SECP521R1())]
)
def test_weak_and_unsupported_keys_are_refused(
    make: Callable[[], rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey],
) -> None:
    key = make()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "weak")])
    issued = client().certificate
    certificate = x509.CertificateBuilder(
        name, name, key.public_key(), 1, issued.not_valid_before_utc, issued.not_valid_after_utc
    ).sign(key, issued.signature_hash_algorithm)  # type: ignore[arg-type]
    data = pkcs12.serialize_key_and_certificates(None, key, certificate, None, NoEncryption())
    with pytest.raises(UnreadableKey):
        read_pkcs12(data)


def test_a_file_too_large_is_not_parsed() -> None:
    with pytest.raises(UnreadableKey, match="too many"):
        read_pkcs12(pfx(client()).ljust(MAX_PKCS12_BYTES + 1, b"\x00"))


def test_damage_is_told_without_a_warning() -> None:
    data = pfx(client())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(UnreadableKey):
            read_pkcs12(data[:-1], b"correct horse")
    assert caught == []


def test_a_pfx_is_told_from_a_certificate_and_a_key(vectors: Callable[[str], bytes]) -> None:
    assert looks_like_pkcs12(pfx(client()))
    assert looks_like_pkcs12(pfx(server(KeyType.RSA4096)))
    assert looks_like_pkcs12(b"\x30\x80\x02\x01\x03\x30\x80\x06")  # BER of indefinite length
    for other in (
        vectors("rfc9440_leaf.der"),
        vectors("rfc8705_appA.pem"),
        client().key_pem(),
        b"",
        b"\x30\x03\x02\x01\x03",
    ):
        assert not looks_like_pkcs12(other)

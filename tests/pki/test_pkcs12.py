import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from mutua.errors import EncryptedKey, InvalidInput, UnreadableCertificate, UnreadableKey, WrongPassword
from mutua.pki.certificates import write_der
from mutua.pki.der import OCTET_STRING, encode, encode_identifier, read_der
from mutua.pki.keys import KeyType, write_private_key
from mutua.pki.pbes import Pkcs12Kdf, read_encryption
from mutua.pki.pfx import SAFE_CONTENTS_BAG, write_content_info, write_pfx
from mutua.pki.pkcs12 import (
    MAX_FRIENDLY_NAME,
    MAX_PKCS12_BYTES,
    looks_like_pkcs12,
    open_pkcs12,
    write_pkcs12,
)
from mutua.tls.identity import Identity
from tests.pki import bombs
from tests.pki.hierarchy import client, server
from tests.pki.pkcs12_reading import read_pkcs12

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


def test_a_file_without_a_key_or_without_a_certificate_is_no_identity() -> None:
    with pytest.raises(UnreadableKey, match="a truststore"):
        Identity.load(pkcs12.serialize_key_and_certificates(None, None, None, client().chain, NoEncryption()))
    with pytest.raises(UnreadableCertificate, match="a private key and no certificate"):
        Identity.load(pkcs12.serialize_key_and_certificates(None, client().key, None, None, NoEncryption()))


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


def key_bytes() -> bytes:
    return client().key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize("chunk", [1, 100, 100_000])
@pytest.mark.parametrize("encryption", [SEALED, TRIPLE_DES, NoEncryption()])
def test_ber_as_older_tools_write_it_is_read(encryption: KeySerializationEncryption, chunk: int) -> None:
    password = None if isinstance(encryption, NoEncryption) else b"correct horse"
    ber = bombs.indefinite(pfx(client(), encryption), chunk)
    assert ber != pfx(client(), encryption)
    assert looks_like_pkcs12(ber)
    assert read_pkcs12(ber, password)[1] == client().chain


def test_ber_inside_is_read_too() -> None:
    safes = [bombs.plain_safe(bombs.key_bag(key_bytes()), bombs.certificate_bag(write_der(client().certificate)))]
    inner = [write_content_info(bombs.indefinite(read_der(each).members()[1].members()[0].octets())) for each in safes]
    content = bombs.indefinite(encode(0x30, *inner))
    data = write_pfx(content, Pkcs12Kdf(bombs.SALT, 1, "sha1"), bombs.PASSWORD)
    assert read_pkcs12(data, bombs.PASSWORD)[1] == (client().certificate,)


def test_a_changed_file_does_not_open_even_where_nothing_is_encrypted() -> None:
    data = pfx(client(), NoEncryption())
    place = data.index(b"woovi")
    for password in (None, b"", b"correct horse"):
        with pytest.raises((EncryptedKey, WrongPassword)):
            read_pkcs12(data[:place] + b"Woovi" + data[place + 5 :], password)


@pytest.mark.parametrize("digest", ["sha1", "sha224", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("password", [b"correct horse", b"", None])
def test_macs_of_every_hash_with_a_password_an_empty_one_and_none(digest: str, password: bytes | None) -> None:
    safe = bombs.plain_safe(bombs.key_bag(key_bytes()), bombs.certificate_bag(write_der(client().certificate)))
    data = bombs.pfx(safe, password=password, digest=digest)
    assert read_pkcs12(data, password)[1] == (client().certificate,)
    with pytest.raises(WrongPassword):
        read_pkcs12(data, b"battery staple")


@pytest.mark.parametrize("password", [b"", None])
def test_triple_des_under_an_empty_password_and_under_none(password: bytes | None) -> None:
    encryption = read_encryption(read_der(bombs.pbes1(1)))
    assert isinstance(encryption.derivation, Pkcs12Kdf)
    key, iv = encryption.derivation.derive(password, 24, 1), encryption.derivation.derive(password, 8, 2)
    encryptor, clear = Cipher(TripleDES(key), modes.CBC(iv)).encryptor(), key_bytes()
    padding = 8 - len(clear) % 8
    cipher_text = encryptor.update(clear + bytes((padding,)) * padding) + encryptor.finalize()
    bag = bombs.shrouded_key_bag(bombs.encrypted_key(bombs.pbes1(1), cipher_text))
    data = bombs.pfx(bombs.plain_safe(bag, bombs.certificate_bag(write_der(client().certificate))), password=password)
    assert write_private_key(read_pkcs12(data)[0]) == client().key_pem()


def test_pbmac1_is_verified_as_openssl_does() -> None:
    safe = bombs.plain_safe(bombs.key_bag(key_bytes()), bombs.certificate_bag(write_der(client().certificate)))
    data = bombs.pfx_with_mac(bombs.pbmac1(1000, safe), safe)
    assert pkcs12.load_key_and_certificates(data, bombs.PASSWORD)[1] == client().certificate
    assert read_pkcs12(data, bombs.PASSWORD)[1] == (client().certificate,)
    with pytest.raises(WrongPassword):
        read_pkcs12(data, b"battery staple")


def test_keys_in_an_encrypted_safe_and_bags_in_bags_are_found() -> None:
    certificate = bombs.certificate_bag(write_der(client().certificate), "the certificate")
    inner = bombs.bag(SAFE_CONTENTS_BAG, encode(0x30, certificate))
    data = bombs.pfx(bombs.safe_of(bombs.shrouded_key_bag(bombs.sealed(key_bytes()), "the key"), inner))
    opened = open_pkcs12(data, bombs.PASSWORD)
    assert [(each.friendly_name, each.encrypted) for each in opened.keys] == [("the key", True)]
    assert [each.friendly_name for each in opened.certificates] == ["the certificate"]
    assert read_pkcs12(data, bombs.PASSWORD)[1] == (client().certificate,)


def test_bags_of_other_kinds_are_passed_over() -> None:
    secret = bombs.bag("1.2.840.113549.1.12.10.1.5", encode(0x30))
    sdsi = bombs.certificate_bag(b"(sdsi)").replace(
        encode_identifier("1.2.840.113549.1.9.22.1"), encode_identifier("1.2.840.113549.1.9.22.2")
    )
    data = bombs.pfx(bombs.plain_safe(secret, sdsi, bombs.certificate_bag(write_der(client().certificate))))
    opened = open_pkcs12(data, bombs.PASSWORD)
    assert (opened.keys, len(opened.certificates)) == ((), 1)


def test_parts_under_another_password_are_damage() -> None:
    bag = bombs.shrouded_key_bag(bombs.sealed(key_bytes(), b"another"))
    with pytest.raises(UnreadableKey, match="several passwords"):
        open_pkcs12(bombs.pfx(bombs.plain_safe(bag)), bombs.PASSWORD)


def test_signed_and_enveloped_files_are_told() -> None:
    data = bombs.pfx(bombs.plain_safe())
    assert open_pkcs12(data, bombs.PASSWORD).keys == ()
    signed = data.replace(encode_identifier("1.2.840.113549.1.7.1"), encode_identifier("1.2.840.113549.1.7.2"), 1)
    with pytest.raises(UnreadableKey, match="signed"):
        open_pkcs12(signed, bombs.PASSWORD)
    enveloped = encode(0x30, encode_identifier("1.2.840.113549.1.7.3"), encode(0xA0, encode(OCTET_STRING, b"")))
    with pytest.raises(UnreadableKey, match="for a certificate"):
        open_pkcs12(bombs.pfx(enveloped), bombs.PASSWORD)


def test_the_key_is_in_no_repr() -> None:
    opened = open_pkcs12(pfx(client()), b"correct horse")
    assert repr(opened.keys) == "(<NamedKey 'woovi'>,)"


@pytest.mark.parametrize("password", [b"", b"\xff\xfe", b"a\x00b", b"two\nlines"])
def test_a_password_that_nobody_can_type_is_not_written(password: bytes) -> None:
    with pytest.raises(InvalidInput, match="password"):
        write_pkcs12(client().key, client().chain, password=password)


@pytest.mark.parametrize("name", ["x" * (MAX_FRIENDLY_NAME + 1), "two\nlines", "\x1b[2J"])
def test_a_friendly_name_that_cannot_be_shown_is_not_written(name: str) -> None:
    with pytest.raises(InvalidInput, match="friendly name"):
        write_pkcs12(client().key, client().chain, password=b"secret", friendly_name=name)


def test_without_a_name_none_is_written() -> None:
    data = write_pkcs12(client().key, client().chain, password=b"secret", compatible=True)
    assert open_pkcs12(data, b"secret").keys[0].friendly_name == ""
    with pytest.raises(WrongPassword):
        open_pkcs12(data, b"Secret")
    with pytest.raises(EncryptedKey):
        open_pkcs12(data)

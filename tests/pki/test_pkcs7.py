import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from mutua.errors import UnreadableCertificate
from mutua.pki.certificates import MAX_BUNDLE_BYTES, read_certificates, write_der
from mutua.pki.der import encode
from mutua.pki.keys import KeyType
from mutua.pki.pkcs7 import looks_like_pkcs7, read_pkcs7, write_pkcs7
from tests.pki.bombs import indefinite
from tests.pki.hierarchy import client, issuing_ca, root

CHAIN = (*client().chain, root().certificate)


@pytest.mark.parametrize("pem", [True, False])
def test_certificates_come_back_as_a_set(pem: bool) -> None:
    written = write_pkcs7(CHAIN, pem=pem)
    assert written.startswith(b"-----BEGIN PKCS7-----\n") == pem
    assert set(read_pkcs7(written)) == set(CHAIN)


@pytest.mark.parametrize("pem", [True, False])
def test_openssl_keytool_and_certtool_read_it(peer: Callable[[str], str], tmp_path: Path, pem: bool) -> None:
    (tmp_path / "c.p7b").write_bytes(write_pkcs7(CHAIN, pem=pem))
    form = "PEM" if pem else "DER"

    def run(*command: str) -> bytes:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, timeout=60)
        return done.stdout

    openssl = run(peer("openssl"), "pkcs7", "-inform", form, "-in", "c.p7b", "-print_certs")
    assert set(read_certificates(openssl)) == set(CHAIN)
    assert run(peer("keytool"), "-printcert", "-file", "c.p7b").count(b"Owner: ") == len(CHAIN)
    certtool = run(peer("certtool"), "--p7-info", "--infile", "c.p7b", *([] if pem else ["--inder"]))
    assert set(read_certificates(certtool)) == set(CHAIN)


@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_what_openssl_writes_is_read(peer: Callable[[str], str], tmp_path: Path, form: str) -> None:
    (tmp_path / "chain.pem").write_bytes(client().chain_pem())
    command = [peer("openssl"), "crl2pkcs7", "-nocrl", "-certfile", "chain.pem", "-outform", form]
    written = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, timeout=60).stdout
    assert set(read_pkcs7(written)) == set(client().chain)


def test_ber_is_read() -> None:
    der = write_pkcs7(client().chain, pem=False)
    # What is inside a certificate is signed and stays as it is.
    assert set(read_pkcs7(b"\x30\x80" + der[4:] + b"\x00\x00")) == set(client().chain)
    assert looks_like_pkcs7(indefinite(der))


def test_a_signed_message_gives_its_certificates() -> None:
    signer, key = client(KeyType.RSA2048).chain[0], client(KeyType.RSA2048).key
    builder = pkcs7.PKCS7SignatureBuilder().set_data(b"hello").add_signer(signer, key, SHA256())  # type: ignore[arg-type]
    assert read_pkcs7(builder.sign(Encoding.DER, [])) == (signer,)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "not a PKCS#7"),
        (b"\x30", "not a PKCS#7"),
        (write_der(client().certificate), "not a PKCS#7"),
        (client().chain_pem(), "not a PKCS#7"),
        (b"-----BEGIN PKCS7-----\n", "no end"),
        (write_pkcs7(CHAIN, pem=False)[:-1], "not a readable"),
        (encode(0x30, bytes.fromhex("06092a864886f70d010702")), "not a readable"),
        (b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02" + b"\x30\x80" * 100_000, "not a readable"),
        (bytes(MAX_BUNDLE_BYTES + 1), "too many"),
    ],
)
def test_what_is_no_pkcs7_is_unreadable(data: bytes, told: str) -> None:
    with pytest.raises(UnreadableCertificate, match=told):
        read_pkcs7(data)


def test_one_without_certificates_is_told(peer: Callable[[str], str], tmp_path: Path) -> None:
    crl = [peer("openssl"), "crl2pkcs7", "-nocrl", "-outform", "DER"]
    empty = subprocess.run(crl, cwd=tmp_path, capture_output=True, check=True, timeout=60).stdout
    with pytest.raises(UnreadableCertificate):
        read_pkcs7(empty)


def test_the_look_of_pkcs7() -> None:
    assert looks_like_pkcs7(write_pkcs7([issuing_ca().certificate], pem=False))
    for other in (b"", b"\x30", b"\x30\x80", write_der(client().certificate)):
        assert not looks_like_pkcs7(other)

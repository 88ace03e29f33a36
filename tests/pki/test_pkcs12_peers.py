"""PKCS#12 both ways between mutua and OpenSSL 3, Java's keytool and GnuTLS, friendly names kept."""

import os
import re
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from mutua.errors import UnreadableKey
from mutua.pki.certificates import read_certificates
from mutua.pki.keys import KeyType, public_key_bytes, read_private_key, write_private_key
from mutua.pki.pkcs12 import COMPATIBLE_ITERATIONS, MODERN_ITERATIONS, open_pkcs12, write_pkcs12
from tests.pki.hierarchy import client
from tests.pki.pkcs12_reading import read_pkcs12

Peer = Callable[[str], str]
PASSWORD = "correct horse"
NAME = "woovi pagamentos ção"
KINDS = [KeyType.P256, KeyType.RSA2048, KeyType.ED25519]
BOTH = pytest.mark.parametrize("compatible", [False, True], ids=["modern", "compatible"])


def run(folder: Path, *command: str) -> str:
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}  # for the friendly name
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return (done.stdout + done.stderr).decode("utf-8", "replace")


@cache
def written(kind: KeyType, compatible: bool) -> bytes:
    identity = client(kind)
    return write_pkcs12(
        identity.key, identity.chain, password=PASSWORD.encode(), friendly_name=NAME, compatible=compatible
    )


@pytest.fixture
def file(tmp_path: Path, compatible: bool) -> Path:
    (tmp_path / "woovi.p12").write_bytes(written(KeyType.P256, compatible))
    (tmp_path / "identity.pem").write_bytes(client(KeyType.P256).key_pem() + client(KeyType.P256).chain_pem())
    return tmp_path / "woovi.p12"


@BOTH
@pytest.mark.parametrize("kind", KINDS)
def test_we_read_what_we_write(kind: KeyType, compatible: bool) -> None:
    opened = open_pkcs12(written(kind, compatible), PASSWORD.encode())
    assert [each.friendly_name for each in opened.keys] == [NAME]
    assert [(each.certificate, each.friendly_name) for each in opened.certificates] == list(
        zip(client(kind).chain, [NAME, ""], strict=True)
    )
    assert write_private_key(opened.keys[0].key) == client(kind).key_pem()


@BOTH
@pytest.mark.parametrize("kind", KINDS)
def test_openssl_imports_it(peer: Peer, tmp_path: Path, kind: KeyType, compatible: bool) -> None:
    (tmp_path / "woovi.p12").write_bytes(written(kind, compatible))
    command = (peer("openssl"), "pkcs12", "-in", "woovi.p12", "-passin", f"pass:{PASSWORD}")
    pem = run(tmp_path, *command, "-nodes")
    assert read_certificates(pem.encode()) == client(kind).chain
    assert write_private_key(read_private_key(pem.encode())) == client(kind).key_pem()
    assert pem.count("friendlyName: woovi pagamentos") == 2
    told = run(tmp_path, *command, "-info", "-noout")
    iterations = COMPATIBLE_ITERATIONS if compatible else MODERN_ITERATIONS
    assert re.findall(r"Iteration (\d+)", told) == [str(iterations)] * 3
    assert f"MAC: {'sha1' if compatible else 'sha256'}," in told
    cipher = "pbeWithSHA1And3-KeyTripleDES-CBC" if compatible else "PBES2, PBKDF2, AES-256-CBC"
    assert told.count(cipher) == 2


@BOTH
def test_keytool_imports_it_and_we_read_what_it_writes(peer: Peer, file: Path, compatible: bool) -> None:
    run(
        file.parent,
        *(peer("keytool"), "-importkeystore", "-noprompt"),
        *("-srckeystore", "woovi.p12", "-srcstoretype", "PKCS12", "-srcstorepass", PASSWORD),
        *("-destkeystore", "java.p12", "-deststoretype", "PKCS12", "-deststorepass", PASSWORD),
        *(["-J-Dkeystore.pkcs12.legacy"] if compatible else []),
    )
    opened = open_pkcs12((file.parent / "java.p12").read_bytes(), PASSWORD.encode())
    assert [each.friendly_name for each in opened.keys] == [NAME]
    key, chain = read_pkcs12((file.parent / "java.p12").read_bytes(), PASSWORD.encode())
    assert (write_private_key(key), chain) == (client(KeyType.P256).key_pem(), client(KeyType.P256).chain)


@BOTH
def test_certtool_imports_it(peer: Peer, file: Path, compatible: bool) -> None:
    told = run(file.parent, peer("certtool"), "--inder", "--infile", file.name, "--p12-info", "--password", PASSWORD)
    assert read_certificates(told.encode()) == client(KeyType.P256).chain
    assert told.count(f"Friendly name: {NAME}") == 2
    assert f"Cipher: {'3DES-CBC' if compatible else 'AES-256-CBC'}" in told
    assert "BEGIN ENCRYPTED PRIVATE KEY" in told
    assert write_private_key(read_private_key(told.encode(), PASSWORD.encode())) == client(KeyType.P256).key_pem()


@pytest.mark.parametrize("compatible", [False])
@pytest.mark.parametrize(
    "algorithms",
    [
        [],
        ["-legacy"],
        ["-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"],
        ["-keypbe", "aes-128-cbc", "-certpbe", "NONE", "-macalg", "sha512", "-iter", "10000"],
        ["-keypbe", "NONE", "-certpbe", "NONE"],
        ["-nomac"],
    ],
    ids=" ".join,
)
def test_we_read_what_openssl_writes(peer: Peer, file: Path, algorithms: list[str]) -> None:
    run(
        file.parent,
        *(peer("openssl"), "pkcs12", "-export", "-in", "identity.pem", "-out", "o.p12", *algorithms),
        *("-name", "woovi", "-caname", "the CA", "-passout", f"pass:{PASSWORD}"),
    )
    opened = open_pkcs12((file.parent / "o.p12").read_bytes(), PASSWORD.encode())
    assert [(each.friendly_name, write_private_key(each.key)) for each in opened.keys] == [
        ("woovi", client(KeyType.P256).key_pem())
    ]
    assert [(each.friendly_name, each.certificate) for each in opened.certificates] == list(
        zip(["woovi", "the CA"], client(KeyType.P256).chain, strict=True)
    )
    assert opened.keys[0].encrypted == ("NONE" not in algorithms[:2])


@pytest.mark.parametrize("compatible", [False])
def test_we_read_what_certtool_writes(peer: Peer, file: Path) -> None:
    # 600,000 iterations for the MAC, the key and each certificate.
    write_by_certtool(peer, file.parent)
    key, chain = read_pkcs12((file.parent / "g.p12").read_bytes(), PASSWORD.encode())
    assert (write_private_key(key), chain) == (client(KeyType.P256).key_pem(), client(KeyType.P256).chain)


@pytest.mark.parametrize("compatible", [False])
def test_as_many_iterations_of_an_older_cipher_are_too_many(peer: Peer, file: Path) -> None:
    write_by_certtool(peer, file.parent, "--pkcs-cipher", "3des-pkcs12")
    with pytest.raises(UnreadableKey, match="rounds") as caught:
        open_pkcs12((file.parent / "g.p12").read_bytes(), PASSWORD.encode())
    assert "iterations" in caught.value.hint


def write_by_certtool(peer: Peer, folder: Path, *options: str) -> None:
    run(
        folder,
        *(peer("certtool"), "--to-p12", "--load-privkey", "identity.pem", "--load-certificate", "identity.pem"),
        *("--p12-name", "woovi", "--password", PASSWORD, "--outder", "--outfile", "g.p12", *options),
    )


@pytest.mark.parametrize("compatible", [True])
def test_a_keystore_of_java_with_several_entries_is_read_whole(peer: Peer, file: Path) -> None:
    run(
        file.parent,
        *(peer("keytool"), "-importkeystore", "-noprompt", "-srckeystore", "woovi.p12", "-srcstorepass", PASSWORD),
        *("-destkeystore", "many.p12", "-deststoretype", "PKCS12", "-deststorepass", PASSWORD),
    )
    run(
        file.parent,
        *(peer("keytool"), "-keystore", "many.p12", "-storetype", "PKCS12", "-storepass", PASSWORD),
        *("-genkeypair", "-alias", "other", "-keyalg", "EC", "-groupname", "secp256r1", "-dname", "CN=other"),
    )
    opened = open_pkcs12((file.parent / "many.p12").read_bytes(), PASSWORD.encode())
    assert sorted(each.friendly_name for each in opened.keys) == sorted([NAME, "other"])
    assert len({public_key_bytes(each.key.public_key()) for each in opened.keys}) == 2
    assert len(opened.certificates) == 3

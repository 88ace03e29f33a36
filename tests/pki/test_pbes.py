import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mutua.errors import Unreadable, UnreadableContents, UnreadableKey, WrongPassword
from mutua.pki.certificates import write_der
from mutua.pki.der import OCTET_STRING, SEQUENCE, encode, read_der
from mutua.pki.keys import read_private_key, write_private_key
from mutua.pki.pbes import (
    INITIALIZATION_VECTOR,
    KEY,
    MAC_KEY,
    MAX_ROUNDS,
    Pbkdf2,
    Pkcs12Kdf,
    Scrypt,
    read_encryption,
    require_affordable,
)
from tests.pki import bombs
from tests.pki.hierarchy import client, key_of
from tests.pki.mutations import foreign


def one_more(algorithm: bytes) -> bytes:
    """An algorithm whose parameters have one member more than there are."""
    name, parameters = read_der(algorithm).members()
    members = [encode(each.tag, each.content) for each in (*parameters.members(), parameters.members()[0])]
    return encode(SEQUENCE, encode(name.tag, name.content), encode(SEQUENCE, *members))


UNTIMED = settings(deadline=None)  # a slow machine is no finding

SALT = b"\x01" * 8
ALGORITHMS = [
    bombs.pbes1(2048),
    bombs.pbes2(bombs.pbkdf2(2048)),
    bombs.pbes2(bombs.pbkdf2(2048, "sha512", key_size=32)),
    bombs.pbes2(bombs.scrypt(2**14, 8, 1)),
]


@pytest.mark.parametrize(
    "options",
    [
        ["-v2", "aes-256-cbc"],
        ["-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA1"],
        ["-v2", "aes-192-cbc", "-v2prf", "hmacWithSHA384", "-iter", "5000"],
        ["-v2", "des3", "-v2prf", "hmacWithSHA512"],
        ["-v1", "PBE-SHA1-3DES", "-iter", "10000"],
        ["-scrypt"],
        ["-v2", "aes-256-cbc", "-scrypt_N", "1024", "-scrypt_r", "16", "-scrypt_p", "4"],
    ],
)
def test_what_openssl_encrypts_is_decrypted(peer: Callable[[str], str], tmp_path: Path, options: list[str]) -> None:
    clear = write_private_key(key_of("end entity"))
    command = [peer("openssl"), "pkcs8", "-topk8", "-outform", "DER", "-passout", "pass:pass wörd", *options]
    der = subprocess.run(command, input=clear, capture_output=True, check=True, cwd=tmp_path, timeout=60).stdout
    assert write_private_key(read_private_key(der, "pass wörd".encode())) == clear
    with pytest.raises(WrongPassword):
        read_private_key(der, b"pass word")


@pytest.mark.parametrize("options", [["-v1", "PBE-SHA1-RC2-40"], ["-v1", "PBE-MD5-DES"], ["-v2", "camellia-256-cbc"]])
def test_what_we_do_not_decrypt_is_told(peer: Callable[[str], str], options: list[str]) -> None:
    command = [peer("openssl"), "pkcs8", "-topk8", "-outform", "DER", "-passout", "pass:secret", *options]
    command += ["-provider", "legacy", "-provider", "default"]
    clear = write_private_key(key_of("end entity"))
    der = subprocess.run(command, input=clear, capture_output=True, check=True, timeout=60).stdout
    with pytest.raises(UnreadableKey, match=r"encrypted with .* is not supported") as caught:
        read_private_key(der, b"secret")
    assert "openssl pkcs8" in caught.value.hint


def test_a_key_by_gnutls_is_decrypted(peer: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(write_private_key(key_of("end entity")))
    command = [peer("certtool"), "--to-p8", "--load-privkey", "key.pem", "--password", "secret"]
    pem = subprocess.run(command, capture_output=True, check=True, cwd=tmp_path, timeout=60).stdout
    assert b"ENCRYPTED" in pem
    assert write_private_key(read_private_key(pem, b"secret")) == write_private_key(key_of("end entity"))


def test_the_derivation_of_pkcs12_gives_what_others_compute() -> None:
    # The vectors of the PKCS#12 test program in OpenSSL and Bouncy Castle: password "smeg".
    derivation = Pkcs12Kdf(bytes.fromhex("0a58cf64530d823f"), 1, "sha1")
    assert derivation.derive(b"smeg", 24, KEY).hex() == "8aaae6297b6cb04642ab5b077851284eb7128f1a2a7fbca3"
    assert derivation.derive(b"smeg", 8, INITIALIZATION_VECTOR).hex() == "79993dfe048d3b76"
    derivation = Pkcs12Kdf(bytes.fromhex("642b99ab44fb4b1f"), 1, "sha1")
    assert derivation.derive(b"smeg", 24, KEY).hex() == "f3a95fec48d7711e985cfe67908c5ab79fa3d7c5caa5d966"
    derivation = Pkcs12Kdf(bytes.fromhex("3d83c0e4546ac140"), 1, "sha1")
    assert derivation.derive(b"smeg", 20, MAC_KEY).hex() == "8d967d88f6caa9d714800ab3d48051d63f73a312"


def test_no_password_is_not_the_empty_one() -> None:
    derivation = Pkcs12Kdf(SALT, 1, "sha1")
    assert derivation.derive(None, 24, KEY) != derivation.derive(b"", 24, KEY)
    assert derivation.derive(None, 24, KEY) == derivation.derive(None, 24, KEY)


def test_a_password_that_is_not_utf8_opens_nothing() -> None:
    with pytest.raises(WrongPassword, match="UTF-8"):
        Pkcs12Kdf(SALT, 1, "sha1").derive(b"\xff", 24, KEY)


def test_rounds_are_counted_by_what_they_cost() -> None:
    assert Pbkdf2(SALT, 1000, "sha256").rounds(32) == 1000
    assert Pbkdf2(SALT, 1000, "sha1").rounds(32) == 2000
    assert Pbkdf2(SALT, 1000, "sha512").rounds(32) == 4000
    assert Scrypt(SALT, 2**14, 8, 2).rounds(32) == 2**18
    assert Pkcs12Kdf(SALT, 1000, "sha1").rounds(20) == 3000
    # Triple DES: two blocks of SHA-1 for the key, one for the initialization vector.
    assert read_encryption(read_der(bombs.pbes1(1000))).rounds == 9000


def test_what_costs_too_much_is_refused() -> None:
    require_affordable(MAX_ROUNDS)
    with pytest.raises(UnreadableKey, match="rounds"):
        require_affordable(MAX_ROUNDS + 1)


@pytest.mark.parametrize(
    ("n", "r", "p"), [(0, 8, 1), (1, 8, 1), (3, 8, 1), (2**18, 8, 1), (2**14, 8, 17), (2, 2**30, 1)]
)
def test_scrypt_parameters_have_bounds(n: int, r: int, p: int) -> None:
    with pytest.raises(UnreadableKey, match="scrypt"):
        Scrypt(SALT, n, r, p)


@pytest.mark.parametrize(
    "algorithm",
    [
        bombs.algorithm("1.2.3.4"),
        bombs.pbes2(bombs.algorithm("1.2.3.4")),
        bombs.pbes2(bombs.pbkdf2(0)),
        bombs.pbes2(bombs.pbkdf2(1), iv=bytes(5)),
        bombs.pbes2(bombs.pbkdf2(1)).replace(bytes.fromhex("2a864886f70d0209"), bytes.fromhex("2a864886f70d027f")),
        one_more(bombs.pbes2(bombs.pbkdf2(1))),
        one_more(bombs.pbes1(1)),
        encode(SEQUENCE),
        encode(OCTET_STRING, b""),
        b"\x05\x00",
    ],
)
def test_an_algorithm_that_makes_no_sense_is_refused(algorithm: bytes) -> None:
    with pytest.raises((UnreadableKey, UnreadableContents)):
        read_encryption(read_der(algorithm))


@UNTIMED
@given(foreign(ALGORITHMS), st.binary(max_size=64))
def test_foreign_algorithms_give_a_value_or_an_error_of_ours(algorithm: bytes, cipher_text: bytes) -> None:
    with suppress(Unreadable):
        encryption = read_encryption(read_der(algorithm))
        require_affordable(encryption.rounds * 100)
        encryption.decrypt(cipher_text, b"password")


def test_a_decrypted_certificate_is_no_key() -> None:
    der = bombs.sealed(write_der(client().certificate))
    with pytest.raises(UnreadableKey):
        read_private_key(der, bombs.PASSWORD)


def test_pbkdf2_is_that_of_the_standard() -> None:
    # The third vector of RFC 6070.
    derived = Pbkdf2(b"salt", 4096, "sha1").derive(b"password", 20)
    assert derived.hex() == "4b007901b765489abead49d926f721d065a429c1"

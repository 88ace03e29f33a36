"""Files made to keep whoever opens them busy. Were they not refused, the tests here would end by their timeout."""

import secrets
import subprocess
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mutua.errors import MutuaError, Unreadable, UnreadableKey
from mutua.pki.certificates import write_der
from mutua.pki.contents import read_contents
from mutua.pki.der import SEQUENCE, encode
from mutua.pki.keys import KeyType
from mutua.pki.pbes import MAX_ROUNDS, Pkcs12Kdf
from mutua.pki.pfx import write_content_info
from mutua.pki.pkcs12 import MAX_PRIVATE_KEYS, open_pkcs12
from mutua.tls.identity import Identity
from tests.pki import bombs
from tests.pki.bombs import FOREVER, PASSWORD, pbes1, pbes2, pbkdf2, pfx, plain_safe, scrypt, shrouded_key_bag
from tests.pki.hierarchy import client, key_of

CIPHER_TEXT = bytes(32)
CLEAR = key_of("end entity").private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
CERTIFICATE = bombs.certificate_bag(write_der(client().certificate))
ALL_AT_LIMIT = MAX_ROUNDS // 3 + 1


def key_under(algorithm: bytes) -> bytes:
    return shrouded_key_bag(bombs.encrypted_key(algorithm, CIPHER_TEXT))


BOMBS: dict[str, Callable[[], bytes]] = {
    "the MAC": lambda: bombs.pfx_with_mac(bombs.mac_data(FOREVER), plain_safe(CERTIFICATE)),
    "PBMAC1": lambda: bombs.pfx_with_mac(bombs.pbmac1(FOREVER), plain_safe(CERTIFICATE)),
    "a long MAC key": lambda: bombs.pfx_with_mac(bombs.pbmac1(1000, key_size=FOREVER), plain_safe(CERTIFICATE)),
    "a safe": lambda: pfx(bombs.encrypted_safe(pbes2(pbkdf2(FOREVER)), CIPHER_TEXT)),
    "a safe, by triple DES": lambda: pfx(bombs.encrypted_safe(pbes1(FOREVER), CIPHER_TEXT)),
    "a safe, by RC2": lambda: pfx(bombs.encrypted_safe(pbes1(FOREVER, bombs.PBE_SHA1_RC2_40), CIPHER_TEXT)),
    "a safe, by an unknown cipher": lambda: pfx(
        bombs.encrypted_safe(pbes2(pbkdf2(FOREVER), "1.2.840.113549.3.2"), CIPHER_TEXT)
    ),
    "a key": lambda: pfx(plain_safe(key_under(pbes2(pbkdf2(FOREVER))))),
    "a key in an encrypted safe": lambda: pfx(bombs.safe_of(key_under(pbes2(pbkdf2(FOREVER))))),
    "three safes together": lambda: pfx(*[bombs.encrypted_safe(pbes2(pbkdf2(ALL_AT_LIMIT)), CIPHER_TEXT)] * 3),
    "three keys together": lambda: pfx(plain_safe(*[key_under(pbes2(pbkdf2(ALL_AT_LIMIT)))] * 3)),
    "a slow hash": lambda: pfx(plain_safe(key_under(pbes2(pbkdf2(MAX_ROUNDS // 4 + 1, "sha512"))))),
    "a key of two hashes": lambda: pfx(plain_safe(key_under(pbes2(pbkdf2(MAX_ROUNDS // 2 + 1, "sha1"))))),
    "scrypt, its memory": lambda: pfx(plain_safe(key_under(pbes2(scrypt(2**40, 8, 1))))),
    "scrypt, its blocks": lambda: pfx(plain_safe(key_under(pbes2(scrypt(2, 2**30, 1))))),
    "scrypt, its lanes": lambda: pfx(plain_safe(key_under(pbes2(scrypt(2**10, 8, 2**20))))),
    "scrypt, many times": lambda: pfx(plain_safe(*[key_under(pbes2(scrypt(2**17, 8, 1)))] * 5)),
    "a count of 60 KiB": lambda: pfx(plain_safe(key_under(pbes2(pbkdf2(1 << 480_000))))),
    "a count below zero": lambda: pfx(plain_safe(key_under(pbes2(pbkdf2(-FOREVER))))),
    "a huge RSA key": lambda: pfx(plain_safe(bombs.key_bag(bombs.rsa_private_key_info(bombs.huge_rsa_key())))),
    "a huge RSA key, encrypted": lambda: pfx(
        plain_safe(shrouded_key_bag(bombs.sealed(bombs.rsa_private_key_info(bombs.huge_rsa_key()))))
    ),
    "a huge DSA key": lambda: pfx(plain_safe(bombs.key_bag(bombs.huge_dsa_key()))),
    "a huge DSA key, encrypted": lambda: pfx(plain_safe(shrouded_key_bag(bombs.sealed(bombs.huge_dsa_key())))),
    "a huge DH key, encrypted twice": lambda: pfx(bombs.safe_of(shrouded_key_bag(bombs.sealed(bombs.huge_dh_key())))),
    "many keys": lambda: pfx(plain_safe(*[bombs.key_bag(CLEAR)] * (MAX_PRIVATE_KEYS + 1))),
    "bags in bags": lambda: pfx(write_content_info(bombs.nested_bags(1000))),
    "bags in bags, encrypted": lambda: pfx(
        bombs.encrypted_safe(pbes2(pbkdf2(1)), bombs.encrypted(bombs.nested_bags(1000)))
    ),
    "nothing, many times": lambda: pfx(write_content_info(encode(SEQUENCE, b"\x30\x00" * 100_000))),
    "BER in BER": lambda: b"\x30\x80\x02\x01\x03" + b"\x30\x80" * 100_000,
    "BER in BER, to its end": lambda: b"\x30\x80\x02\x01\x03" + b"\x30\x80" * 50_000 + b"\x00\x00" * 50_001,
    "strings in strings": lambda: b"\x30\x80\x02\x01\x03" + b"\x24\x80" * 100_000,
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize(
    "read", [open_pkcs12, read_contents, lambda data, password: Identity.load(data, password=password)]
)
def test_what_would_keep_us_busy_is_refused(read: Callable[[bytes, bytes], object], name: str) -> None:
    with pytest.raises(UnreadableKey):
        read(BOMBS[name](), PASSWORD)


@pytest.mark.parametrize("name", BOMBS)
def test_neither_does_it_without_a_password(name: str) -> None:
    with pytest.raises(Unreadable):
        open_pkcs12(BOMBS[name]())


def test_the_rounds_are_told() -> None:
    with pytest.raises(UnreadableKey, match=rf"would take 2147483651 rounds of hashing, over {MAX_ROUNDS}") as caught:
        open_pkcs12(BOMBS["a key in an encrypted safe"](), PASSWORD)
    assert "iterations" in caught.value.hint


def test_a_key_in_a_safe_that_only_openssl_opens_is_left_alone(peer: Callable[[str], str]) -> None:
    """OpenSSL would derive its key; it does not, since it has a key already."""
    bomb = encode(SEQUENCE, key_under(pbes2(pbkdf2(FOREVER))), CERTIFICATE)
    derivation = Pkcs12Kdf(bombs.SALT, 1, "sha1")
    key, iv = derivation.derive(PASSWORD, 5, 1), derivation.derive(PASSWORD, 8, 2)
    command = [peer("openssl"), "enc", "-rc2-40-cbc", "-K", key.hex(), "-iv", iv.hex()]
    command += ["-provider", "legacy", "-provider", "default"]
    cipher_text = subprocess.run(command, input=bomb, capture_output=True, check=True, timeout=60).stdout
    data = pfx(bombs.encrypted_safe(pbes1(1, bombs.PBE_SHA1_RC2_40), cipher_text))
    opened = open_pkcs12(data, PASSWORD)
    assert opened.keys == ()
    assert [each.certificate for each in opened.certificates] == [client().certificate]


def test_hundreds_of_certificates_are_read() -> None:
    data = pfx(plain_safe(bombs.key_bag(CLEAR), *[CERTIFICATE] * 300))
    assert len(open_pkcs12(data, PASSWORD).certificates) == 300


def test_an_unbalanced_rsa_key_takes_no_longer_than_another() -> None:
    data = pfx(plain_safe(shrouded_key_bag(bombs.sealed(bombs.rsa_private_key_info(bombs.unbalanced_rsa_key())))))
    assert open_pkcs12(data, PASSWORD).keys[0].key.key_size == 5030  # type: ignore[union-attr]


def test_the_largest_key_is_read_sixteen_times() -> None:
    largest = key_of("bomb", KeyType.RSA4096).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    data = pfx(plain_safe(*[bombs.key_bag(largest)] * MAX_PRIVATE_KEYS))
    assert len(open_pkcs12(data, PASSWORD).keys) == MAX_PRIVATE_KEYS


def test_random_bytes_behind_a_right_beginning_are_an_error() -> None:
    for _ in range(50):
        with pytest.raises(MutuaError):
            open_pkcs12(b"\x30\x82\x10\x00\x02\x01\x03" + secrets.token_bytes(4096 - 3), PASSWORD)

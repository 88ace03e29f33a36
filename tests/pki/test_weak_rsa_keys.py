from math import isqrt

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from mutua.pki.keys import KeyType
from mutua.pki.requests import FERMAT_ROUNDS, read_request, rsa_weaknesses, write_request
from tests.pki import forged_requests as forge
from tests.pki.hierarchy import key_of

RSA_KEY = key_of("end entity", KeyType.RSA2048)


def test_good_rsa_keys_have_no_weakness() -> None:
    for kind in (KeyType.RSA2048, KeyType.RSA3072, KeyType.RSA4096):
        key = key_of("end entity", kind).public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        assert rsa_weaknesses(key) == ()


@pytest.mark.parametrize("exponent", [3, 17, 257, 65535, 2**256 + 1])
def test_an_exponent_outside_fips_186_is_a_weakness(exponent: int) -> None:
    key = RSA_KEY.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    (weakness,) = rsa_weaknesses(forge.rsa_public_key(key.public_numbers().n, exponent))
    assert "public exponent" in weakness


def test_a_roca_key_is_recognized() -> None:
    key = forge.rsa_key(*forge.ROCA_PRIMES)
    assert read_request(write_request(key, ())).public_key == key.public_key()
    (weakness,) = rsa_weaknesses(key.public_key())
    assert "CVE-2017-15361" in weakness


def test_a_public_roca_key_is_recognized() -> None:
    # The modulus of a test key that those who found the flaw published with their detector.
    modulus = int(
        "9dcd7420e420c270a68060eb8b5aa7457a9f6648f86fafed2775cc1f79ae962f1e63f1b9e51c55f9ea6fdc7332e9b005"
        "8c9ff2eb1fc89855029cf6aafe21e689feb38ac9ffb12f1ce371bb5d0e9aae64161abce74b4244bf68f1edb4411f756a"
        "097c8929c14740245ea355f8332d1aa36bb50c7dcb4505da8de02e4e53d38f8df06097da7524df0df93db48eac8cc4af"
        "2d3a16257eb2b2adca6ba464e5974fa92550d31b1babf161e7692d00b86e3dd886ecab4abfbe1a8f8cc263ff4af55cdb"
        "45f4249a5193925f5e983d762f0b6800943eb0267b08f42ed311ce1f5c86eacbc8ce4d3cb7a2fee1ef5641423a1cf411"
        "4e5ecf50034a60a412523af9e6f4aa11",
        16,
    )
    assert any("ROCA" in weakness for weakness in rsa_weaknesses(forge.rsa_public_key(modulus)))


def test_close_primes_are_recognized() -> None:
    key = forge.rsa_key(*forge.CLOSE_PRIMES)
    (weakness,) = rsa_weaknesses(key.public_key())
    assert "CVE-2022-26320" in weakness


@pytest.mark.parametrize("steps", [1, 2, 50, FERMAT_ROUNDS - 2, FERMAT_ROUNDS + 2, 10 * FERMAT_ROUNDS])
def test_fermats_method_is_tried_for_a_hundred_rounds(steps: int) -> None:
    middle = 3 << 1022
    distance = isqrt(2 * middle * steps) | 1  # the root of the product is about that many below the middle
    modulus = middle**2 - distance**2
    found = any("CVE-2022-26320" in weakness for weakness in rsa_weaknesses(forge.rsa_public_key(modulus)))
    assert found == (steps < FERMAT_ROUNDS)

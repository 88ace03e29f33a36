import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from mutua.pki.keys import KeyType, PrivateKey, public_key_bytes
from mutua.pki.randomness import generate_key, new_serial
from tests.pki.hierarchy import key_of


def shape(key: PrivateKey) -> tuple[object, ...]:
    match key:
        case ec.EllipticCurvePrivateKey():
            return ("EC", key.curve.name)
        case rsa.RSAPrivateKey():
            return ("RSA", key.key_size, key.public_key().public_numbers().e)
        case ed25519.Ed25519PrivateKey():
            return ("Ed25519",)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (KeyType.P256, ("EC", "secp256r1")),
        (KeyType.P384, ("EC", "secp384r1")),
        (KeyType.RSA2048, ("RSA", 2048, 65537)),
        (KeyType.RSA3072, ("RSA", 3072, 65537)),
        (KeyType.RSA4096, ("RSA", 4096, 65537)),
        (KeyType.ED25519, ("Ed25519",)),
    ],
)
def test_every_kind_of_key_is_made(kind: KeyType, expected: tuple[object, ...]) -> None:
    assert shape(key_of("end entity", kind)) == expected


def test_p256_unless_another_is_asked_for() -> None:
    assert shape(generate_key()) == ("EC", "secp256r1")


def test_no_two_keys_are_alike() -> None:
    assert len({public_key_bytes(generate_key().public_key()) for _ in range(20)}) == 20


def test_serials_have_128_random_bits_and_do_not_repeat() -> None:
    serials = [new_serial() for _ in range(1000)]
    assert len(set(serials)) == 1000
    assert all(0 < serial < 2**128 for serial in serials)
    # Each bit is set in about half of them: outside 350 to 650 lies nine standard deviations away.
    counts = [sum(serial >> bit & 1 for serial in serials) for bit in range(128)]
    assert all(350 < count < 650 for count in counts)

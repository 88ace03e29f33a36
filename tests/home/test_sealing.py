import json
import resource
from base64 import b64decode, b64encode
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mutua import Home
from mutua.errors import MutuaError, UnreadableKey, WrongPassphrase
from mutua.home.sealing import MAX_COST, Cost, Sealer
from mutua.pki.keys import KeyType, public_key_bytes
from mutua.pki.randomness import generate_key
from tests.conftest import CHEAP_SEALING

CHEAPEST = Cost(n=2)


def changed(row: str, **fields: Any) -> str:
    return json.dumps({**json.loads(row), **fields})


def peak_kib() -> int:
    """The most memory this process ever had; OpenSSL's is in it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize("kind", [KeyType.P256, KeyType.P384, KeyType.RSA2048, KeyType.ED25519])
def test_a_sealed_key_comes_back_under_the_same_passphrase(kind: KeyType) -> None:
    key = generate_key(kind)
    sealed = Sealer(b"correct horse", CHEAPEST).seal("root", key)
    back = Sealer(b"correct horse").unseal("root", sealed)
    assert public_key_bytes(back.public_key()) == public_key_bytes(key.public_key())


def test_nothing_of_the_key_is_readable_and_no_two_seals_are_alike() -> None:
    key, sealer = generate_key(KeyType.P256), Sealer(b"correct horse", CHEAPEST)
    first, second = sealer.seal("root", key), sealer.seal("root", key)
    assert json.loads(first)["nonce"] != json.loads(second)["nonce"]
    assert json.loads(first)["sealed"] != json.loads(second)["sealed"]
    assert json.loads(first)["salt"] != json.loads(Sealer(b"correct horse", CHEAPEST).seal("root", key))["salt"]
    assert b"PRIVATE" not in b64decode(json.loads(first)["sealed"])


def test_the_default_cost_is_128_mebibytes() -> None:
    cost = Cost()
    assert 128 * cost.n * cost.r == 128 * 2**20


def test_a_key_does_not_pass_for_another(home: Home) -> None:
    with home.store.write() as connection:
        rows = connection.exec_driver_sql("SELECT id, key FROM authorities").all()
        (first, first_key), (second, second_key) = rows
        swap = "UPDATE authorities SET key = ? WHERE id = ?"
        connection.exec_driver_sql(swap, (second_key, first))
        connection.exec_driver_sql(swap, (first_key, second))
    with pytest.raises(WrongPassphrase):
        home.authority.issue_client("woovi")


@pytest.mark.parametrize("field", ["sealed", "nonce", "salt"])
def test_a_changed_byte_is_refused(field: str) -> None:
    sealer = Sealer(b"correct horse", CHEAPEST)
    sealed = sealer.seal("root", generate_key(KeyType.ED25519))
    data = b64decode(json.loads(sealed)[field])
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1
        with pytest.raises(WrongPassphrase):
            sealer.unseal("root", changed(sealed, **{field: b64encode(flipped).decode()}))


@pytest.mark.parametrize("cost", [{"n": 4}, {"r": 16}, {"p": 2}])
def test_a_changed_cost_is_refused(cost: dict[str, int]) -> None:
    sealer = Sealer(b"correct horse", CHEAPEST)
    sealed = sealer.seal("root", generate_key(KeyType.ED25519))
    with pytest.raises(WrongPassphrase):
        sealer.unseal("root", changed(sealed, **cost))


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 2 * MAX_COST},
        {"n": 2**40},
        {"r": 2**30},
        {"p": 2**30},
        {"n": 3},
        {"n": 0},
        {"n": -(2**20)},
        {"r": 0},
        {"r": -(2**30), "p": -(2**30)},
        {"p": 0},
        {"n": float("inf")},
        {"n": float("nan")},
        {"n": None},
        {"n": "many"},
        {"kdf": "pbkdf2"},
        {"cipher": "none"},
        {"salt": 5},
        {"nonce": ""},
        {"nonce": "?"},
        {"sealed": ""},
        {"sealed": []},
        {"n": "1024"},
        {"n": True},
        {"r": 8.0},
        {"more": 1},
    ],
)
def test_absurd_parameters_are_refused_without_being_tried(fields: dict[str, Any]) -> None:
    sealer = Sealer(b"correct horse", CHEAPEST)
    sealed = changed(sealer.seal("root", generate_key(KeyType.ED25519)), **fields)
    before = peak_kib()
    with pytest.raises((UnreadableKey, WrongPassphrase)):
        Sealer(b"correct horse").unseal("root", sealed)
    assert peak_kib() - before < 64 * 1024


@pytest.mark.parametrize("field", ["sealed", "nonce", "salt"])
def test_every_bit_of_the_text_counts_too(field: str) -> None:
    """Base64 leaves bits unused before its padding, which others read as if they were not there."""
    sealer = Sealer(b"correct horse", CHEAPEST)
    sealed = sealer.seal("root", generate_key(KeyType.ED25519))
    text = json.loads(sealed)[field]
    for place in range(len(text)):
        for bit in range(7):
            flipped = text[:place] + chr(ord(text[place]) ^ 1 << bit) + text[place + 1 :]
            with pytest.raises((UnreadableKey, WrongPassphrase)):
                sealer.unseal("root", changed(sealed, **{field: flipped}))


def test_a_field_that_is_missing_is_missed() -> None:
    sealed = json.loads(Sealer(b"correct horse", CHEAPEST).seal("root", generate_key(KeyType.ED25519)))
    for field in sealed:
        rest = {name: value for name, value in sealed.items() if name != field}
        with pytest.raises(UnreadableKey):
            Sealer(b"correct horse").unseal("root", json.dumps(rest))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(max_value=64) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("kdf", "n", "r", "p", "salt", "cipher", "nonce", "sealed")


@given(text=st.text() | json_values.map(json.dumps), fields=st.dictionaries(st.sampled_from(FIELDS), json_values))
@settings(deadline=None)
def test_whatever_stands_in_the_row_is_a_refusal(text: str, fields: dict[str, Any]) -> None:
    sealer = Sealer(b"correct horse", CHEAPEST)
    whole = {"kdf": "scrypt", "n": 2, "r": 8, "p": 1, "salt": "AAAA", "cipher": "AES-256-GCM", "nonce": "A" * 16}
    for row in (text, json.dumps({**whole, "sealed": "AAAA", **fields})):
        with pytest.raises(MutuaError):
            sealer.unseal("root", row)


def test_a_ca_key_sealed_as_cheap_as_the_tests_do_opens_with_the_default_sealer(home: Home) -> None:
    with home.store.read() as connection:
        sealed = connection.exec_driver_sql("SELECT key FROM authorities WHERE id = 'root'").scalar_one()
    assert json.loads(sealed)["n"] == CHEAP_SEALING.n
    assert home.sealer.unseal("root", sealed)

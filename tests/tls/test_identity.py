import copy
import io
import itertools
import pickle
import subprocess
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from mutua.errors import (
    EncryptedKey,
    KeyMismatch,
    MutuaError,
    UnreadableCertificate,
    UnreadableFile,
    UnreadableKey,
    WrongPassword,
)
from mutua.pki.certificates import write_der, write_pem
from mutua.pki.keys import KeyType, write_private_key
from mutua.pki.names import parse_name
from mutua.pki.profiles import CLIENT
from mutua.pki.randomness import generate_key
from mutua.pki.thumbprints import spki_s256, x5t_s256
from mutua.tls.identity import CHAIN_FILE, KEY_FILE, MAX_IDENTITY_BYTES, Identity
from mutua.tls.trust import Trust
from tests.pki.hierarchy import (
    CLIENT_NAMES,
    NOW,
    client,
    issue,
    issuing_ca,
    make_issuing_ca,
    make_root,
    root,
    server,
)

WOOVI = client()
LEAF, ISSUING = WOOVI.chain
SEALED = BestAvailableEncryption(b"correct horse")
TRUST = Trust((root().certificate,))


def same(one: Identity, other: Identity) -> bool:
    return one.chain == other.chain and write_private_key(one.key) == write_private_key(other.key)


def pfx(encryption: KeySerializationEncryption) -> bytes:
    return pkcs12.serialize_key_and_certificates(b"woovi", WOOVI.key, LEAF, [ISSUING], encryption)


# Loading

BLOCKS = [WOOVI.key_pem(), write_pem([LEAF]), write_pem([ISSUING]), write_pem([root().certificate])]


@pytest.mark.parametrize(
    "blocks", list(itertools.permutations(BLOCKS)), ids=lambda blocks: str(list(map(BLOCKS.index, blocks)))
)
def test_pem_in_any_order_gives_key_leaf_and_intermediate_without_the_root(blocks: tuple[bytes, ...]) -> None:
    assert same(Identity.load(b"".join(blocks)), WOOVI)


@pytest.mark.parametrize("kind", list(KeyType))
def test_every_kind_of_key_is_loaded(kind: KeyType) -> None:
    identity = client(kind, kind)
    assert same(Identity.load(identity.chain_pem() + identity.key_pem()), identity)


def test_paths_and_bytes_are_taken_for_chain_and_key(tmp_path: Path) -> None:
    chain, key = tmp_path / "woovi.crt", tmp_path / "woovi.key"
    chain.write_bytes(WOOVI.chain_pem())
    key.write_bytes(WOOVI.key_pem())
    for source in (chain, str(chain), WOOVI.chain_pem()):
        for key_source in (key, str(key), WOOVI.key_pem()):
            assert same(Identity.load(source, key=key_source), WOOVI)


def test_a_folder_holds_key_and_chain(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_bytes(WOOVI.key_pem())
    (tmp_path / CHAIN_FILE).write_bytes(WOOVI.chain_pem())
    assert same(Identity.load(tmp_path), WOOVI)
    assert same(Identity.load(str(tmp_path)), WOOVI)


def test_a_folder_may_have_its_key_elsewhere_or_sealed(tmp_path: Path) -> None:
    (tmp_path / CHAIN_FILE).write_bytes(WOOVI.chain_pem())
    assert same(Identity.load(tmp_path, key=WOOVI.key_pem()), WOOVI)
    (tmp_path / KEY_FILE).write_bytes(WOOVI.key_pem(b"correct horse"))
    assert same(Identity.load(tmp_path, password="correct horse"), WOOVI)


def test_a_folder_reached_through_a_link_is_loaded(tmp_path: Path) -> None:
    folder = tmp_path / "woovi.1"
    folder.mkdir()
    (folder / KEY_FILE).write_bytes(WOOVI.key_pem())
    (folder / CHAIN_FILE).write_bytes(WOOVI.chain_pem())
    (tmp_path / "woovi").symlink_to(folder)
    assert same(Identity.load(tmp_path / "woovi"), WOOVI)


def test_a_folder_without_key_or_chain_names_the_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=CHAIN_FILE):
        Identity.load(tmp_path)
    (tmp_path / CHAIN_FILE).write_bytes(WOOVI.chain_pem())
    with pytest.raises(UnreadableFile, match=KEY_FILE):
        Identity.load(tmp_path)


def test_a_certificate_in_der_goes_with_a_key_in_der() -> None:
    key = WOOVI.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert Identity.load(write_der(LEAF), key=key).chain == (LEAF,)


def test_a_key_as_openssl_ecparam_writes_it_is_found_behind_its_parameters() -> None:
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    key = WOOVI.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    assert same(Identity.load(parameters + key + WOOVI.chain_pem()), WOOVI)


@pytest.mark.parametrize("password", ["correct horse", b"correct horse"])
def test_pkcs12_opens_with_its_password(tmp_path: Path, password: str | bytes) -> None:
    path = tmp_path / "woovi.p12"
    path.write_bytes(pfx(SEALED))
    assert same(Identity.load(path, password=password), WOOVI)
    assert same(Identity.load(pfx(SEALED), password=password), WOOVI)


def test_pkcs12_without_encryption_needs_no_password() -> None:
    assert same(Identity.load(pfx(NoEncryption())), WOOVI)


@pytest.mark.parametrize("data", [pfx(SEALED), WOOVI.chain_pem() + WOOVI.key_pem(b"correct horse")], ids=["p12", "pem"])
def test_a_missing_password_is_told_from_a_wrong_one(data: bytes) -> None:
    with pytest.raises(EncryptedKey):
        Identity.load(data)
    with pytest.raises(WrongPassword):
        Identity.load(data, password="battery staple")


def test_a_password_outside_ascii_is_utf8() -> None:
    sealed = WOOVI.chain_pem() + WOOVI.key_pem("pássaro".encode())
    assert same(Identity.load(sealed, password="pássaro"), WOOVI)


# The chain


def test_certificates_that_do_not_belong_are_left_out() -> None:
    strangers = write_pem([*server(KeyType.P384).chain, *client(KeyType.ED25519, KeyType.ED25519).chain])
    assert same(Identity.load(strangers + WOOVI.key_pem() + WOOVI.chain_pem()), WOOVI)


def test_an_issuer_of_the_same_name_with_another_key_is_left_out() -> None:
    namesake = make_issuing_ca(make_root()).certificate
    assert namesake.subject == ISSUING.subject
    assert Identity.load(WOOVI.key_pem() + write_pem([LEAF, namesake])).chain == (LEAF,)
    assert Identity.load(WOOVI.key_pem() + write_pem([namesake, ISSUING, LEAF])).chain == (LEAF, ISSUING)


def test_a_self_signed_certificate_is_a_chain_of_one() -> None:
    alone = root()
    identity = Identity.load(write_private_key(alone.key) + write_pem([ISSUING, alone.certificate]))
    assert identity.chain == (alone.certificate,)


def test_a_certificate_given_twice_stands_in_the_chain_once() -> None:
    assert same(Identity.load(WOOVI.key_pem() + write_pem([LEAF, ISSUING, LEAF, ISSUING])), WOOVI)


# What does not go together


def test_a_mismatch_names_both_keys() -> None:
    other = generate_key()
    with pytest.raises(KeyMismatch) as caught:
        Identity.load(WOOVI.chain_pem(), key=write_private_key(other))
    assert spki_s256(other.public_key()) in caught.value.message
    assert spki_s256(WOOVI.key.public_key()) in caught.value.message
    assert caught.value.hint


def test_a_mismatch_is_found_across_kinds_and_on_construction() -> None:
    with pytest.raises(KeyMismatch):
        Identity.load(WOOVI.chain_pem(), key=client(KeyType.RSA2048).key_pem())
    with pytest.raises(KeyMismatch):
        Identity(generate_key(), WOOVI.chain)
    with pytest.raises(KeyMismatch):
        Identity(WOOVI.key, (ISSUING, LEAF))


def test_an_identity_needs_a_certificate_and_a_key() -> None:
    with pytest.raises(UnreadableCertificate, match="needs a certificate"):
        Identity(WOOVI.key, ())
    with pytest.raises(UnreadableKey, match="no private key in the file"):
        Identity.load(WOOVI.chain_pem())
    with pytest.raises(UnreadableCertificate, match="no certificate"):
        Identity.load(WOOVI.key_pem())


def test_a_file_that_is_missing_or_too_large_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"missing\.p12"):
        Identity.load(tmp_path / "missing.p12")
    large = tmp_path / "large.pem"
    large.write_bytes(WOOVI.chain_pem() + WOOVI.key_pem() + b"\n" * MAX_IDENTITY_BYTES)
    with pytest.raises(UnreadableFile, match=r"large\.pem.*larger"):
        Identity.load(large)


def test_a_chain_that_openssl_refuses_is_an_error_when_a_context_is_made(
    peer: Callable[[str], str], tmp_path: Path
) -> None:
    # SHA-1, as the CAs of some banks still sign; cryptography reads such certificates and makes none.
    (tmp_path / "woovi.key").write_bytes(WOOVI.key_pem())
    (tmp_path / "ca.key").write_bytes(write_private_key(issuing_ca().key))
    (tmp_path / "ca.pem").write_bytes(write_pem([ISSUING]))
    request = ["req", "-new", "-key", "woovi.key", "-subj", "/CN=woovi", "-out", "woovi.csr"]
    signature = ["x509", "-req", "-in", "woovi.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-sha1", "-out", "woovi.pem"]
    for command in (request, [*signature, "-set_serial", "1"]):
        subprocess.run([peer("openssl"), *command], cwd=tmp_path, check=True, capture_output=True)
    identity = Identity.load(tmp_path / "woovi.pem", key=tmp_path / "woovi.key")
    for make in (identity.client_context, identity.server_context):
        with pytest.raises(UnreadableCertificate, match="refuses the certificate chain: ca md too weak") as caught:
            make(TRUST)
        assert "SHA-256" in caught.value.hint


# What it tells


def test_it_tells_what_its_leaf_says() -> None:
    assert WOOVI.certificate == LEAF
    assert WOOVI.thumbprint == x5t_s256(LEAF)
    assert WOOVI.names == tuple(map(parse_name, CLIENT_NAMES))
    assert WOOVI.not_after == LEAF.not_valid_after_utc
    assert WOOVI.chain_pem() == write_pem([LEAF, ISSUING])


def test_the_repr_names_it_or_its_thumbprint() -> None:
    identity = issue(issuing_ca(), CLIENT, ["woovi"])
    until = (NOW + CLIENT.lifetime).date()
    assert repr(identity) == f"<Identity woovi until {until}>"
    nameless = Identity(root().key, (root().certificate,))
    assert repr(nameless).startswith(f"<Identity {nameless.thumbprint} until ")


# The key stays inside


@pytest.fixture
def secrets_of_the_key() -> list[str]:
    """What would give the P-256 key away, in the forms a program may print."""
    number = WOOVI.key.private_numbers().private_value  # type: ignore[union-attr]
    raw = number.to_bytes(32)
    base64 = WOOVI.key_pem().decode().splitlines()[1:-1]
    return [str(number), f"{number:x}", raw.hex(), repr(raw)[2:-1], *base64]


@pytest.mark.parametrize("render", [repr, str, lambda each: f"{each}", lambda each: f"{[each]}"])
def test_the_key_is_in_no_rendering(render: Callable[[Identity], str], secrets_of_the_key: list[str]) -> None:
    assert not [secret for secret in secrets_of_the_key if secret in render(WOOVI)]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_cannot_be_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.Pickler(io.BytesIO(), protocol).dump(WOOVI)
    with pytest.raises(TypeError, match="cannot be pickled"):
        copy.deepcopy(WOOVI)


def test_the_key_and_the_password_are_in_no_error(secrets_of_the_key: list[str]) -> None:
    sealed = WOOVI.key_pem(b"correct horse")
    attempts: list[Callable[[], Identity]] = [
        lambda: Identity.load(client(KeyType.P384).chain_pem(), key=WOOVI.key_pem()),
        lambda: Identity.load(WOOVI.key_pem()),
        lambda: Identity.load(WOOVI.chain_pem(), key=WOOVI.key_pem()[:-40]),
        lambda: Identity.load(WOOVI.chain_pem(), key=sealed, password="battery staple"),
        lambda: Identity.load(pfx(SEALED), password="battery staple"),
        lambda: Identity.load(WOOVI.key_pem() + b"-----BEGIN CERTIFICATE-----\n" + WOOVI.key_pem()),
    ]
    for attempt in attempts:
        with pytest.raises(MutuaError) as caught:
            attempt()
        told = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + caught.value.hint
        shown = told.replace('"battery staple"', "")  # the line of this test, in the traceback
        assert not [secret for secret in [*secrets_of_the_key, "battery staple"] if secret in shown]


def test_the_key_is_written_sealed_or_in_clear_as_asked() -> None:
    assert WOOVI.key_pem() == write_private_key(WOOVI.key)
    assert WOOVI.key_pem(b"correct horse").startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")


@pytest.mark.parametrize("kind", list(KeyType))
def test_contexts_leave_no_file_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: KeyType) -> None:
    temporary, working = tmp_path / "tmp", tmp_path / "cwd"
    temporary.mkdir()
    working.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.chdir(working)
    client(kind).client_context(TRUST)
    server(kind).server_context(TRUST)
    assert [*temporary.iterdir(), *working.iterdir()] == []

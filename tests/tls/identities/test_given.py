"""How an identity can be given: as a path, as bytes, as text; and what is said of what was none of these."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mutua.errors import KeyMismatch, MutuaError, UnreadableCertificate, UnreadableContents, UnreadableFile
from mutua.pki.thumbprints import spki_s256
from mutua.tls.identity import Identity
from tests.pki.hierarchy import client, issue, issuing_ca

WOOVI = client()
KEY = WOOVI.key_pem().decode()
BODY = "".join(KEY.splitlines()[1:-1])


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("-----BEGIN", "-----BEG1N").replace("-----END", "-----EMD"),
        lambda text: "".join(text.splitlines()[1:-1])[:-5],
        lambda text: "\n".join(text.splitlines()[1:]),
        lambda text: " " + "".join(text.splitlines()[1:-1])[:-5] + "=" * 3,
        lambda text: "".join(text.splitlines()[1:-1])[9:-5],
        lambda text: text.removesuffix("-----END PRIVATE KEY-----\n"),
        lambda text: text.replace("-----BEGIN PRIVATE KEY-----", "-----BEGIN CERTIFICATE-----"),
    ],
    ids=range(7),
)
def test_a_damaged_key_in_a_string_is_in_no_message(damage: Callable[[str], str]) -> None:
    damaged = damage(KEY)
    attempts: list[Callable[[], Identity]] = [
        lambda: Identity.load(damaged),
        lambda: Identity.load(WOOVI.chain_pem(), key=damaged),
        lambda: Identity.load(damaged.encode()),
    ]
    for attempt in attempts:
        with pytest.raises(MutuaError) as caught:
            attempt()
        told = caught.value.message + caught.value.hint
        assert not [BODY[place : place + 12] for place in range(len(BODY) - 12) if BODY[place : place + 12] in told]


@pytest.mark.parametrize("path", ["", "missing.pem", "x" * 255, "x" * 300, "a\0b", "a\nb", "x/" * 3000], ids=range(7))
def test_what_is_no_path_is_an_error_of_ours(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnreadableFile) as caught:
        Identity.load(path)
    assert caught.value.hint


def test_a_file_with_the_name_of_base64_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = "MIIB" + "A" * 60
    Path(name).write_bytes(WOOVI.chain_pem() + WOOVI.key_pem())
    assert Identity.load(Path(name)).thumbprint == WOOVI.thumbprint
    assert Identity.load(name).thumbprint == WOOVI.thumbprint


def test_the_key_says_which_of_several_certificates_is_meant() -> None:
    one, two = issue(issuing_ca()), issue(issuing_ca())
    both = one.chain_pem() + two.chain_pem()
    assert Identity.load(both, key=two.key_pem()).thumbprint == two.thumbprint
    assert Identity.load(both, key=one.key_pem()).thumbprint == one.thumbprint
    with pytest.raises(KeyMismatch) as caught:
        Identity.load(both, key=WOOVI.key_pem())
    for key in (WOOVI.key.public_key(), one.key.public_key(), two.key.public_key()):
        assert spki_s256(key) in caught.value.message


def test_a_hundred_strangers_are_no_chain() -> None:
    strangers = b"".join(issue(issuing_ca(), key=WOOVI.key, names=[f"c{each}"]).chain_pem() for each in range(100))
    with pytest.raises(UnreadableCertificate, match="101 certificates are too many"):
        Identity.load(strangers + WOOVI.key_pem())


def test_four_megabytes_are_no_identity() -> None:
    for source, key in ((b"\n" * (4 * 1024 * 1024 + 1), None), (WOOVI.chain_pem(), b"\n" * (4 * 1024 * 1024 + 1))):
        with pytest.raises(UnreadableContents, match="too many for an identity"):
            Identity.load(source, key=key)


def test_what_came_along_stands_in_the_identity() -> None:
    assert Identity.load(WOOVI.chain_pem() + WOOVI.key_pem()).root is None
    missing = Identity(WOOVI.key, WOOVI.chain[:1]).missing_issuer
    assert missing is not None
    assert missing.subject == "CN=Issuing CA 1,O=Acme Payments"

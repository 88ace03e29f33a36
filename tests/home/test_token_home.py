"""A home whose CA keys are in a token: what differs from one that seals them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pkcs11 import Attribute, ObjectClass

from mutua import Home, KeyType
from mutua.ca.hierarchy import Purpose
from mutua.errors import (
    InvalidAuthority,
    InvalidLifetime,
    MutuaError,
    TokenUnavailable,
    UnknownAuthority,
    UnreadableKey,
)
from mutua.home.settings import SETTINGS_FILE, TokenSettings
from mutua.pki.names import DnsName
from mutua.pki.randomness import generate_key
from mutua.pki.requests import write_request
from mutua.tls.identity import Identity
from tests.conftest import CHEAP_SEALING
from tests.home.test_tokens import session_in
from tests.pki.crafted import make
from tests.softhsm import SoftHsm

CALLERS = 16


@pytest.fixture
def settings(softhsm: SoftHsm) -> TokenSettings:
    return TokenSettings(softhsm.module, softhsm.token)


@pytest.fixture
def folder(settings: TokenSettings, tmp_path: Path) -> Path:
    """A home with its keys in the token, and a client ``woovi``."""
    with Home.create(tmp_path / "home", sealing_cost=CHEAP_SEALING, token=settings) as home:
        home.clients.add("woovi")
    return tmp_path / "home"


def labels(hsm: SoftHsm) -> list[str]:
    """The private keys in the token."""
    session = session_in(hsm)
    try:
        return sorted(key[Attribute.LABEL] for key in session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY}))
    finally:
        session.close()


def test_its_keys_are_in_the_token_and_nowhere_else(folder: Path, softhsm: SoftHsm) -> None:
    assert labels(softhsm) == ["issuing-1", "root"]
    with Home.open(folder) as home:
        for each in home.hierarchy.everyone():
            assert each.key is not None
            assert each.key.startswith(f"pkcs11:token=mutua;object={each.id};id=")
    content = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for secret in (softhsm.pin.encode(), b"AES-256-GCM"):
        assert [path for path, data in content.items() if secret in data] == []


@pytest.mark.parametrize("kind", [KeyType.P384, KeyType.RSA2048, KeyType.ED25519])
def test_every_kind_of_key_makes_a_home(settings: TokenSettings, tmp_path: Path, kind: KeyType) -> None:
    with Home.create(tmp_path / "home", sealing_cost=CHEAP_SEALING, token=settings, key_type=kind) as home:
        home.clients.add("woovi")
        made = home.authority.issue_client("woovi")
        made.certificate.verify_directly_issued_by(home.hierarchy.issuing.certificate)
        home.revocation.revoke(made.thumbprint)
        home.audit.verify()


def test_its_successors_are_made_in_the_token_too(folder: Path, softhsm: SoftHsm) -> None:
    with Home.open(folder) as home:
        home.hierarchy.rotate()
        home.hierarchy.add("partners", purpose=Purpose.CLIENT)
        assert labels(softhsm) == ["issuing-1", "issuing-2", "partners", "root"]
        home.hierarchy.retire("issuing-1")
        home.audit.verify()


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda home: home.hierarchy.add("x", path_length=2), InvalidAuthority),
        (lambda home: home.hierarchy.add("x", names=["*"]), InvalidAuthority),
        (lambda home: home.hierarchy.add("x", parent="nobody"), UnknownAuthority),
        (lambda home: home.hierarchy.add("x", parent="issuing-1"), InvalidAuthority),
        (lambda home: home.hierarchy.add("x", lifetime=-home.settings.crl_life), InvalidLifetime),
        (lambda home: home.hierarchy.rotate("root"), InvalidAuthority),
    ],
)
def test_what_is_refused_leaves_no_key_behind(
    folder: Path, softhsm: SoftHsm, act: Callable[[Home], object], error: type[MutuaError]
) -> None:
    with Home.open(folder) as home, pytest.raises(error):
        act(home)
    assert labels(softhsm) == ["issuing-1", "root"]


def test_a_key_whose_ca_never_came_to_be_is_not_in_the_way_of_a_rotation(folder: Path, softhsm: SoftHsm) -> None:
    """As a process leaves it that is killed between the token and the store."""
    softhsm.keys().make("issuing-2", KeyType.P256)
    with Home.open(folder) as home:
        _, made = home.hierarchy.rotate()
        assert made.id == "issuing-3"
        assert home.authority.issue_server("a.example").chain[1] == made.certificate


def test_a_name_that_the_token_has_already_is_refused_and_said(folder: Path, softhsm: SoftHsm) -> None:
    softhsm.keys().make("partners", KeyType.P256)
    with Home.open(folder) as home:
        with pytest.raises(TokenUnavailable, match="has a key 'partners' already"):
            home.hierarchy.add("partners")
        assert [each.id for each in home.hierarchy.everyone()] == ["root", "issuing-1"]


@pytest.mark.usefixtures("folder")
def test_two_homes_do_not_share_a_token(settings: TokenSettings, softhsm: SoftHsm, tmp_path: Path) -> None:
    with pytest.raises(TokenUnavailable, match="has a key 'root' already"):
        Home.create(tmp_path / "second", sealing_cost=CHEAP_SEALING, token=settings)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "softhsm"]
    softhsm.add_slot("second")
    second = TokenSettings(softhsm.module, "second")
    with Home.create(tmp_path / "second", sealing_cost=CHEAP_SEALING, token=second) as home:
        assert home.authority.issue_server("a.example")


def test_what_reads_and_refuses_needs_neither_token_nor_pin(
    folder: Path, softhsm: SoftHsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Home.open(folder) as home:
        thumbprint = home.authority.issue_client("woovi").thumbprint
    monkeypatch.delenv("MUTUA_PKCS11_PIN")
    with softhsm.pulled_out(), Home.open(folder) as home:
        assert home.snapshot().issued
        home.clients.suspend("woovi")
        home.revocation.revoke(thumbprint)
        assert thumbprint in home.snapshot().revoked
        assert [(each.id, shard) for each, shard in home.crls.due()] == [("issuing-1", 0)]
        home.audit.verify()
        with pytest.raises(TokenUnavailable):
            home.authority.issue_client("woovi")
    monkeypatch.setenv("MUTUA_PKCS11_PIN", softhsm.pin)
    with Home.open(folder) as home:
        home.crls.publish_due()
        assert home.crls.due() == []


def test_a_token_that_was_away_signs_again_when_it_is_back(folder: Path, softhsm: SoftHsm) -> None:
    with Home.open(folder) as home:
        assert home.authority.issue_client("woovi")
        count = home.audit.verify()
        with softhsm.pulled_out():
            for _ in range(3):
                with pytest.raises(TokenUnavailable):
                    home.authority.issue_client("woovi")
        assert home.audit.verify() == count
        assert home.authority.issue_client("woovi")


def test_closing_a_home_logs_out_and_only_if_it_was_logged_in(folder: Path) -> None:
    with Home.open(folder) as home:
        pass
    assert "token" not in vars(home)
    with Home.open(folder) as home, Home.open(folder) as other:
        home.authority.issue_client("woovi")
        other.authority.issue_client("woovi")
        sessions = [each.token._token for each in (home, other)]
        assert [each._open is None for each in sessions] == [False, False]
        home.close()
        assert [each._open is None for each in sessions] == [True, False]
        assert other.authority.issue_client("woovi"), "another home in the same process goes on"


def test_sixteen_at_once_are_served_by_one_token(folder: Path) -> None:
    requests = [write_request(generate_key(), [DnsName("woovi")]) for _ in range(CALLERS)]
    with Home.open(folder) as home, ThreadPoolExecutor(CALLERS) as threads:
        signed = list(threads.map(lambda each: home.requests.sign(each, client="woovi"), requests))
        assert len({each.thumbprint for each in signed}) == CALLERS
        for each in signed:
            each.certificate.verify_directly_issued_by(each.chain[1])
        home.audit.verify()


def test_a_ca_that_was_taken_in_is_sealed_in_the_store_beside_it(folder: Path, softhsm: SoftHsm) -> None:
    made = make("Legacy CA")
    with Home.open(folder) as home:
        home.hierarchy.take_in("legacy", Identity(made.key, (made.certificate,)))
        assert home.change_passphrase(b"another one", cost=CHEAP_SEALING) == 1
        home.keys.export("legacy", folder.parent / "legacy.key")
        home.keys.restore("legacy", folder.parent / "legacy.key")
        assert home.authority.issue_client("woovi", authority="legacy")
    assert labels(softhsm) == ["issuing-1", "root"]


def test_without_its_settings_it_says_where_the_keys_are(folder: Path) -> None:
    path = folder / SETTINGS_FILE
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if "pkcs11" not in line))
    with Home.open(folder) as home, pytest.raises(UnreadableKey, match="is in a token") as refused:
        home.authority.issue_client("woovi")
    assert "[pkcs11]" in refused.value.hint


def test_a_key_that_is_gone_from_the_token_is_missed(folder: Path, softhsm: SoftHsm) -> None:
    session = session_in(softhsm)
    for key in session.get_objects({Attribute.LABEL: "issuing-1"}):
        key.destroy()
    session.close()
    with Home.open(folder) as home:
        with pytest.raises(TokenUnavailable, match="does not have the key"):
            home.authority.issue_client("woovi")
        with pytest.raises(TokenUnavailable, match="does not have the key"):
            home.crls.publish(home.hierarchy.get("issuing-1"))
        assert home.crls.publish(home.hierarchy.root)

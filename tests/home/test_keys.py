"""A CA's key goes away into a file, and comes back if it is the right one."""

import json
import os
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mutua import Home, KeyType
from mutua.errors import (
    AlreadyExists,
    InvalidAuthority,
    KeyMismatch,
    MutuaError,
    OfflineKey,
    UnknownAuthority,
    UnreadableFile,
    UnreadableKey,
    WrongPassphrase,
)
from mutua.home.exported import read_exported_key
from mutua.pki.crl import read_crl
from tests.home.sealed import CHEAPEST, assert_everything_works, change, cheap_sealing, left, sealed
from tests.home.tables import tables

__all__ = ["cheap_sealing"]


@pytest.fixture
def away(home: Home, tmp_path: Path) -> Path:
    """The file with the root's key, which is in the home no more."""
    path = tmp_path / "root.key"
    home.keys.export("root", path)
    return path


def test_an_exported_key_is_in_a_private_file_and_no_longer_in_the_home(home: Home, away: Path) -> None:
    assert stat.S_IMODE(away.stat().st_mode) == 0o600
    assert home.hierarchy.root.key is None
    content = json.loads(away.read_text())
    assert content.keys() == {"authority", "certificate", "key"}
    assert content["authority"] == "root"
    assert "PRIVATE" not in away.read_text()
    home.audit.verify()


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_it_is_private_whatever_the_umask_says(home: Home, tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        home.keys.export("root", tmp_path / "root.key")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "root.key").stat().st_mode) == 0o600


def test_issuing_renewing_and_revoking_go_on_without_the_key_of_the_root(home: Home, away: Path) -> None:
    made = home.authority.issue_client("woovi")
    home.revocation.revoke(made.thumbprint)
    home.authority.issue_server("api.acme.example")
    assert made.certificate.serial_number in [
        each.serial_number for each in read_crl(home.crls.der("issuing-1") or b"")
    ]
    assert_everything_works(home)


def test_what_needs_the_key_says_so_and_what_to_type(home: Home, away: Path) -> None:
    before = tables(home)
    acts: list[Callable[[], object]] = [
        lambda: home.hierarchy.add("partners"),
        lambda: home.hierarchy.rotate("issuing-1"),
        lambda: home.crls.publish(home.hierarchy.root),
        lambda: home.keys.export("root", away.with_name("again.key")),
    ]
    for act in acts:
        with pytest.raises(OfflineKey) as refused:
            act()
        assert refused.value.hint.endswith("mutua ca import --key root FILE")
    assert tables(home) == before


def test_its_list_lasts_and_is_due_when_a_ca_below_it_is_revoked(home: Home, away: Path) -> None:
    record = home.crls.everything()["root", 0]
    assert record.next_update - home.now() > timedelta(days=300)
    assert [(each.id, shard) for each, shard in home.crls.due()] == []
    home.keys.restore("root", away)
    home.hierarchy.rotate("issuing-1")
    home.keys.export("root", away.with_name("again.key"))
    home.hierarchy.retire("issuing-1", force=True, reason="ca_compromise")
    assert [(each.id, shard) for each, shard in home.crls.due()] == [("root", 0)]
    home.keys.restore("root", away.with_name("again.key"))
    assert home.crls.due() == []
    (entry,) = read_crl((home.path / "crl" / "root.crl").read_bytes())
    assert entry.serial_number == home.hierarchy.get("issuing-1").certificate.serial_number


def test_a_key_that_is_back_signs_again(home: Home, away: Path) -> None:
    assert home.keys.restore("root", away).key is not None
    assert home.hierarchy.rotate("issuing-1")[1].id == "issuing-2"
    assert_everything_works(home)
    with pytest.raises(InvalidAuthority, match="is here"):
        home.keys.restore("root", away)


def test_an_issuing_ca_s_key_goes_away_and_comes_back_too(home: Home, tmp_path: Path) -> None:
    home.keys.export("issuing-1", tmp_path / "issuing.key")
    with pytest.raises(OfflineKey, match="'issuing-1'"):
        home.authority.issue_client("woovi")
    home.keys.restore("issuing-1", tmp_path / "issuing.key")
    assert_everything_works(home)


@pytest.mark.parametrize("kind", ["file", "folder", "link", "dangling link"])
def test_nothing_is_overwritten_and_the_key_stays(home: Home, tmp_path: Path, kind: str) -> None:
    path, precious = tmp_path / "root.key", tmp_path / "precious"
    precious.write_text("precious")
    match kind:
        case "file":
            path.write_text("precious")
        case "folder":
            path.mkdir()
        case "link":
            path.symlink_to(precious)
        case _:
            path.symlink_to(tmp_path / "nowhere")
    before = tables(home)
    with pytest.raises(AlreadyExists):
        home.keys.export("root", path)
    assert tables(home) == before
    assert precious.read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


def test_what_appears_meanwhile_is_not_overwritten_either(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "root.key"
    monkeypatch.setattr(home.crls, "make_last", lambda _record: path.write_text("precious"))
    with pytest.raises(AlreadyExists):
        home.keys.export("root", path)
    assert path.read_text() == "precious"
    assert home.hierarchy.root.key is not None


def test_where_no_file_can_be_made_the_key_stays(home: Home, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile):
        home.keys.export("root", tmp_path / "nowhere" / "root.key")
    assert home.hierarchy.root.key is not None
    with pytest.raises(UnknownAuthority):
        home.keys.export("nobody", tmp_path / "nobody.key")


def test_a_file_that_does_not_hold_what_was_written_leaves_the_key_where_it_is(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A memory stick that takes everything and keeps something else."""
    another = home.hierarchy.get("issuing-1")

    def write(path: Path, data: bytes) -> None:
        content = json.loads(data)
        content["key"] = json.loads(home.sealer.seal("root", home.keys.of(another)))
        path.write_text(json.dumps(content))

    monkeypatch.setattr("mutua.home.keys.write_new_file", write)
    with pytest.raises(KeyMismatch, match="does not hold what was written"):
        home.keys.export("root", tmp_path / "root.key")
    assert home.hierarchy.root.key is not None


def test_nothing_of_the_sealed_key_is_left_in_the_store(home: Home, tmp_path: Path) -> None:
    secret = sealed(home)
    assert left(home, secret), "the search finds what is there"
    home.keys.export("root", tmp_path / "root.key")
    assert left(home, secret) == []
    assert left(home, sealed(home, "issuing-1"))


@given(acts=st.lists(st.sampled_from(["add", "rotate", "change", "issue", "away and back"]), max_size=8))
@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nor_of_any_form_it_ever_had(
    home_template: Path, tmp_path_factory: pytest.TempPathFactory, acts: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("history")
    kinds = [KeyType.P256, KeyType.P384, KeyType.ED25519]
    with Home.create(folder / "home", sealing_cost=CHEAPEST, key_type=kinds[len(acts) % 3]) as home:
        had = {sealed(home)}
        for number, act in enumerate(acts):
            match act:
                case "add":
                    home.hierarchy.add(f"ca-{number}", key_type=kinds[number % 3])
                case "rotate":
                    home.hierarchy.rotate()
                case "change":
                    change(home, b"another %d" % number)
                case "issue":
                    home.authority.issue_server("api.acme.example")
                case _:
                    home.keys.export("root", folder / f"{number}.key")
                    home.keys.restore("root", folder / f"{number}.key")
            had.add(sealed(home))
        home.keys.export("root", folder / "root.key")
        assert left(home, *had) == []


def test_while_somebody_reads_the_export_is_done_and_what_may_be_left_is_said(
    home: Home, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mutua.store.sqlite_file.BUSY_TIMEOUT_SECONDS", 0.1)
    with Home.open(home.path) as reader, reader.store.read() as connection:
        connection.exec_driver_sql("SELECT * FROM authorities").fetchone()
        home.keys.export("root", tmp_path / "root.key")
    assert home.hierarchy.root.key is None
    assert "may be left in the database's files" in caplog.text


def test_every_bit_of_the_file_counts(home: Home, away: Path) -> None:
    good, certificate = away.read_bytes(), home.hierarchy.root.certificate
    for place in range(len(good)):
        for bit in range(8):
            damaged = bytearray(good)
            damaged[place] ^= 1 << bit
            with pytest.raises(MutuaError):
                home.sealer.load("root", read_exported_key(bytes(damaged), away, "root", certificate))
    assert home.sealer.load("root", read_exported_key(good, away, "root", certificate))


@pytest.mark.parametrize("place", range(0, 600, 37))
def test_a_damaged_file_brings_nothing_back(home: Home, away: Path, place: int) -> None:
    before, good = tables(home), away.read_bytes()
    assert len(good) > 600
    away.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
    with pytest.raises(MutuaError):
        home.keys.restore("root", away)
    assert tables(home) == before
    away.write_bytes(good)
    assert home.keys.restore("root", away).key is not None


@given(data=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode(errors="replace")))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_given_is_refused_in_our_words(away: Path, home: Home, data: bytes) -> None:
    strange = away.with_name("strange.key")
    strange.write_bytes(data)
    with pytest.raises((UnreadableKey, KeyMismatch)):
        home.keys.restore("root", strange)


@pytest.mark.parametrize(
    ("altered", "error"),
    [
        (lambda content: {**content, "authority": "issuing-1"}, KeyMismatch),
        (lambda content: {**content, "authority": ["root"]}, KeyMismatch),
        (lambda content: {**content, "certificate": "A" * 43}, KeyMismatch),
        (lambda content: {**content, "certificate": None}, KeyMismatch),
        (lambda content: {**content, "more": 1}, UnreadableKey),
        (lambda content: {key: content[key] for key in ("authority", "key")}, UnreadableKey),
        (lambda content: {**content, "key": "pkcs11:token=mutua;object=root;id=%01;type=private"}, UnreadableKey),
        (lambda content: {**content, "key": None}, UnreadableKey),
        (lambda content: {**content, "key": []}, UnreadableKey),
        (lambda content: {**content, "key": {**content["key"], "n": 2**40}}, UnreadableKey),
        (lambda content: [content], UnreadableKey),
        (lambda _: 5, UnreadableKey),
    ],
)
def test_another_file_is_told_from_the_right_one(
    home: Home, away: Path, altered: Callable[[dict[str, object]], object], error: type[MutuaError]
) -> None:
    away.write_text(json.dumps(altered(json.loads(away.read_text()))))
    with pytest.raises(error) as refused:
        home.keys.restore("root", away)
    assert refused.value.hint
    assert home.hierarchy.root.key is None


def test_another_homes_root_is_told_from_this_ones(home: Home, away: Path, tmp_path: Path) -> None:
    passphrase = (home.path / "passphrase").read_text().strip()
    with Home.create(tmp_path / "other", sealing_cost=CHEAPEST, passphrase=passphrase) as stranger:
        stranger.keys.export("root", tmp_path / "stranger.key")
    with pytest.raises(KeyMismatch, match="another CA of the name 'root'"):
        home.keys.restore("root", tmp_path / "stranger.key")
    # Nor does it help to write this one's thumbprint over it.
    content = json.loads((tmp_path / "stranger.key").read_text())
    content["certificate"] = json.loads(away.read_text())["certificate"]
    (tmp_path / "stranger.key").write_text(json.dumps(content))
    with pytest.raises(KeyMismatch, match="is not that of the CA 'root'"):
        home.keys.restore("root", tmp_path / "stranger.key")


def test_a_missing_and_a_huge_file_are_refused(home: Home, away: Path) -> None:
    with pytest.raises(UnreadableFile):
        home.keys.restore("root", away.with_name("nowhere"))
    away.write_bytes(b" " * 2**20)
    with pytest.raises(UnreadableFile):
        home.keys.restore("root", away)


def test_a_key_from_before_the_passphrase_was_changed_needs_the_old_one(home: Home, away: Path) -> None:
    before = (home.path / "passphrase").read_bytes().strip()
    change(home, b"another one")
    for given_ in (None, b"another one", b"wrong"):
        with pytest.raises(WrongPassphrase):
            home.keys.restore("root", away, passphrase=given_)
    home.keys.restore("root", away, passphrase=before)
    # It is sealed as all others are from now on.
    assert_everything_works(home)

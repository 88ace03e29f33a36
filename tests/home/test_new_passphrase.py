"""Another passphrase: every key is sealed anew, nobody is locked out, and the old one opens nothing any more."""

import base64
import json
import stat

import pytest

from mutua import Home
from mutua.errors import InvalidInput, WrongPassphrase
from mutua.home.passphrase import MAX_PASSPHRASE_BYTES, PENDING_FILE, VARIABLE, changed_passphrase
from mutua.home.sealing import Sealer
from tests.conftest import CHEAP_SEALING
from tests.home.sealed import CHEAPEST, assert_everything_works, change, cheap_sealing, left, other, sealed
from tests.home.tables import tables

__all__ = ["cheap_sealing", "other"]


def test_every_key_is_sealed_anew_in_one_transaction_and_the_file_has_the_new_passphrase(home: Home) -> None:
    home.hierarchy.add("partners")
    had = {each.id: each.key for each in home.hierarchy.everyone()}
    count = home.audit.verify()
    assert change(home, b"another one") == 3
    now = {each.id: each.key for each in home.hierarchy.everyone()}
    assert all(had[each] != now[each] for each in had)
    assert home.audit.verify() == count + 1
    assert (home.path / "passphrase").read_bytes() == b"another one\n"
    assert stat.S_IMODE((home.path / "passphrase").stat().st_mode) == 0o600
    assert not (home.path / PENDING_FILE).exists()
    assert_everything_works(home)


def test_nothing_that_the_old_passphrase_opens_is_left_in_the_store(home: Home) -> None:
    had = [sealed(home, each) for each in ("root", "issuing-1")]
    change(home, b"another one")
    assert left(home, *had) == []


def test_a_wrong_passphrase_changes_nothing(home: Home) -> None:
    before = tables(home), (home.path / "passphrase").read_bytes()
    with Home.open(home.path, passphrase="wrong") as stranger, pytest.raises(WrongPassphrase):
        change(stranger, b"another one")
    assert (tables(home), (home.path / "passphrase").read_bytes()) == before
    assert_everything_works(home)


@pytest.mark.parametrize("passphrase", [b"", b"x" * MAX_PASSPHRASE_BYTES, b"line\n", b"line\r", b"\n"])
def test_a_passphrase_that_would_not_come_back_from_a_file_is_refused(home: Home, passphrase: bytes) -> None:
    before = tables(home), (home.path / "passphrase").read_bytes()
    with pytest.raises(InvalidInput):
        change(home, passphrase)
    assert (tables(home), (home.path / "passphrase").read_bytes()) == before


@pytest.mark.parametrize(
    "passphrase", [b"two words", b" spaces ", b"\xff\xfe", b"x" * (MAX_PASSPHRASE_BYTES - 1), "ç".encode(), b"a\nb"]
)
def test_any_other_opens_the_keys_again(home: Home, passphrase: bytes) -> None:
    change(home, passphrase)
    assert_everything_works(home)


def test_a_process_that_runs_goes_on(home: Home, other: Home) -> None:
    """With the keys it has loaded, and with those it has not."""
    assert other.authority.issue_client("woovi")
    change(home, b"another one")
    assert other.authority.issue_client("woovi")
    other.authority.issuing.forget()
    assert other.authority.issue_client("woovi")
    assert other.hierarchy.rotate("issuing-1")
    assert_everything_works(home)


@pytest.mark.parametrize("moment", ["before the keys", "after the keys", "after the file"])
def test_a_change_that_is_cut_short_leaves_a_passphrase_that_opens(home: Home, moment: str) -> None:
    before = (home.path / "passphrase").read_bytes()
    assert home.sealer
    with pytest.raises(KeyboardInterrupt), changed_passphrase(home.path, b"another one"):  # noqa: PT012
        if moment != "before the keys":
            home.keys.reseal(Sealer(b"another one", CHEAPEST))
        if moment == "after the file":
            (home.path / "passphrase").write_bytes(b"another one\n")
        raise KeyboardInterrupt
    assert (home.path / PENDING_FILE).is_file()
    assert_everything_works(home)
    # Whoever came first has brought it to its end.
    expected = before if moment == "before the keys" else b"another one\n"
    assert (home.path / "passphrase").read_bytes() == expected
    assert not (home.path / PENDING_FILE).exists()


def test_a_passphrase_that_comes_from_elsewhere_is_only_used(
    home: Home, other: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_ = (home.path / "passphrase").read_text().strip()
    (home.path / "passphrase").unlink()
    monkeypatch.setenv(VARIABLE, given_)
    with Home.open(home.path) as opened:
        assert change(opened, b"another one") == 2
        assert opened.authority.issue_client("woovi"), "this process has the new one"
    assert [each.name for each in home.path.glob("passphrase*")] == []
    with Home.open(home.path) as opened, pytest.raises(WrongPassphrase):
        opened.authority.issue_client("woovi")
    monkeypatch.setenv(VARIABLE, "another one")
    assert other.authority.issue_client("woovi"), "a process that was running looks again"
    assert_everything_works(home)


def test_a_passphrase_that_was_given_is_not_looked_for_elsewhere(home: Home) -> None:
    given_ = (home.path / "passphrase").read_text().strip()
    with Home.open(home.path, passphrase=given_) as opened:
        assert opened.authority.issue_client("woovi")
        change(home, b"another one")
        opened.authority.issuing.forget()
        with pytest.raises(WrongPassphrase):
            opened.authority.issue_client("woovi")


def test_the_default_cost_is_used_for_a_new_passphrase_unless_another_is_given(home: Home) -> None:
    home.change_passphrase(b"another one", cost=CHEAP_SEALING)
    stored = home.hierarchy.root.key
    assert stored is not None
    assert json.loads(stored)["n"] == CHEAP_SEALING.n
    assert base64.b64decode(json.loads(stored)["salt"])

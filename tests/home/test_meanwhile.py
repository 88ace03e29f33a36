"""What another process does in the middle of an act: the act takes it into account, or fails and changes nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mutua import Home, Identity
from mutua.errors import DiskFull, InvalidAuthority, RefusedRequest, StoreUnreachable
from mutua.home.hierarchy import Hierarchy
from mutua.home.keys import Keys
from mutua.home.passphrase import PENDING_FILE
from mutua.home.requests import Ask, Requests, Signed
from mutua.home.sealing import Sealer
from mutua.home.upkeep import Upkeep
from mutua.pki.names import DnsName
from mutua.pki.profiles import CLIENT
from mutua.pki.randomness import generate_key
from mutua.pki.requests import write_request
from mutua.store.store import Store
from tests.conftest import CHEAP_SEALING
from tests.home.promises import assert_published
from tests.pki.hierarchy import make_root


@pytest.fixture(autouse=True)
def _cheap_sealing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mutua.home.home.Sealer", lambda passphrase, _=None: Sealer(passphrase, CHEAP_SEALING))


@pytest.fixture
def other(home: Home) -> Iterator[Home]:
    """The same home in another process's hands."""
    with Home.open(home.path) as opened:
        yield opened


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[type, str, Callable[[], Any]], None]:
    """Has something done once, at the moment at which a method is called."""

    def arrange(owner: type, method: str, act: Callable[[], Any]) -> None:
        real = getattr(owner, method)

        def first(*arguments: Any, **options: Any) -> Any:
            monkeypatch.setattr(owner, method, real)
            act()
            return real(*arguments, **options)

        monkeypatch.setattr(owner, method, first)

    return arrange


Meanwhile = Callable[[type, str, Callable[[], Any]], None]


def assert_every_key_opens(home: Home) -> None:
    with Home.open(home.path) as again:
        for record in again.hierarchy.everyone():
            assert again.keys.of(record)


def change(home: Home, passphrase: bytes = b"another") -> None:
    home.change_passphrase(passphrase, cost=CHEAP_SEALING)


def elsewhere() -> Identity:
    root = make_root(organization="Elsewhere")
    return Identity(root.key, (root.certificate,))


@pytest.mark.parametrize(
    "act",
    [
        lambda home: home.hierarchy.rotate(),
        lambda home: home.hierarchy.add("partners"),
        lambda home: home.hierarchy.take_in("legacy", elsewhere()),
    ],
)
def test_a_key_is_sealed_under_the_passphrase_that_there_is_when_it_is_stored(
    home: Home, other: Home, meanwhile: Meanwhile, act: Callable[[Home], None]
) -> None:
    meanwhile(Hierarchy, "_store", lambda: change(other))
    act(home)
    assert len(home.hierarchy.everyone()) == 3
    assert_every_key_opens(home)
    home.audit.verify()


def test_a_ca_is_not_taken_in_under_a_passphrase_that_opens_nothing_here(home: Home, other: Home) -> None:
    home.authority.issue_client("woovi")
    change(other)
    home.hierarchy.take_in("legacy", elsewhere())
    assert_every_key_opens(home)


def test_a_key_that_is_sealed_anew_while_it_is_exported_stays(
    home: Home, other: Home, meanwhile: Meanwhile, tmp_path: Path
) -> None:
    meanwhile(Keys, "_set", lambda: change(other))
    with pytest.raises(InvalidAuthority, match="sealed anew or moved meanwhile; nothing was changed"):
        home.keys.export("root", tmp_path / "root.key")
    assert_every_key_opens(home)
    home.keys.export("root", tmp_path / "again.key")
    meanwhile(Keys, "_set", lambda: change(other, b"a third"))
    home.keys.restore("root", tmp_path / "again.key")
    assert_every_key_opens(home)
    home.audit.verify()


def test_a_ca_is_rotated_once(home: Home, other: Home, meanwhile: Meanwhile) -> None:
    meanwhile(Hierarchy, "_draw_up", other.hierarchy.rotate)
    with pytest.raises(InvalidAuthority, match="was rotated meanwhile"):
        home.hierarchy.rotate("issuing-1")
    assert [record.state.value for record in home.hierarchy.everyone()] == ["active", "superseded", "active"]


def test_a_ca_that_was_chosen_at_the_moment_of_its_rotation_is_not_chosen_for_ever(home: Home, other: Home) -> None:
    """Another thread had looked it up before, and notes it after, everything was looked up anew."""
    issuers = home.authority.issuing._issuers
    old = issuers.of(CLIENT)
    _, new = other.hierarchy.rotate()
    home.authority.issuing.forget()
    issuers._refresh()
    issuers._chosen[CLIENT.name, None] = old
    assert home.authority.issue_client("woovi").chain[1] == new.certificate


def test_a_change_of_the_passphrase_that_was_cut_short_is_finished_before_the_next(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the keys were sealed, and the next time before: what opens them is in neither place otherwise."""
    home.authority.issue_client("woovi")  # unseals what is needed
    (home.path / PENDING_FILE).write_bytes(b"the second\n")
    home.keys.reseal(Sealer(b"the second", CHEAP_SEALING))
    with Home.open(home.path) as again:
        monkeypatch.setattr(Keys, "reseal", Killed.now)
        with pytest.raises(Killed):
            change(again, b"the third")
    assert (home.path / "passphrase").read_bytes() == b"the second\n"
    assert_every_key_opens(home)


def test_a_change_of_the_passphrase_that_never_came_to_the_keys_leaves_the_old_one(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (home.path / "passphrase").read_bytes()
    for passphrase in (b"the second", b"the third"):
        with monkeypatch.context() as patch, Home.open(home.path) as again:
            patch.setattr(Keys, "reseal", Killed.now)
            with pytest.raises(Killed):
                change(again, passphrase)
    assert (home.path / "passphrase").read_bytes() == before
    assert_every_key_opens(home)
    change(home, b"the fourth")
    assert (home.path / "passphrase").read_bytes() == b"the fourth\n"
    assert not list(home.path.glob("*passphrase.*"))
    assert_every_key_opens(home)


class Killed(BaseException):
    """The process is gone."""

    @classmethod
    def now(cls, *_: object) -> None:
        raise cls


def test_what_a_killed_writer_left_beside_a_file_is_cleared_away(home: Home) -> None:
    for left in (".ca.pem.x1", ".passphrase.x1", ".passphrase.next.x1", "crl/.root.crl.x1", "crl/.all.pem.x1"):
        (home.path / left).write_bytes(b"half")
    home.publish_bundle()
    home.crls.write_files()
    change(home)
    assert not [path for path in home.path.rglob(".*") if path.name not in {".gitignore", ".versions"}]


def test_whoever_runs_publishes_what_another_machine_has_changed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    upkeep = Upkeep(home.path)
    upkeep.look()
    with monkeypatch.context() as patch, Home.open(home.path) as distant:
        patch.setattr(Home, "publish", lambda _: None)  # it has a folder of its own
        distant.hierarchy.rotate()
        distant.revocation.revoke(home.authority.issue_client("woovi").thumbprint)
        distant.crls.publish(distant.hierarchy.issuing)
    upkeep.look()
    upkeep.close()
    assert_published(home)
    assert (home.path / "ca.pem").read_bytes().count(b"BEGIN CERTIFICATE") == 3


def test_a_refusal_that_cannot_be_recorded_takes_no_certificate_from_anybody(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = (write_request(generate_key(), [DnsName(name)]) for name in ("woovi", "bank.example"))
    real = Requests._recorded

    def full(*arguments: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(Store, "write", Full.now)
            return real(*arguments)

    monkeypatch.setattr(Requests, "_recorded", full)
    answers = list(home.requests.sign_many([Ask(request=each, client="woovi") for each in (good, bad)]))
    assert isinstance(answers[0], Signed)
    assert isinstance(answers[1], DiskFull)
    assert home.authority.certificate(answers[0].thumbprint)
    monkeypatch.undo()
    with pytest.raises(RefusedRequest):
        home.requests.sign(bad, client="woovi")


class Full:
    """A disk without room."""

    @staticmethod
    def now(*_: object) -> None:
        raise DiskFull("the disk is full; nothing was written")


@pytest.mark.parametrize("broken", ["due", "publish", "write_files"])
def test_what_is_done_does_not_fail_because_it_cannot_be_published(
    home: Home, broken: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object, **__: object) -> None:
        raise StoreUnreachable("the server went away; nothing was written")

    monkeypatch.setattr(home.crls, broken, away)
    made = home.authority.issue_client("woovi").thumbprint
    assert home.revocation.revoke(made, reason="certificate_hold").reason == "certificate_hold"
    assert home.revocation.release(made).reason is None
    old, new = home.hierarchy.rotate()
    assert [record.state for record in home.hierarchy.everyone()][1:] == [old.state, new.state]
    assert home.hierarchy.retire(old.id, force=True).state == home.hierarchy.get(old.id).state
    assert "went away" in caplog.text

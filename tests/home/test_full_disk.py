"""A home without room: every act says so, nothing acknowledged is lost, no file is half there, and it goes on."""

import random
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from mutua import Home
from mutua.errors import DiskFull
from mutua.home.home import CA_FILE
from mutua.home.upkeep import Upkeep
from tests.conftest import CHEAP_SEALING
from tests.home.acting import CLIENTS, Actor
from tests.home.promises import assert_kept, assert_published, assert_usable, crl_number
from tests.home.shared import make_shared
from tests.store.small_disk import MOST_EVENTS, fill_up, grow, small_disk

ONE_OF_EACH = ["issue", "request", "renew", "hold", "release", "revoke", "suspend", "rotate", "reseal", "export"]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "2m") as mounted:
        yield mounted


@pytest.fixture
def filling(disk: Path) -> Iterator[Home]:
    """A home on a small disk."""
    with Home.open(make_shared(disk / "home")) as home:
        yield home


def files_of(home: Home) -> dict[Path, bytes]:
    """Everything there is but the database."""
    return {path: path.read_bytes() for path in home.path.rglob("*") if path.is_file() and "store.db" not in path.name}


Outcome = TypeVar("Outcome")


def until_full(act: Callable[[], Outcome]) -> Iterator[Outcome]:
    """What was promised before there was no room any more."""
    for _ in range(MOST_EVENTS):
        try:
            yield act()
        except DiskFull:
            return
    raise AssertionError("the disk never was full")


def test_every_act_on_a_full_disk_says_so_and_loses_nothing(filling: Home, disk: Path) -> None:
    home, actor = filling, Actor(filling, random.Random(1), CLIENTS, {})
    home.identities.save("ana", home.authority.issue_client("ana"))
    promised = [actor.act(name) for name in ("issue", "issue", "hold", "issue")]
    # Where it ends is not where a transaction does.
    fill_up(disk, but=300_000)
    promised += until_full(lambda: actor.act("issue"))
    # What is left is too small for an issuance, and may do for the smallest transaction.
    promised += until_full(lambda: actor.act(actor.dice.choice(["suspend", "resume"])))
    # And a list that replaces another may do with what its own journal has left.
    list(until_full(home.crls.publish_all))
    before, events = files_of(home), home.audit.verify()

    for name in ONE_OF_EACH:
        with pytest.raises(DiskFull) as told:
            actor.act(name)
        assert "\n" not in told.value.message
        assert told.value.hint.startswith("make room: df -h ")
    with pytest.raises(DiskFull):
        home.crls.publish_all()
    with pytest.raises(DiskFull):
        home.identities.save("ana", home.identities.load("ana"), replace=True)
    assert files_of(home) == before
    assert_usable(home, kills=0)
    assert home.audit.verify() == events

    grow(disk, "8m")
    promised += [actor.act(name) for name in ONE_OF_EACH]
    home.identities.save("ana", home.identities.load("ana"), replace=True)
    assert_kept(home, [promised])
    assert_published(home)
    assert_usable(home, kills=0)


def test_a_home_that_finds_no_room_leaves_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64k") as disk:
        with pytest.raises(DiskFull):
            Home.create(disk / "home", sealing_cost=CHEAP_SEALING)
        assert list(disk.iterdir()) == []


def test_a_revocation_stands_though_there_is_no_room_for_its_list(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    """The gate does not wait for a file; the file follows as soon as it can."""
    issuing, thumbprint = home.hierarchy.issuing.id, home.authority.issue_client("woovi").thumbprint
    shutil.rmtree(home.crls.folder)
    with small_disk(home.crls.folder, "64k") as disk:
        home.crls.write_files()
        before, ballast = home.crls.path(issuing).read_bytes(), fill_up(disk, but=0)
        assert home.revocation.revoke(thumbprint).reason == "unspecified"
        assert thumbprint in home.snapshot().revoked
        assert "what is published lags behind it: there is no room for" in caplog.text
        assert_left(home, issuing, before)
        with pytest.raises(DiskFull, match="there is no room for"):
            home.crls.write_files()

        upkeep = Upkeep(home.path)
        upkeep.look()
        assert "upkeep waits: there is no room for" in caplog.text
        assert_left(home, issuing, before)
        ballast.unlink()
        upkeep.look()
        upkeep.close()
        assert_published(home)


def assert_left(home: Home, authority: str, before: bytes) -> None:
    """The file is the old one, whole, and there is nothing beside it; the store has the next."""
    path = home.crls.path(authority)
    assert path.read_bytes() == before
    assert crl_number(before) + 1 == home.crls.everything()[authority, 0].number
    assert {each.name for each in path.parent.iterdir()} == {"root.crl", f"{authority}.crl", "all.pem", "ballast"}


@contextmanager
def no_file_grows() -> Iterator[None]:
    """What a quota does, for those who are not root and have no disk of their own."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("file", "write"),
    [
        ("crl/root.crl", lambda home: home.crls.write_files()),
        ("crl/all.pem", lambda home: home.crls.write_files([])),
        (CA_FILE, lambda home: home.publish_bundle()),
        ("passphrase", lambda home: home.change_passphrase(b"another", cost=CHEAP_SEALING)),
        (
            "identities/woovi/key.pem",
            lambda home: home.identities.save("woovi", home.identities.load("api"), replace=True),
        ),
    ],
)
def test_a_file_that_cannot_grow_is_told_and_stays_as_it_was(
    home: Home, file: str, write: Callable[[Home], None]
) -> None:
    path = home.path / file
    if file not in {"passphrase", "identities/woovi/key.pem"}:
        path.write_bytes(b"what was there before")
    before = path.read_bytes()
    with no_file_grows(), pytest.raises(DiskFull, match=f"there is no room for '{home.path}"):
        write(home)
    assert path.read_bytes() == before
    assert not list(home.path.rglob(f".{path.name}*"))
    with Home.open(home.path) as again:
        assert again.authority.issue_client("woovi")

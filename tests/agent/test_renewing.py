"""The next certificate and the next CA certificates, from a real authority."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mutua import Home, Identity
from mutua.agent.folder import IdentityFolder
from mutua.agent.renewing import enroll, refresh_trust, renew
from mutua.errors import DiskFull, EstFailed, IdentityBusy, InvalidInput, RefusedRenewal
from mutua.pki.keys import KeyType
from mutua.pki.names import parse_name
from mutua.store import inventory
from tests.agent.authority import RunningAuthority, readable_for_others
from tests.agent.disks import full, small_disk
from tests.conftest import CHEAP_SEALING


def renewed(folder: IdentityFolder, *, same_key: bool = False, home: Path | None = None) -> Identity:
    return renew(folder, home=home, now=datetime.now(UTC) + timedelta(seconds=1), same_key=same_key)


@pytest.fixture
def another(home: Home) -> Iterator[RunningAuthority]:
    """An authority of one's own, to be changed."""
    running = RunningAuthority(home)
    running.start()
    yield running
    running.stop()


@pytest.mark.parametrize("same_key", [False, True])
def test_a_renewal_replaces_key_and_certificate_together(enrolled: IdentityFolder, same_key: bool) -> None:
    before = enrolled.load()
    fresh = renewed(enrolled, same_key=same_key)
    after = enrolled.load()
    assert after.thumbprint == fresh.thumbprint != before.thumbprint
    assert after.names == before.names
    assert (after.key.public_key() == before.key.public_key()) is same_key
    assert readable_for_others(enrolled.path.parent) == []
    assert list((enrolled.path.parent / ".pending" / "woovi").iterdir()) == []


def test_an_identity_is_renewed_again_and_again(enrolled: IdentityFolder) -> None:
    assert len({renewed(enrolled).thumbprint for _ in range(5)}) == 5
    kept = [path for path in (enrolled.path.parent / ".versions" / "woovi").iterdir() if path.is_dir()]
    assert len(kept) == 2, "the one in use, and the one that somebody may still be reading"


def test_a_server_is_renewed_though_it_cannot_be_shown_as_a_client(authority: RunningAuthority, own: Path) -> None:
    folder = IdentityFolder(own / "api")
    invitation = authority.invite(profile="server", names=[parse_name("api.acme.example")])
    first = enroll(invitation, folder, key_type=KeyType.P256, now=datetime.now(UTC))
    fresh = renewed(folder)
    assert (fresh.thumbprint != first.thumbprint, fresh.names) == (True, first.names)


def test_an_identity_of_a_home_is_renewed_by_the_home(home: Home) -> None:
    folder = IdentityFolder(home.path / "identities" / "woovi")
    before = folder.load()
    fresh = renewed(folder, home=home.path)
    assert home.identities.load("woovi").thumbprint == fresh.thumbprint != before.thumbprint
    assert home.identities.names() == ["api", "woovi"]


def test_nobody_is_asked_for_an_identity_that_was_not_enrolled(own: Path, home: Home) -> None:
    folder = IdentityFolder(own / "woovi")
    folder.save(home.identities.load("woovi"), None, None, replace=False)
    with pytest.raises(InvalidInput, match="nobody is known"):
        renewed(folder)


def test_a_suspended_client_is_refused_and_keeps_what_it_has(another: RunningAuthority, own: Path) -> None:
    folder = IdentityFolder(own / "woovi")
    enroll(another.invite(), folder, key_type=KeyType.P256, now=datetime.now(UTC))
    before = folder.load().thumbprint
    another.home.clients.suspend("woovi")
    with pytest.raises((RefusedRenewal, EstFailed)):
        renewed(folder)
    assert folder.load().thumbprint == before


def test_a_rotated_ca_is_trusted_beside_the_one_before(another: RunningAuthority, own: Path) -> None:
    folder = IdentityFolder(own / "woovi")
    enroll(another.invite(), folder, key_type=KeyType.P256, now=datetime.now(UTC))
    before, identity = set(folder.trust().anchors), folder.load()
    assert not refresh_trust(folder), "nothing is new yet"
    another.home.hierarchy.rotate(another.home.hierarchy.issuing.id)
    assert refresh_trust(folder)
    after = set(folder.trust().anchors)
    assert before < after
    assert after == set(another.home.trust.anchors)
    assert folder.load().thumbprint == identity.thumbprint
    issuer = renewed(folder).chain[1]
    assert issuer in after - before
    assert not refresh_trust(folder)


def test_cas_without_any_root_of_before_are_not_accepted(another: RunningAuthority, own: Path, tmp_path: Path) -> None:
    """Somebody who got hold of the server for an hour cannot put a root of his own into its place."""
    folder = IdentityFolder(own / "woovi")
    enroll(another.invite(), folder, key_type=KeyType.P256, now=datetime.now(UTC))
    with Home.create(tmp_path / "mallory", name="Mallory", sealing_cost=CHEAP_SEALING) as mallory:
        theirs = mallory.trust
    from mutua.agent.renewing import _accepted

    with pytest.raises(EstFailed, match="no root"):
        _accepted(theirs.anchors, folder.trust())
    both = (*theirs.anchors, *folder.trust().anchors)
    assert _accepted(both, folder.trust()) == both


def test_a_server_that_the_trust_does_not_reach_is_not_asked(enrolled: IdentityFolder, tmp_path: Path) -> None:
    """Whoever could redirect the name, and has a certificate of another root, gets no request."""
    before = enrolled.load()
    with Home.create(tmp_path / "mallory", name="Mallory", sealing_cost=CHEAP_SEALING) as mallory:
        enrolled.save(before, mallory.trust, enrolled.enrolment(), replace=True)
    with pytest.raises(EstFailed, match="certificate"):
        renewed(enrolled)
    assert enrolled.load().thumbprint == before.thumbprint


def test_a_second_process_does_not_renew_at_the_same_time(enrolled: IdentityFolder) -> None:
    before = enrolled.load()
    with enrolled.alone(), pytest.raises(IdentityBusy):
        renewed(IdentityFolder(enrolled.path))
    assert enrolled.load().thumbprint == before.thumbprint


def test_a_full_disk_leaves_the_identity_as_it_was_and_nobody_is_asked(
    authority: RunningAuthority, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk) as small:
        folder = IdentityFolder(disk / "woovi")
        enroll(authority.invite(), folder, key_type=KeyType.P256, now=datetime.now(UTC))
        before, issued = folder.load(), count(authority)
        with full(disk, is_small_disk=small), pytest.raises(DiskFull):
            renewed(folder)
        assert folder.load().thumbprint == before.thumbprint
        assert count(authority) == issued, "a certificate was asked for that could not have been kept"
        assert leftovers(disk) == []
        assert renewed(folder).thumbprint != before.thumbprint
        assert readable_for_others(disk) == []


def test_a_disk_that_is_full_at_the_very_end_leaves_nothing_half_written(
    authority: RunningAuthority, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk) as small:
        folder = IdentityFolder(disk / "woovi")
        enroll(authority.invite(), folder, key_type=KeyType.P256, now=datetime.now(UTC))
        before, fresh = folder.load(), authority.home.authority.issue_client("woovi")
        with full(disk, is_small_disk=small), pytest.raises(DiskFull):
            folder.save(fresh, folder.trust(), folder.enrolment(), replace=True)
        assert folder.load().thumbprint == before.thumbprint
        assert leftovers(disk) == []
        versions = [path for path in (disk / ".versions" / "woovi").iterdir() if path.is_dir()]
        assert len(versions) == 1


def leftovers(folder: Path) -> list[str]:
    """Files on the way to somewhere."""
    known = {"key.pem", "chain.pem", "trust.pem", "enrolment.json", "filler"}
    return [path.name for path in folder.rglob("*") if path.is_file() and path.name not in known]


def count(authority: RunningAuthority) -> int:
    """Certificates that were ever issued."""
    with authority.home.store.read() as connection:
        return len(list(inventory.everything(connection, inventory.Selection(now=datetime.now(UTC)))))

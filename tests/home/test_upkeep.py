"""Upkeep: whatever process runs keeps the CRLs fresh, the files up to date, and notes what was seen in use."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic, sleep

import pytest

from mutua import Home
from mutua.home import upkeep
from mutua.home.home import CA_FILE
from mutua.home.upkeep import Upkeep
from mutua.store import sightings
from tests.clock import Clock
from tests.home.crl_files import listed, number, numbers, published
from tests.home.renewing import by_connection

PATIENCE_SECONDS = 30
Keep = Callable[..., Upkeep]


@pytest.fixture
def keep(home: Home) -> Iterator[Keep]:
    """Upkeeps that look when they are told to; every look is a round."""
    made: list[Upkeep] = []

    def start(sighted: Callable[[], dict[str, datetime]] = dict) -> Upkeep:
        made.append(Upkeep(home.path, sighted))
        made[-1].look()
        return made[-1]

    yield start
    for each in made:
        each.close()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between rounds."""
    for name in ("ROUND_SECONDS", "SIGHTING_SECONDS", "RETRY_SECONDS"):
        monkeypatch.setattr(upkeep, name, 0.0)


def woovi(home: Home) -> str:
    return home.identities.load("woovi").thumbprint


def seen(home: Home, thumbprint: str) -> datetime | None:
    with home.store.read() as connection:
        return sightings.first_seen(connection, home.authority.certificate(thumbprint).id)


def test_half_of_a_crls_life_later_there_is_a_new_one(home: Home, keep: Keep, hurried: None, clock: Clock) -> None:
    running = keep()
    clock.move(timedelta(days=3))
    running.look()
    assert number(published(home)) == 1
    clock.move(timedelta(hours=12))
    running.look()
    assert numbers(home) == {("issuing-1", 0): 2, ("root", 0): 2}
    assert number(published(home)) == 2


def test_a_crl_is_never_stale_while_one_process_runs(home: Home, keep: Keep, hurried: None, clock: Clock) -> None:
    running = keep()
    for _ in range(60):
        clock.move(timedelta(days=1))
        running.look()
        for name in ("root", "issuing-1"):
            crl = published(home, name)
            assert crl.next_update_utc is not None
            assert crl.last_update_utc < clock.now() < crl.next_update_utc - timedelta(days=3)


def test_what_was_revoked_without_the_passphrase_is_on_the_list_at_the_next_look(home: Home, keep: Keep) -> None:
    running = keep()
    elsewhere = (home.path / "passphrase").rename(home.path.parent / "elsewhere")
    with Home.open(home.path) as poor:
        poor.revocation.revoke(woovi(home))
    elsewhere.rename(home.path / "passphrase")
    assert listed(home) == set()
    running.look()
    assert len(listed(home)) == 1


def test_what_another_machine_has_made_is_written_to_this_ones_files(home: Home, keep: Keep) -> None:
    running = keep()
    with Home.open(home.path) as other:
        other.crls.publish(other.hierarchy.issuing)
    assert number(published(home)) == 1, "in the store only"
    running.look()
    assert number(published(home)) == 2
    assert (home.crls.folder / "all.pem").read_bytes() == home.crls.bundle()


def test_at_the_start_every_file_is_put_right(home: Home, keep: Keep) -> None:
    stray = home.crls.path("nobody")
    stray.write_bytes(b"old")
    for path in (home.crls.path("root"), home.crls.folder / "all.pem", home.path / CA_FILE):
        path.unlink()
    keep()
    assert not stray.exists()
    assert (home.crls.folder / "all.pem").read_bytes() == home.crls.bundle()
    assert published(home, "root") is not None
    assert (home.path / CA_FILE).read_bytes().count(b"BEGIN CERTIFICATE") == 2


def test_two_at_once_while_certificates_are_revoked_publish_the_newest(home: Home, keep: Keep) -> None:
    made = [home.authority.issue_client("woovi") for _ in range(15)]
    both = keep(), keep()
    with ThreadPoolExecutor(3) as threads:
        revoking = threads.submit(lambda: [home.revocation.revoke(each.thumbprint) for each in made])

        def look(running: Upkeep) -> None:
            while not revoking.done():
                running.look()
            running.look()

        list(threads.map(look, both))
    assert listed(home) == {each.certificate.serial_number for each in made}
    assert number(published(home)) == numbers(home)["issuing-1", 0]
    assert home.audit.verify() > 0  # which holds that the numbers grow


def test_a_store_that_is_lost_is_told_of_once_and_what_was_missed_is_made_good(
    home: Home, keep: Keep, hurried: None, caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    running = keep()
    clock.move(timedelta(days=4))
    store = home.path / "store.db"
    away = [(path, path.rename(home.path.parent / path.name)) for path in home.path.glob("store.db*")]
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            running.look()
    assert caplog.text.count("upkeep waits") == 1
    for path, moved in away:
        moved.rename(path)
    assert store.exists()
    running.look()
    assert number(published(home)) == 2


def test_a_folder_that_cannot_be_written_is_tried_again(
    home: Home, keep: Keep, hurried: None, caplog: pytest.LogCaptureFixture
) -> None:
    running = keep()
    folder = home.crls.folder.rename(home.path / "aside")
    home.crls.folder.write_text("in the way")
    home.revocation.revoke(woovi(home))
    running.look()
    assert "upkeep waits" in caplog.text
    home.crls.folder.unlink()
    folder.rename(home.crls.folder)
    running.look()
    assert len(listed(home)) == 1


def test_superseded_certificates_are_revoked_after_their_grace_if_asked(
    home: Home, keep: Keep, hurried: None, clock: Clock
) -> None:
    with (home.path / "mutua.toml").open("a") as settings:
        settings.write("revoke_superseded = true\nrenewal_grace_days = 2\n")
    by_connection(home, home.identities.load("woovi"))
    running = keep()
    clock.move(timedelta(days=2) - timedelta(minutes=1))
    running.look()
    assert home.authority.certificate(woovi(home)).reason is None
    clock.move(timedelta(minutes=2))
    running.look()
    assert home.authority.certificate(woovi(home)).reason == "superseded"
    assert len(listed(home)) == 1


def test_what_a_door_has_seen_is_noted_once_and_strangers_are_not(
    home: Home, keep: Keep, hurried: None, clock: Clock
) -> None:
    first, later = clock.now(), clock.now() + timedelta(hours=1)
    waiting = [{woovi(home): first, "x" * 43: first}, {woovi(home): later}]
    running = keep(lambda: waiting.pop(0) if waiting else {})
    running.look()
    running.look()
    assert seen(home, woovi(home)) == first
    with home.store.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sightings").scalar() == 1


def test_what_could_not_be_noted_is_noted_later(home: Home, keep: Keep, hurried: None, clock: Clock) -> None:
    waiting = [{woovi(home): clock.now()}]
    running = keep()
    running._sighted = lambda: waiting.pop() if waiting else {}
    away = [(path, path.rename(home.path.parent / path.name)) for path in home.path.glob("store.db*")]
    running.look()
    assert waiting == []
    for path, moved in away:
        moved.rename(path)
    running.look()
    assert seen(home, woovi(home)) is not None


def test_more_than_a_database_takes_at_once_are_noted(home: Home, keep: Keep, hurried: None, clock: Clock) -> None:
    crowd = {f"{number:043}": clock.now() for number in range(70_000)}
    crowd[woovi(home)] = clock.now()
    waiting = [crowd]
    keep(lambda: waiting.pop() if waiting else {})
    assert seen(home, woovi(home)) is not None


def test_what_was_seen_last_is_noted_at_the_end(home: Home, keep: Keep, clock: Clock) -> None:
    running = keep()
    running._sighted = lambda: {woovi(home): clock.now()}
    running.close()
    assert seen(home, woovi(home)) is not None


def test_it_works_by_itself(home: Home) -> None:
    running = Upkeep(home.path)
    running.start()
    try:
        with Home.open(home.path) as other:
            other.crls.publish(other.hierarchy.issuing)
        wait_for(home.crls.path("issuing-1"), home.crls.der("issuing-1"))
    finally:
        running.close()


def wait_for(path: Path, content: bytes | None) -> None:
    deadline = monotonic() + PATIENCE_SECONDS
    while path.read_bytes() != content:
        assert monotonic() < deadline
        sleep(0.01)

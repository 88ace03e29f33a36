"""The agent in this process, with a clock that is set by hand: what it does, and when."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from mutua import Home, Identity
from mutua.agent.agent import Agent
from mutua.agent.folder import IdentityFolder
from mutua.agent.metrics import metrics
from mutua.agent.renewing import enroll
from mutua.agent.settings import AgentSettings, WatchedIdentity
from mutua.pki.keys import KeyType
from tests.agent.authority import RunningAuthority, readable_for_others
from tests.agent.conftest import SetClock
from tests.agent.disks import full, small_disk

DAY = timedelta(days=1)

Watching = Callable[..., Agent]


@pytest.fixture
def watching(hand: SetClock, tmp_path: Path) -> Watching:
    """An agent for one path: ``watching(path, hooks=...)``; with options of the settings as ``settings``."""

    def make(path: Path, *, settings: dict[str, object] | None = None, **options: object) -> Agent:
        watched = WatchedIdentity(path=path, name=path.name, **options)  # type: ignore[arg-type]
        whole = AgentSettings(identities=(watched,), state=tmp_path / "state", **(settings or {}))  # type: ignore[arg-type]
        return Agent(whole, now=hand)

    return make


def woovi(authority: RunningAuthority, own: Path, *, lifetime: timedelta | None = None) -> IdentityFolder:
    folder = IdentityFolder(own / "woovi")
    enroll(authority.invite(lifetime=lifetime), folder, key_type=KeyType.P256, now=datetime.now(UTC))
    return folder


def script(folder: Path, body: str) -> tuple[str, ...]:
    """A hook that does that."""
    path = folder / "hook"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o700)
    return (str(path),)


def test_nothing_is_renewed_before_two_thirds_of_its_life(
    enrolled: IdentityFolder, watching: Watching, hand: SetClock
) -> None:
    before, agent = enrolled.load().thumbprint, watching(enrolled.path)
    for days in (0, 30, 59):
        hand.moved = days * DAY
        assert timedelta(0) < agent.look() <= timedelta(minutes=1)
    assert enrolled.load().thumbprint == before
    assert agent.statuses[0].state(hand()) == "ok"


def test_after_three_quarters_of_its_life_it_is_renewed_and_its_hooks_have_run(
    enrolled: IdentityFolder, watching: Watching, hand: SetClock, tmp_path: Path
) -> None:
    hook = script(tmp_path, f'echo "$MUTUA_THUMBPRINT" >> {tmp_path}/told')
    before, agent = enrolled.load().thumbprint, watching(enrolled.path, hooks=(hook,))
    agent.look()
    assert not (tmp_path / "told").exists(), "whoever uses it has started with it"
    hand.moved = 68 * DAY
    agent.look()
    after = enrolled.load().thumbprint
    assert after != before
    assert (tmp_path / "told").read_text().split() == [after]


def test_an_authority_that_is_down_for_most_of_a_life_is_not_noticed(
    home: Home, own: Path, watching: Watching, hand: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    authority = RunningAuthority(home)
    authority.start()
    try:
        folder = woovi(authority, own)
        before, agent = folder.load(), watching(folder.path)
        life = before.not_after - hand()
        authority.stop()
        # From the first day until four fifths of its life have passed.
        for share in (0.01, 0.3, 0.5, 0.67, 0.7, 0.73, 0.76, 0.79):
            hand.moved = life * share
            agent.look()
            assert folder.load().thumbprint == before.thumbprint
        status = agent.statuses[0]
        assert (status.state(hand()), status.failures) == ("failing", status.failed)
        assert status.failures >= 2
        assert status.not_after is not None
        assert hand() < status.not_after
        assert any(
            "could not be renewed" in each.message and "is good until" in each.message for each in caplog.records
        )
        authority.start()
        hand.moved = life * 0.8
        agent.look()
    finally:
        authority.stop()
    after = folder.load()
    assert after.thumbprint != before.thumbprint
    assert after.not_after >= before.not_after
    assert readable_for_others(own) == []


def test_failures_are_not_repeated_before_their_pause_is_over(
    home: Home, own: Path, watching: Watching, hand: SetClock
) -> None:
    authority = RunningAuthority(home)
    authority.start()
    try:
        folder = woovi(authority, own)
    finally:
        authority.stop()
    agent = watching(folder.path)
    hand.moved = 70 * DAY
    for _ in range(5):
        agent.look()
    assert agent.statuses[0].failed == 1
    hand.moved += timedelta(minutes=2)
    agent.look()
    assert agent.statuses[0].failed == 2
    again = watching(folder.path)
    again.look()
    assert again.statuses[0].failed == 2, "an agent that was restarted remembers"


def test_a_clock_that_jumps_ahead_past_the_end_renews_and_does_not_run_in_a_circle(
    authority: RunningAuthority, own: Path, watching: Watching, hand: SetClock
) -> None:
    folder = woovi(authority, own, lifetime=timedelta(hours=12))
    first, agent = folder.load(), watching(folder.path)
    hand.moved = DAY
    for _ in range(5):
        agent.look()
    after = folder.load()
    assert agent.statuses[0].renewals == 1, "it is due again at once, and waits for its pause"
    assert after.thumbprint != first.thumbprint
    assert after.not_after > datetime.now(UTC), "by the authority's clock it is valid"
    hand.moved = timedelta(0)
    for _ in range(3):
        agent.look()
    assert folder.load().thumbprint == after.thumbprint
    assert agent.statuses[0].state(hand()) in {"ok", "failing"}


def test_a_clock_that_jumps_back_neither_renews_nor_waits_for_it(
    authority: RunningAuthority, own: Path, watching: Watching, hand: SetClock
) -> None:
    folder = woovi(authority, own, lifetime=timedelta(days=3))
    before, agent = folder.load().thumbprint, watching(folder.path)
    agent.look()
    hand.moved = -DAY
    assert agent.look() <= timedelta(minutes=1)
    assert folder.load().thumbprint == before
    hand.moved = 2.5 * DAY
    agent.look()
    assert folder.load().thumbprint != before


def test_two_agents_on_one_identity_leave_it_whole(
    authority: RunningAuthority, own: Path, hand: SetClock, tmp_path: Path
) -> None:
    folder = woovi(authority, own)
    watched = WatchedIdentity(path=folder.path, name="woovi")
    agents = [Agent(AgentSettings(identities=(watched,), state=tmp_path / f"s{n}"), now=hand) for n in range(2)]
    before = folder.load().thumbprint
    hand.moved = 70 * DAY
    start = threading.Barrier(2)

    def look(agent: Agent) -> None:
        start.wait()
        for _ in range(5):
            agent.look()
            assert Identity.load(folder.path)

    threads = [threading.Thread(target=look, args=(agent,)) for agent in agents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = folder.load()
    assert after.thumbprint != before
    assert 1 <= sum(agent.statuses[0].renewals for agent in agents) <= 2
    assert [agent.statuses[0].failed for agent in agents] == [0, 0]
    assert readable_for_others(own) == []
    assert list((own / ".pending" / "woovi").iterdir()) == []


def test_a_hook_that_fails_is_run_again_and_undoes_nothing(
    enrolled: IdentityFolder, watching: Watching, hand: SetClock, tmp_path: Path
) -> None:
    hook = script(tmp_path, f"echo x >> {tmp_path}/ran; test -e {tmp_path}/mended")
    agent, before = watching(enrolled.path, hooks=(hook,)), enrolled.load().thumbprint
    agent.look()
    hand.moved = 70 * DAY
    agent.look()
    after = enrolled.load().thumbprint
    assert (after != before, agent.statuses[0].hook_failures) == (True, 1)
    agent.look()
    assert (tmp_path / "ran").read_text().count("x") == 1, "it waits for its pause"
    (tmp_path / "mended").touch()
    hand.moved += timedelta(minutes=2)
    again = watching(enrolled.path, hooks=(hook,))
    again.look()
    assert (again.statuses[0].hook_failures, enrolled.load().thumbprint) == (0, after)
    assert (tmp_path / "ran").read_text().count("x") == 2


def test_hooks_run_whoever_has_changed_the_identity(home: Home, watching: Watching, tmp_path: Path) -> None:
    hook = script(tmp_path, f"echo x >> {tmp_path}/ran")
    path = home.path / "identities" / "woovi"
    agent = watching(path, hooks=(hook,))
    agent.look()
    home.identities.save("woovi", home.authority.issue_client("woovi"), replace=True)
    agent.look()
    agent.look()
    assert (tmp_path / "ran").read_text().count("x") == 1


def test_an_identity_of_a_home_is_renewed_by_its_home(home: Home, watching: Watching, hand: SetClock) -> None:
    before = home.identities.load("woovi").thumbprint
    agent = watching(home.path / "identities" / "woovi", home=home.path)
    hand.moved = 70 * DAY
    agent.look()
    assert home.identities.load("woovi").thumbprint != before
    assert agent.statuses[0].renewals == 1


def test_a_full_disk_is_survived(
    authority: RunningAuthority, watching: Watching, hand: SetClock, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk) as small:
        folder = woovi(authority, disk)
        before, agent = folder.load().thumbprint, watching(folder.path)
        hand.moved = 70 * DAY
        with full(disk, is_small_disk=small):
            agent.look()
        assert folder.load().thumbprint == before
        assert "no room" in agent.statuses[0].error
        hand.moved += timedelta(minutes=2)
        agent.look()
        assert folder.load().thumbprint != before
        assert readable_for_others(disk) == []


def test_a_state_folder_that_cannot_be_written_stops_no_renewal(
    enrolled: IdentityFolder, hand: SetClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    watched = WatchedIdentity(path=enrolled.path, name="woovi")
    agent = Agent(AgentSettings(identities=(watched,), state=tmp_path / "file" / "state"), now=hand)
    before = enrolled.load().thumbprint
    hand.moved = 70 * DAY
    agent.look()
    assert enrolled.load().thumbprint != before
    assert any("cannot be remembered" in each.message for each in caplog.records)


@contextmanager
def webhook(statuses: list[int]) -> Iterator[tuple[str, list[dict[str, object]]]]:
    """A server that answers with these, the last again and again; its address, and what it was told."""
    told: list[dict[str, object]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hook?x=1", told
        finally:
            server.shutdown()
            thread.join()


def test_what_nobody_renews_is_warned_of_once_at_each_of_its_days(
    home: Home, watching: Watching, hand: SetClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = home.path / "identities" / "woovi"
    command = script(tmp_path, f'echo "$MUTUA_DAYS" >> {tmp_path}/warned')
    life = Identity.load(path).not_after - hand()
    with webhook([200]) as (url, told):
        agent = watching(path, settings={"webhook": url, "warn_command": command})
        for left in (31, 30, 29.5, 14, 10, 7, 7, 1, 0.5, 0, -1):
            hand.moved = life - left * DAY - timedelta(seconds=1)
            agent.look()
    assert [each["days"] for each in told] == [30, 14, 7, 1, 0]
    assert (tmp_path / "warned").read_text().split() == ["30", "14", "7", "1", "0"]
    assert sum("the certificate of woovi" in each.message for each in caplog.records) == 5
    assert told[0]["identity"] == "woovi"
    assert "PRIVATE" not in json.dumps(told)
    assert agent.statuses[0].state(hand()) == "expired"


def test_a_webhook_that_fails_is_told_later_and_the_log_at_once(
    home: Home, watching: Watching, hand: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    path = home.path / "identities" / "woovi"
    life = Identity.load(path).not_after - hand()
    with webhook([500, 200]) as (url, told):
        agent = watching(path, settings={"webhook": url})
        hand.moved = life - 5 * DAY
        agent.look()
        agent.look()
        assert len(told) == 1
        hand.moved += timedelta(minutes=2)
        agent.look()
        agent.look()
    assert [each["days"] for each in told] == [7, 7]
    assert sum("the certificate of woovi" in each.message for each in caplog.records) == 1


def test_a_file_that_cannot_be_read_is_said_once_and_does_not_hold_up_the_others(
    enrolled: IdentityFolder, hand: SetClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    both = (
        WatchedIdentity(path=tmp_path / "absent.p12", name="absent"),
        WatchedIdentity(path=enrolled.path, name="woovi"),
    )
    agent = Agent(AgentSettings(identities=both, state=tmp_path / "state"), now=hand)
    agent.look()
    agent.look()
    assert [each.state(hand()) for each in agent.statuses] == ["unreadable", "ok"]
    assert sum("absent.p12" in each.message for each in caplog.records) == 1


def test_metrics_tell_days_and_failures(
    enrolled: IdentityFolder, watching: Watching, hand: SetClock, tmp_path: Path
) -> None:
    agent = watching(enrolled.path, settings={"metrics_file": tmp_path / "mutua.prom"})
    agent.look()
    told = (tmp_path / "mutua.prom").read_text()
    assert 'mutua_agent_readable{identity="woovi"} 1\n' in told
    assert 'mutua_agent_failures_in_a_row{identity="woovi"} 0\n' in told
    days = next(line for line in metrics(agent.statuses, hand()).splitlines() if "days_to_expiry{" in line)
    assert 89 < float(days.rpartition(" ")[2]) <= 90


def test_cas_are_asked_for_every_day_and_hooks_run_when_there_are_others(
    home: Home, own: Path, watching: Watching, hand: SetClock, tmp_path: Path
) -> None:
    hook = script(tmp_path, f"echo x >> {tmp_path}/ran")
    authority = RunningAuthority(home)
    authority.start()
    try:
        folder = woovi(authority, own)
        agent, before = watching(folder.path, hooks=(hook,)), folder.load().thumbprint
        agent.look()
        home.hierarchy.rotate()
        hand.moved = timedelta(hours=23)
        agent.look()
        assert not (tmp_path / "ran").exists()
        hand.moved = timedelta(hours=25)
        agent.look()
    finally:
        authority.stop()
    assert set(folder.trust().anchors) == set(home.trust.anchors)
    assert ((tmp_path / "ran").read_text(), folder.load().thumbprint) == ("x\n", before)

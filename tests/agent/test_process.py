"""``mutua agent`` as a process: signals, metrics, exit codes."""

import json
import queue
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from mutua import Home
from mutua.agent.folder import IdentityFolder
from mutua.agent.renewing import enroll
from mutua.pki.keys import KeyType
from tests.agent.authority import RunningAuthority
from tests.agent.conftest import Command
from tests.serving import PATIENCE_SECONDS


class RunningAgent:
    """``mutua agent``; ``talk`` is what it says on stderr."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "mutua", "agent", *arguments]
        self.process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
        self.talk: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(self.process.stderr,))
        self._reader.start()

    def says(self, pattern: str) -> str:
        """The next line like this, waited for."""
        while (line := self._lines.get(timeout=PATIENCE_SECONDS)) is not None:
            if re.search(pattern, line):
                return line
        raise AssertionError("it has ended:\n" + "".join(self.talk))

    def stop(self, sent: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(sent)
        try:
            code = self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self._reader.join(PATIENCE_SECONDS)
        return code

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self.talk.append(line)
                self._lines.put(line)
        self._lines.put(None)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[list[RunningAgent]]:
    agents: list[RunningAgent] = []
    yield agents
    for each in agents:
        each.stop()


def settings(folder: Path, *identities: Path, more: str = "") -> None:
    tables = "".join(f'[[identity]]\npath = "{path}"\n' for path in identities)
    (folder / "mutua-agent.toml").write_text(more + tables)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(
    enrolled: IdentityFolder, running: list[RunningAgent], tmp_path: Path, sent: signal.Signals
) -> None:
    settings(tmp_path, enrolled.path)
    agent = RunningAgent(tmp_path)
    running.append(agent)
    agent.says("watching")
    assert agent.stop(sent) == (0 if sent is signal.SIGTERM else 130)
    assert "Traceback" not in "".join(agent.talk)


def test_it_serves_metrics_and_reads_its_settings_again(
    enrolled: IdentityFolder, home: Home, running: list[RunningAgent], tmp_path: Path
) -> None:
    settings(tmp_path, enrolled.path)
    agent = RunningAgent(tmp_path, "--metrics", "0")
    running.append(agent)

    def scraped() -> str:
        found = re.search(r"http://127\.0\.0\.1:\d+/metrics", agent.says("metrics on"))
        assert found is not None
        with urllib.request.urlopen(found[0], timeout=PATIENCE_SECONDS) as answer:
            return str(answer.read().decode())

    assert 'identity="woovi"' in scraped()
    settings(tmp_path, enrolled.path, home.path / "identities" / "api")
    agent.process.send_signal(signal.SIGHUP)
    told = scraped()
    assert ('identity="woovi"' in told, 'identity="api"' in told) == (True, True)
    (tmp_path / "mutua-agent.toml").write_text("nonsense")
    agent.process.send_signal(signal.SIGHUP)
    agent.says("going on with the settings of before")
    assert agent.stop() == 0


def test_an_outage_of_the_authority_ends_with_a_renewal(
    home: Home, own: Path, running: list[RunningAgent], tmp_path: Path
) -> None:
    """In real time: the authority is away until the agent has complained, and then back."""
    authority = RunningAuthority(home)
    authority.start()
    try:
        folder = IdentityFolder(own / "woovi")
        invitation = authority.invite(lifetime=timedelta(seconds=90))
        before = enroll(invitation, folder, key_type=KeyType.P256, now=datetime.now(UTC))
        authority.stop()
        # It dates back by five minutes. Had it come here then, it would be due.
        enrolment = folder.enrolment()
        assert enrolment is not None
        earlier = replace(enrolment, obtained_at=before.certificate.not_valid_before_utc)
        folder.save(before, folder.trust(), earlier, replace=True)
        settings(tmp_path, folder.path)
        agent = RunningAgent(tmp_path)
        running.append(agent)
        agent.says("could not be renewed, attempt 1")
        authority.start()
        agent.says("woovi is renewed")
        assert agent.stop() == 0
    finally:
        authority.stop()
    assert folder.load().thumbprint != before.thumbprint
    assert folder.load().not_after > before.not_after


def test_once_shows_what_there_is_and_ends(enrolled: IdentityFolder, command: Command) -> None:
    done = command("agent", "--identity", str(enrolled.path), "--once")
    assert (done.returncode, done.stdout.splitlines()[1].split()[:2]) == (0, ["woovi", "ok"])
    told = json.loads(command("agent", "status", "--identity", str(enrolled.path), "--json").stdout)
    (only,) = told["identities"]
    assert (only["state"], only["renewed"], only["failures"]) == ("ok", True, 0)
    assert only["not_after"] > only["next_at"]


def test_a_banks_file_is_reported_and_never_touched(home: Home, command: Command, tmp_path: Path) -> None:
    ours = home.authority.issue_client("woovi", lifetime=timedelta(days=5))
    sealed = pkcs12.serialize_key_and_certificates(
        b"woovi", ours.key, ours.certificate, ours.chain[1:], BestAvailableEncryption(b"secret")
    )
    (tmp_path / "bank.p12").write_bytes(sealed)
    (tmp_path / "bank.password").write_text("secret\n")
    (tmp_path / "mutua-agent.toml").write_text('[[identity]]\npath = "bank.p12"\npassword_file = "bank.password"\n')
    done = command("agent", "--once")
    assert done.returncode == 1, "it ends within a week, and nobody renews it"
    assert "ends_soon" in done.stdout
    assert "reported only" in done.stdout
    assert "nobody renews it here" in done.stderr
    again = command("agent", "--once")
    assert "nobody renews it here" not in again.stderr, "that was told"
    assert (tmp_path / "bank.p12").read_bytes() == sealed


def test_with_the_authority_gone_once_says_so(home: Home, own: Path, command: Command) -> None:
    authority = RunningAuthority(home)
    authority.start()
    try:
        folder = IdentityFolder(own / "woovi")
        enroll(authority.invite(), folder, key_type=KeyType.P256, now=datetime.now(UTC))
    finally:
        authority.stop()
    done = command("agent", "--identity", str(folder.path), "--once")
    assert done.returncode == 0, "its CAs could not be asked for, and there is time for that"
    assert "cannot be asked for" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 3),
        (("--config", "absent.toml"), 3),
        (("--config", "x", "--identity", "y"), 2),
        (("--identity", "x", "--metrics", "nonsense"), 2),
        (("status",), 3),
    ],
    ids=["no settings", "absent", "both", "no address", "status without settings"],
)
def test_what_makes_no_sense_is_refused(command: Command, arguments: tuple[str, ...], code: int) -> None:
    done = command("agent", *arguments)
    assert (done.returncode, done.stderr.startswith("error: ")) == (code, True)

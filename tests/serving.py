"""A running ``mutua serve``, its lines, and its end."""

import json
import queue
import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

from mutua import Home

ROOT = Path(__file__).parent.parent
PATIENCE_SECONDS = 30


@dataclass
class Serving:
    """A server process. ``lines`` collects what it writes on stdout, each line parsed."""

    process: "subprocess.Popen[str]"
    port: int
    _incoming: "queue.Queue[dict[str, Any]]"
    _talk: list[str]
    lines: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def start(
        cls,
        home: Home,
        *,
        loop: str = "asyncio",
        app: str = "tests.echo:app",
        identity: str = "api",
        arguments: tuple[str, ...] = (),
        folder: Path = ROOT,
    ) -> Self:
        command = [sys.executable, "-m", "mutua", "serve", app, "--identity", identity, "--home", str(home.path)]
        process = subprocess.Popen(
            [*command, "--port", "0", "--loop", loop, *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        incoming: queue.Queue[dict[str, Any]] = queue.Queue()
        talk: list[str] = []
        ready: queue.Queue[int | None] = queue.Queue()
        threading.Thread(target=_read_lines, args=(process.stdout, incoming), daemon=True).start()
        threading.Thread(target=_read_talk, args=(process.stderr, talk, ready), daemon=True).start()
        port = ready.get(timeout=PATIENCE_SECONDS)
        if port is None:
            raise AssertionError("the server did not start:\n" + "".join(talk))
        return cls(process, port, incoming, talk)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def talk(self) -> str:
        """What it has said on stderr."""
        return "".join(self._talk)

    def next_line(self, event: str = "") -> dict[str, Any]:
        """The next line on stdout, waited for; of the event ``admitted``, ``refused`` or ``reached`` if given."""
        while True:
            line = self._incoming.get(timeout=PATIENCE_SECONDS)
            self.lines.append(line)
            if not event or line["event"] == event:
                return line

    def refusal_of(self, peer: str) -> dict[str, Any]:
        """The next line that refuses this address, waited for; those of others before it are passed over."""
        while (line := self.next_line("refused"))["peer"] != peer:
            continue
        return line

    def stop(self) -> int:
        """End it with SIGTERM and wait; ``lines`` then holds everything it ever wrote."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        while True:
            try:
                self.lines.append(self._incoming.get(timeout=0.2))
            except queue.Empty:
                return code

    def reached(self) -> list[dict[str, Any]]:
        """Requests that reached the application; complete after ``stop``."""
        return [line for line in self.lines if line["event"] == "reached"]


def _read_lines(stream: IO[str], incoming: "queue.Queue[dict[str, Any]]") -> None:
    with stream:
        for line in stream:
            incoming.put(json.loads(line))


def _read_talk(stream: IO[str], talk: list[str], ready: "queue.Queue[int | None]") -> None:
    with stream:
        for line in stream:
            talk.append(line)
            if match := re.search(r"on https://.*:(\d+) to", line):
                ready.put(int(match.group(1)))
    ready.put(None)

"""A running ``mutua serve``, its lines, and its end."""

import json
import queue
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any, Self

from mutua import Home

ROOT = Path(__file__).parent.parent
PATIENCE_SECONDS = 30


class Serving:
    """A server process.

    Args:
        command: that serves on a free port, and says on stderr which.
        folder: to run it in.
        environment: its variables; this process's when not given.

    Attributes:
        process: the server.
        port: where it listens.
        lines: what it writes on stdout, each line parsed; complete after ``stop``.
    """

    def __init__(self, command: list[str], *, folder: Path = ROOT, environment: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.lines: list[dict[str, Any]] = []
        self._incoming: queue.Queue[dict[str, Any]] = queue.Queue()
        self._talk: list[str] = []
        ready: queue.Queue[int | None] = queue.Queue()
        self._reader = threading.Thread(target=_read_lines, args=(self.process.stdout, self._incoming), daemon=True)
        self._reader.start()
        threading.Thread(target=_read_talk, args=(self.process.stderr, self._talk, ready), daemon=True).start()
        port = ready.get(timeout=PATIENCE_SECONDS)
        if port is None:
            raise AssertionError("the server did not start:\n" + self.talk)
        self.port = port

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
        """``mutua serve``."""
        command = [sys.executable, "-m", "mutua", "serve", app, "--identity", identity, "--home", str(home.path)]
        return cls([*command, "--port", "0", "--loop", loop, *arguments], folder=folder)

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
        self._reader.join(PATIENCE_SECONDS)
        assert not self._reader.is_alive(), "somebody has outlived the server and holds its stdout"
        while not self._incoming.empty():
            self.lines.append(self._incoming.get())
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

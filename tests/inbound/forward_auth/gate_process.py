"""``mutua gate serve`` as a process of its own, its lines, and its end."""

import json
import queue
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any, Self

from tests.serving import PATIENCE_SECONDS, ROOT


class GateProcess:
    """The endpoint.

    Args:
        home: whose registry decides.
        arguments: behind ``mutua gate serve``.
    """

    def __init__(self, home: Path, *arguments: str) -> None:
        self._command = [sys.executable, "-m", "mutua", "gate", "serve", "--home", str(home), *arguments]
        self.talk: list[str] = []

    def start(self) -> Self:
        self._lines: queue.Queue[dict[str, Any]] = queue.Queue()
        ready: queue.Queue[str | None] = queue.Queue()
        self.process = subprocess.Popen(
            self._command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        threading.Thread(target=_listen, args=(self.process.stdout, self._lines), daemon=True).start()
        threading.Thread(target=_hear, args=(self.process.stderr, self.talk, ready), daemon=True).start()
        address = ready.get(timeout=PATIENCE_SECONDS)
        assert address is not None, "".join(self.talk)
        self.address = address
        return self

    def stop(self) -> int:
        """End it with SIGTERM; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def line(self, mark: str = "") -> dict[str, Any]:
        """The next line about a path that has this in it, waited for."""
        while mark not in (line := self._lines.get(timeout=PATIENCE_SECONDS))["path"]:
            continue
        return line


def _listen(stream: IO[str], lines: "queue.Queue[dict[str, Any]]") -> None:
    with stream:
        for line in stream:
            lines.put(json.loads(line))


def _hear(stream: IO[str], talk: list[str], ready: "queue.Queue[str | None]") -> None:
    with stream:
        for line in stream:
            talk.append(line)
            if match := re.search(r"answering \w+ on (\S+) about \d+ known", line):
                ready.put(match[1])
    ready.put(None)

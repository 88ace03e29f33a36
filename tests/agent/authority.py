"""An authority that machines enrol at: ``mutua ca serve --est`` as a process, which can go away and come back."""

import queue
import re
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

from mutua import Home
from mutua.registry.invitations import Invitation
from tests.serving import PATIENCE_SECONDS, ROOT


class RunningAuthority:
    """A home, and its EST server on a port that stays the same.

    Args:
        home: with the identity ``api`` for localhost.
    """

    def __init__(self, home: Home) -> None:
        self.home = home
        self.port = 0
        self.talk: list[str] = []
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "mutua", "ca", "serve", "--port", "0", "--identity", "api"]
        where = ["--est", f"127.0.0.1:{self.port}", "--home", str(self.home.path)]
        self._process = subprocess.Popen([*command, *where], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        ready: queue.Queue[int | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(self._process.stderr, ready))
        self._reader.start()
        found = ready.get(timeout=PATIENCE_SECONDS)
        if found is None:
            self.stop()
            raise AssertionError("it did not start:\n" + "".join(self.talk))
        self.port = found

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._reader is not None
        self._reader.join(PATIENCE_SECONDS)
        self._process = None

    def invite(self, client: str = "woovi", **options: object) -> Invitation:
        return self.home.invitations.invite(client, url=self.url, **options)  # type: ignore[arg-type]

    def _read(self, stream: IO[str], ready: "queue.Queue[int | None]") -> None:
        with stream:
            for line in stream:
                self.talk.append(line)
                if found := re.search(r"EST on https://.*:(\d+)", line):
                    ready.put(int(found[1]))
        ready.put(None)


def readable_for_others(folder: Path) -> list[str]:
    """Whatever below a folder holds a private key, or is on the way to one, and is open to others."""
    found = []
    for path in [folder, *folder.rglob("*")]:
        if path.is_symlink():
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        secret = path.is_dir() or b"PRIVATE KEY" in path.read_bytes()
        if secret and mode & 0o077:
            found.append(f"{path} {mode:o}")
    return found

"""``mutua serve`` behind a proxy, as a process of its own, and raw requests to it."""

import json
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from mutua import Home
from mutua.home.settings import SETTINGS_FILE
from tests.serving import PATIENCE_SECONDS, ROOT

APP = "tests.inbound.forwarding.told:app"


@dataclass
class Behind:
    """The server.

    Attributes:
        address: of its door, as it tells it.
        talk: what it says on stderr.
    """

    process: "subprocess.Popen[str]"
    address: str
    talk: list[str]
    _lines: "queue.Queue[dict[str, Any]]"

    def refusal(self) -> str:
        """The reason in the next line that refuses."""
        while (line := self._lines.get(timeout=PATIENCE_SECONDS))["event"] != "refused":
            continue
        return str(line["reason"])

    def next_line(self, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """The next line on stdout, waited for; ``queue.Empty`` where none comes."""
        return self._lines.get(timeout=seconds)

    def ask(self, lines: Iterable[tuple[str, bytes | str]] = (), path: str = "/status") -> tuple[int, dict[str, Any]]:
        """One request of exactly these header lines; the status and what the application was told."""
        return ask(self.connect(), lines, path)

    def connect(self) -> socket.socket:
        if self.address.startswith("unix:"):
            made = socket.socket(socket.AF_UNIX)
            made.settimeout(PATIENCE_SECONDS)
            made.connect(self.address.removeprefix("unix:"))
            return made
        host, port = self.address.rpartition("//")[2].split(":")
        return socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS)


def ask(
    connection: socket.socket, lines: Iterable[tuple[str, bytes | str]] = (), path: str = "/status"
) -> tuple[int, dict[str, Any]]:
    """One request as it is, on a connection that is closed after it."""
    head = [f"GET {path} HTTP/1.1".encode(), b"Host: localhost", b"Connection: close"]
    head += [
        b"%b: %b" % (name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in lines
    ]
    with connection:
        connection.sendall(b"\r\n".join(head) + b"\r\n\r\n")
        answer = b""
        while data := connection.recv(65_536):
            answer += data
    top, _, body = answer.partition(b"\r\n\r\n")
    status = int(top.split(b" ")[1])
    return status, json.loads(body) if status == 200 else {}


def let_forward(home: Home, text: str) -> None:
    """Write ``[forwarded]`` into the home's settings."""
    with (home.path / SETTINGS_FILE).open("a") as file:
        file.write(f"\n[forwarded]\n{text}\n")


@contextmanager
def behind(home: Home, *arguments: str, app: str = APP) -> Iterator[Behind]:
    """A running server; it is ended with SIGTERM."""
    command = [sys.executable, "-m", "mutua", "serve", app, "--home", str(home.path), *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        lines: queue.Queue[dict[str, Any]] = queue.Queue()
        ready: queue.Queue[str | None] = queue.Queue()
        talk: list[str] = []
        threading.Thread(target=_listen, args=(process.stdout, lines), daemon=True).start()
        threading.Thread(target=_hear, args=(process.stderr, talk, ready), daemon=True).start()
        try:
            address = ready.get(timeout=PATIENCE_SECONDS)
            assert address is not None, "".join(talk)
            yield Behind(process, address, talk, lines)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_SECONDS)


def _listen(stream: IO[str], lines: "queue.Queue[dict[str, Any]]") -> None:
    for line in stream:
        lines.put(json.loads(line))


def _hear(stream: IO[str], talk: list[str], ready: "queue.Queue[str | None]") -> None:
    for line in stream:
        talk.append(line)
        if match := re.search(r"on (\S+) to \d+ known", line):
            ready.put(match[1])
    ready.put(None)

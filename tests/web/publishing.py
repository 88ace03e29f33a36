"""``mutua ca serve`` as a process, and what it is asked over real sockets."""

import http.client
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import IO, Self

from mutua import Home
from tests.serving import PATIENCE_SECONDS, ROOT

SERVE = [sys.executable, "-m", "mutua", "ca", "serve"]


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: Message
    body: bytes

    def __getitem__(self, header: str) -> str:
        return self.headers[header]


class Publishing:
    """A running server. ``talk`` is what it says on stderr."""

    def __init__(self, home: Home, process: "subprocess.Popen[str]") -> None:
        self.home = home
        self.process = process
        self.port = 0
        self.talk: list[str] = []
        self._ready: queue.Queue[int | None] = queue.Queue()
        self._est: queue.Queue[int | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(process.stderr,))
        self._reader.start()

    @classmethod
    def start(cls, home: Home, *arguments: str, command: list[str] | None = None, port: int = 0) -> Self:
        whole = [*(command or SERVE), "--home", str(home.path), "--port", str(port), *arguments]
        made = cls(home, subprocess.Popen(whole, cwd=ROOT, stderr=subprocess.PIPE, text=True))
        found = made._ready.get(timeout=PATIENCE_SECONDS)
        if found is None:
            made.stop()
            raise AssertionError("it did not start:\n" + "".join(made.talk))
        made.port = found
        return made

    def est_port(self) -> int:
        """Where EST is served, once it is; to be asked once."""
        found = self._est.get(timeout=PATIENCE_SECONDS)
        assert found is not None, "".join(self.talk)
        return found

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request on a connection of its own; the path goes out as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)

    def stop(self, sent: int = signal.SIGTERM) -> int:
        """End it and wait; how it ended."""
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
                if match := re.search(r"publishing CRLs and OCSP on http://.*:(\d+)$", line):
                    self._ready.put(int(match.group(1)))
                if match := re.search(r"EST on https://.*:(\d+)$", line):
                    self._est.put(int(match.group(1)))
        self._ready.put(None)
        self._est.put(None)


def free_port() -> int:
    """A port that nobody listens on now: certificates must name it before the server runs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port

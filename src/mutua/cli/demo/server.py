"""The demo's servers: ``mutua serve`` as processes of their own, and what they log."""

import json
import os
import queue
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import count
from pathlib import Path
from typing import IO, Any, Self

from mutua.cli.demo.actors import HOST, WRONG_HOST, Cast
from mutua.cli.demo.cases import Role, Site
from mutua.errors import NetworkError

PATIENCE_SECONDS = 30
"""Far more than any step takes; a machine that is slower than this is out of order."""

APPLICATION = "mutua.cli.demo.application:app"

Line = dict[str, Any]


class Journal:
    """The lines a server has logged so far."""

    def __init__(self) -> None:
        self._lines: list[Line] = []
        self._complete = False
        self._more = threading.Condition()

    def add(self, line: Line) -> None:
        with self._more:
            self._lines.append(line)
            self._more.notify_all()

    def end(self) -> None:
        """No more lines will come."""
        with self._more:
            self._complete = True
            self._more.notify_all()

    def position(self) -> int:
        with self._more:
            return len(self._lines)

    def since(self, position: int) -> list[Line]:
        with self._more:
            return self._lines[position:]

    def wait(self, wanted: Callable[[Line], bool]) -> Line | None:
        """The first line that is ``wanted``; ``None`` if none comes in time, or the server has ended."""
        with self._more:
            self._more.wait_for(lambda: self._complete or any(map(wanted, self._lines)), PATIENCE_SECONDS)
            return next(filter(wanted, self._lines), None)


class Server:
    """A running ``mutua serve``; ``port`` is where it listens, once it is ready.

    Args:
        site: which identity of the home it serves as.
        home: the home's folder.
        log: where what it logs is written.
    """

    def __init__(self, site: Site, home: Path, log: Path) -> None:
        self.site = site
        self.journal = Journal()
        self._alone = threading.Lock()
        self._fences = count()
        self._talk: list[str] = []
        self._contexts: dict[tuple[Role, str], ssl.SSLContext] = {}
        self._ready: queue.Queue[int | None] = queue.Queue()
        self.port = 0
        command = ["serve", APPLICATION, "--identity", site, "--home", str(home), "--host", HOST, "--port", "0"]
        self._process = subprocess.Popen(  # noqa: S603 -- our own program
            [sys.executable, "-m", "mutua", *command],
            cwd=log.parent,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._readers = (
            threading.Thread(target=self._read_lines, args=(self._process.stdout, log), daemon=True),
            threading.Thread(target=self._read_talk, args=(self._process.stderr,), daemon=True),
        )
        for reader in self._readers:
            reader.start()

    def wait_until_ready(self) -> None:
        """Wait until it accepts connections.

        Raises:
            NetworkError: it did not start.
        """
        try:
            port = self._ready.get(timeout=PATIENCE_SECONDS)
        except queue.Empty:
            port = None
        if port is None:
            raise NetworkError(f"the demo's server did not start: {self._said()}", hint="mutua serve --help")
        self.port = port

    def url(self, path: str) -> str:
        return f"https://{HOST}:{self.port}{path}"

    @contextmanager
    def watched(self, cast: Cast, *, alone: bool) -> Iterator[list[Line]]:
        """What is logged while something is done; the list is filled at the end.

        Lines are written in the order in which the server reads from its sockets, so once it has logged a request
        that was made afterwards, it has logged whatever the client before it left behind.

        Args:
            cast: who makes that request.
            alone: keep others away that come alone as well: a client without a certificate leaves no trace of who
                it is.
        """
        meanwhile: list[Line] = []
        with self._alone if alone else nullcontext():
            position = self.journal.position()
            yield meanwhile
            path = f"/demo/fence/{next(self._fences)}"
            try:
                self.request(cast, path, Role.PARTNER, "")
            except OSError as error:
                raise NetworkError(
                    f"the demo's server does not answer: {error}; {self._said()}", hint="mutua demo"
                ) from error
            self.journal.wait(lambda line: line.get("path") == path)
            meanwhile.extend(self.journal.since(position))

    def request(self, cast: Cast, path: str, role: Role, client: str) -> int:
        """The status of a request of the demo's own, on a connection of its own."""
        if (role, client) not in self._contexts:
            actor = cast.actor(role, client)
            assert actor is not None
            self._contexts[role, client] = actor.identity.client_context(cast.trust_in(self.site))
        context = self._contexts[role, client]
        name = WRONG_HOST if self.site is Site.WRONG_NAME else HOST
        with (
            socket.create_connection((HOST, self.port), timeout=PATIENCE_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=name) as tls,
        ):
            return _status(tls, path)

    def stop(self) -> None:
        """End it, and read what it still says."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for reader in self._readers:
            reader.join(PATIENCE_SECONDS)

    def _said(self) -> str:
        return " ".join(self._talk)[-500:]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _read_lines(self, stream: IO[str], log: Path) -> None:
        with stream, log.open("w", encoding="utf-8") as file:
            for text in stream:
                file.write(text)
                self.journal.add(json.loads(text))
        self.journal.end()

    def _read_talk(self, stream: IO[str]) -> None:
        with stream:
            for text in stream:
                self._talk.append(text.rstrip())
                if match := re.search(r"on https://.*:(\d+) to", text):
                    self._ready.put(int(match.group(1)))
        self._ready.put(None)


def _status(tls: ssl.SSLSocket, path: str) -> int:
    tls.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
    answer = b""
    while chunk := tls.recv(4096):
        answer += chunk
    return int(answer.split(b" ", 2)[1])

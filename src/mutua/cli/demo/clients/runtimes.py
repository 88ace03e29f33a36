"""Node and Java: one process for all calls of a client, which it reads line by line."""

import queue
import subprocess
import threading
from pathlib import Path
from typing import IO

from mutua.cli.demo.clients.client import CALL_SECONDS, Call, Client
from mutua.cli.demo.clients.programs import environment
from mutua.cli.demo.seeing import Sight, answered, in_words

START_SECONDS = 30
"""A virtual machine that compiles its program first takes seconds on a busy machine."""

HERE = Path(__file__).parent
NODE_SCRIPT = HERE / "node.cjs"
JAVA_SOURCE = HERE / "HttpClientCalls.java"

_NOBODY = _ANY = "-"


class Runtime(Client):
    """A program that makes a call for each line it reads, and answers ``status N`` or ``error WORDS``.

    Args:
        name: for people.
        command: starts it.
        folder: its home folder.
    """

    def __init__(self, name: str, command: list[str], folder: Path) -> None:
        self.name = name
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._talk: list[str] = []
        self._process = subprocess.Popen(  # noqa: S603 -- a list, with paths of our own making
            command,
            env=environment(folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._readers = (
            threading.Thread(target=self._read_answers, args=(self._process.stdout,), daemon=True),
            threading.Thread(target=self._read_talk, args=(self._process.stderr,), daemon=True),
        )
        for reader in self._readers:
            reader.start()

    def get(self, call: Call) -> Sight:
        assert self._process.stdin is not None
        folder = str(call.actor.folder) if call.actor else _NOBODY
        version = f"TLSv{call.tls_version}" if call.tls_version else _ANY
        try:
            self._process.stdin.write(f"{call.url}\t{call.ca_file}\t{folder}\t{version}\n")
            self._process.stdin.flush()
            answer = self._answers.get(timeout=START_SECONDS + CALL_SECONDS)
        except queue.Empty:
            return Sight("error", f"{self.name} gave no answer")
        except OSError:
            answer = None
        if answer is None:
            return Sight("error", f"{self.name} has ended: {' '.join(self._talk)[-500:]}")
        kind, _, rest = answer.partition(" ")
        return answered(int(rest)) if kind == "status" else in_words(rest)

    def close(self) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
            self._process.wait(CALL_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        for reader in self._readers:
            reader.join(CALL_SECONDS)

    def _read_answers(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self._answers.put(line.rstrip("\n"))
        self._answers.put(None)

    def _read_talk(self, stream: IO[str]) -> None:
        with stream:
            self._talk.extend(line.strip() for line in stream)


def node_https(node: str, folder: Path) -> Client:
    """Node's own ``https``."""
    return Runtime("Node https", [node, str(NODE_SCRIPT), "https"], folder)


def node_fetch(node: str, undici: Path, folder: Path) -> Client:
    """``fetch`` of undici, which is Node's."""
    return Runtime("Node fetch", [node, str(NODE_SCRIPT), "fetch", str(undici)], folder)


def java_http_client(java: str, folder: Path) -> Client:
    """Java's ``java.net.http.HttpClient``, from source."""
    quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xmx128m"]
    return Runtime("Java", [java, *quick, str(JAVA_SOURCE)], folder)

"""Runs a page: its console blocks as one shell session, its Python blocks in one namespace, in a folder of its own."""

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

from tests.docs.pages import Block
from tests.docs.ports import Ports

PATIENCE_SECONDS = 30
LOOKING_SECONDS = 10
LOOPBACK = {"localhost", "127.0.0.1"}

# Commands that only look, and may be asked again until what they look at has been written.
_LOOKS = re.compile(r"(?:tail|grep|curl|mutua call) ")
_FILE = re.compile(r"# ([\w./-]+\.(?:py|toml))\n")
_URL_HOST = re.compile(r"(?:https?|wss?)://([^/:\s\"'{]+)")


class Mismatch(AssertionError):
    """The page says one thing and the machine another."""


class Session:
    """What a reader does with a page, from its first block to its last.

    Args:
        folder: where everything happens.
        ports: turns the ports of the page into free ones.
        stand_ins: what stands on the page for something that differs from machine to machine, such as the host
            of a bank, and what it is here.
    """

    def __init__(self, folder: Path, ports: Ports, stand_ins: dict[str, str] | None = None) -> None:
        self.folder, self._ports, self._stand_ins = folder, ports, stand_ins or {}
        self._namespace: dict[str, Any] = {"__name__": "page"}
        self._prelude: list[str] = []
        self._status = 0
        self._printed = ""
        self._jobs: list[subprocess.Popen[str]] = []
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MUTUA_")}
        self._environment = {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"}

    def __enter__(self) -> Self:
        sys.path.insert(0, str(self.folder))
        return self

    def __exit__(self, *_: object) -> None:
        for job in self._jobs:
            _end(job)
        sys.path.remove(str(self.folder))
        for name, module in list(sys.modules.items()):
            if Path(getattr(module, "__file__", None) or "/").is_relative_to(self.folder):
                del sys.modules[name]

    def run(self, block: Block) -> None:
        """Run one block.

        Raises:
            Mismatch: it fails, or what comes out is not what stands on the page.
        """
        text = self._ports.substitute(block.text)
        for shown, real in self._stand_ins.items():
            text = text.replace(shown, real)
        strangers = set(_URL_HOST.findall(text)) - LOOPBACK
        if strangers and not block.is_output:
            raise Mismatch(f"this would call {sorted(strangers)}, and only loopback is ever called")
        if block.is_output:
            compare("the Python before", text, self._printed)
        elif block.language == "python":
            self._python(text)
        elif block.language == "sh":
            self._command("set -e\n" + text, "")
        else:
            for command, expected in _commands(text):
                self._command(command, expected)

    def _python(self, text: str) -> None:
        if match := _FILE.match(text):
            (self.folder / match[1]).write_text(text, encoding="utf-8")
            return
        printed = io.StringIO()
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(printed):
            exec(compile(text, "page", "exec"), self._namespace)
        self._printed = printed.getvalue()

    def _command(self, command: str, expected: str) -> None:
        if command.endswith("&"):
            self._start(command.removesuffix("&"), expected)
        elif command.startswith("kill %"):
            _end(self._jobs[int(command.removeprefix("kill %")) - 1])
            self._status = 0
        elif re.match(r"(?:export|cd) ", command):
            self._prelude.append(command)
        else:
            deadline = time.monotonic() + LOOKING_SECONDS
            while True:
                try:
                    self._once(command, expected)
                except Mismatch:
                    if not _LOOKS.match(command) or time.monotonic() > deadline:
                        raise
                    time.sleep(0.1)
                else:
                    return

    def _once(self, command: str, expected: str) -> None:
        script = "\n".join([*self._prelude, f"(exit {self._status})", command])
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_SECONDS * 2,
            check=False,
        )
        if expected:
            compare(command, expected, done.stdout)
        elif done.returncode != 0:
            raise Mismatch(f"$ {command}\nended with {done.returncode}, and the page shows no error:\n{done.stdout}")
        self._status = done.returncode

    def _start(self, command: str, expected: str) -> None:
        """Start a server; go on when it has said what the page shows and listens on a port of the page."""
        log = self.folder / f"job-{len(self._jobs) + 1}.log"
        with log.open("w") as out:
            job = subprocess.Popen(
                ["bash", "-c", "\n".join([*self._prelude, f"exec {command}"])],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self._jobs.append(job)
        quiet = self._ports.listening()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._ports.listening() == quiet or not matches(expected, log.read_text()):
            if job.poll() is not None or time.monotonic() > deadline:
                raise Mismatch(f"$ {command}&\ndid not get ready (status {job.poll()}):\n{log.read_text()}")
            time.sleep(0.05)


def compare(what: str, expected: str, actual: str) -> None:
    """Raise ``Mismatch`` unless ``actual`` is what the page shows."""
    if not matches(expected, actual):
        raise Mismatch(f"{what}\n--- on the page\n{expected}\n--- on the machine\n{actual}")


def matches(expected: str, actual: str) -> bool:
    """Whether ``actual`` is ``expected``; ``...`` stands for any text in a line, alone on a line for any lines."""
    parts = []
    for line in expected.strip().splitlines():
        if line.strip() == "...":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            parts.append(r"[^\n]*".join(re.escape(piece) for piece in line.rstrip().split("...")) + r"[ ]*\n")
    return re.fullmatch("".join(parts), actual.strip() + "\n" if actual.strip() else "") is not None


def _commands(text: str) -> list[tuple[str, str]]:
    """The ``$`` lines of a console block, continued over backslashes, each with the lines shown below it."""
    found: list[tuple[str, str]] = []
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines(keepends=True)
        end = next(number for number, line in enumerate(lines) if not line.endswith("\\\n")) + 1
        found.append(("".join(lines[:end]).rstrip("\n"), "".join(lines[end:])))
    if not found:
        raise Mismatch("a console block without a command")
    return found


def _end(job: "subprocess.Popen[str]") -> int:
    if job.poll() is None:
        job.send_signal(signal.SIGTERM)
    try:
        return job.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        job.kill()
        return job.wait()

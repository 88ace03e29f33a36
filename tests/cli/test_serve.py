"""``mutua serve`` as a process: what it says, and starting again with ``--reload``."""

import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import accumulate, repeat
from operator import mul
from pathlib import Path
from typing import IO

import pytest

from mutua import Home
from tests.serving import PATIENCE_SECONDS, Serving

APP = "async def app(scope, receive, send):\n    raise NotImplementedError({!r})\n"

ENDED = {0, -signal.SIGTERM}
"""Once it has stopped, uvicorn ends itself with the signal that stopped it."""


class Reloading:
    """A ``mutua serve --reload`` whose lines on stderr are waited for."""

    def __init__(self, home: Home, folder: Path, port: int) -> None:
        self.port = port
        self.app = folder / "watched.py"
        self.app.write_text(APP.format(0))
        self._lines: queue.Queue[str] = queue.Queue()
        options = ["--home", str(home.path), "--identity", "api", "--port", str(port), "--reload"]
        command = [sys.executable, "-m", "mutua", "serve", "watched:app", *options]
        self.process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        self._reader = threading.Thread(target=self._read, args=(self.process.stderr,))
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self._lines.put(line)

    def wait_for(self, text: str, meanwhile: Callable[[], object] = lambda: None) -> str:
        """The next line with ``text`` in it.

        ``meanwhile`` is done again until it comes, each time after twice as long: a slow machine may take its time.
        """
        for wait in accumulate(repeat(2, 6), mul, initial=1):
            meanwhile()
            deadline = time.monotonic() + wait
            with suppress(queue.Empty):
                while (left := deadline - time.monotonic()) > 0:
                    if text in (line := self._lines.get(timeout=left)):
                        return line
        raise AssertionError(f"no line with {text!r}")

    def write(self, source: str) -> None:
        self.app.write_text(source)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE_SECONDS)
        finally:
            self.process.kill()
            self._reader.join(PATIENCE_SECONDS)


@pytest.fixture
def reloading(home: Home, tmp_path: Path) -> Iterator[Reloading]:
    folder = tmp_path / "project"
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    started = Reloading(home, folder, port)
    yield started
    started.stop()


def test_reload_starts_again_when_a_file_changes_and_outlives_a_broken_one(reloading: Reloading) -> None:
    first = reloading.wait_for("serving watched:app on https://127.0.0.1:")
    versions = iter(range(1, 1000))
    # The watcher may not be looking yet, so the file changes until it is noticed.
    reloading.wait_for("starting again", lambda: reloading.write(APP.format(next(versions))))
    assert reloading.wait_for("serving watched:app") == first
    reloading.wait_for(
        "error: the module 'watched' cannot be imported", lambda: reloading.write(f"def {next(versions)}")
    )
    reloading.wait_for("serving watched:app", lambda: reloading.write(APP.format(next(versions))))
    assert reloading.stop() in {0, 130}
    with socket.socket() as gone:
        assert gone.connect_ex(("127.0.0.1", reloading.port)) != 0, "the server ends with the one who started it"


def test_serving_says_where_and_for_how_many_and_ends_with_zero(home: Home, serve: Callable[..., Serving]) -> None:
    home.clients.add("bank")
    serving = serve()
    assert f"mutua: serving tests.echo:app on https://127.0.0.1:{serving.port} to 2 known clients\n" in serving.talk
    assert serving.stop() in ENDED
    assert serving.lines == []


def test_serving_needs_no_passphrase(home: Home, serve: Callable[..., Serving]) -> None:
    (home.path / "passphrase").unlink()
    assert serve().stop() in ENDED


@pytest.mark.parametrize("arguments", [("--workers", "2"), ("--server", "gunicorn")])
def test_reload_is_for_one_process_of_uvicorn_or_hypercorn(arguments: tuple[str, ...], home: Home) -> None:
    command = [sys.executable, "-m", "mutua", "serve", "main:app", "--identity", "api", "--home", str(home.path)]
    done = subprocess.run([*command, "--reload", *arguments], capture_output=True, text=True, timeout=60, check=False)
    error, hint, _ = done.stderr.splitlines()
    assert done.returncode == 2
    assert error == "error: --reload serves with one process of uvicorn or hypercorn"
    assert hint == "hint:  leave out --workers and --server"

"""``mutua gate check --report-only`` beside servers that run: it tells, and changes nothing."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Queue
from typing import IO, Any

from mutua import Home
from tests.inbound.connections import LiveConnection, client_context
from tests.serving import Serving

PATIENCE_SECONDS = 30


@contextmanager
def watching(home: Home, *arguments: str) -> "Iterator[tuple[subprocess.Popen[str], Queue[str], Queue[str]]]":
    """``mutua gate check woovi --report-only``, and what it writes as it comes."""
    command = [sys.executable, "-m", "mutua", "gate", "check", "woovi", "--report-only", "--home", str(home.path)]
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        out, talk = Queue[str](), Queue[str]()
        threads = [
            threading.Thread(target=_read, args=each) for each in ((process.stdout, out), (process.stderr, talk))
        ]
        for each in threads:
            each.start()
        try:
            yield process, out, talk
        finally:
            process.kill()
            for each in threads:
                each.join()


def _read(stream: IO[str], lines: "Queue[str]") -> None:
    for line in stream:
        lines.put(line.rstrip("\n"))


def said(talk: "Queue[str]", wanted: str) -> None:
    """Wait until it says this."""
    while wanted not in talk.get(timeout=PATIENCE_SECONDS):
        continue


def rest(lines: "Queue[str]") -> list[str]:
    """What is left of the lines of a process that has ended."""
    found = []
    while not lines.empty():
        found.append(lines.get())
    return found


def test_a_trial_on_what_runs_tells_and_changes_nothing(home: Home, serve: Callable[..., Serving]) -> None:
    before, events = home.clients.get("woovi"), home.snapshot().version
    serving, context = serve(arguments=("--workers", "2", "--no-access-log")), client_context(home)
    with watching(home, "--allow", "GET /status", "--json") as (process, out, talk):
        said(talk, "2 gates are watched")
        with LiveConnection(serving.port, context) as connection:
            assert connection.get("/status") == 200
            assert connection.get("/balance") == 200
            told: dict[str, Any] = json.loads(out.get(timeout=PATIENCE_SECONDS))
            assert list(told) == ["time", "client", "method", "path", "count"]
            assert (told["client"], told["method"], told["path"], told["count"]) == ("woovi", "GET", "/balance", 1)
            assert [connection.get("/balance") for _ in range(4)] == [200] * 4
        later = serve()
        said(talk, "3 gates are watched")
        with LiveConnection(later.port, context) as connection:
            assert connection.get("/later") == 200
            assert json.loads(out.get(timeout=PATIENCE_SECONDS))["path"] == "/later"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 130
        said(talk, "requests that would be refused: 6; different ones: 2")
        assert [(each["path"], each["count"]) for each in map(json.loads, rest(out))] == [("/balance", 5)]
    assert home.clients.get("woovi") == before
    assert home.snapshot().version == events
    assert [(line["path"], line["status"]) for line in _admitted(later)] == [("/later", 200)]


def _admitted(serving: Serving) -> list[dict[str, Any]]:
    serving.stop()
    return [line for line in serving.lines if line["event"] == "admitted"]

"""However many processes serve, one keeps the home: two would revoke and publish everything twice."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mutua import Home
from tests.inbound.connections import until
from tests.inbound.doors.test_workers import alive, answer, children
from tests.serving import Serving

SPY = """
import os
import mutua.home.upkeep as module

start = module.Upkeep.start

def noted(self):
    with open(os.environ["MUTUA_TEST_UPKEEPS"], "a") as file:
        file.write(f"{os.getpid()}\\n")
    start(self)

module.Upkeep.start = noted
"""
"""What every Python that is started here runs first."""

SERVERS = {
    "uvicorn": ("--workers", "3"),
    "hypercorn": ("--server", "hypercorn", "--workers", "3"),
    "gunicorn": ("--server", "gunicorn", "--worker-class", "asgi", "--workers", "3"),
}


@contextmanager
def serving(home: Home, server: str) -> Iterator[Serving]:
    started = Serving.start(home, app="tests.inbound.doors.crashing:app", arguments=SERVERS[server])
    try:
        yield started
    finally:
        started.stop()


@pytest.mark.parametrize("server", SERVERS)
def test_one_process_keeps_the_home(server: str, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = tmp_path / "upkeeps"
    (tmp_path / "sitecustomize.py").write_text(SPY)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("MUTUA_TEST_UPKEEPS", str(notes))
    with serving(home, server) as running:
        parent = running.process.pid
        until(lambda: notes.exists() and len(children(parent)) == (4 if server == "gunicorn" else 3))
        worker = int(answer(running, home, "/pid"))
        os.kill(worker, 9)
        until(lambda: not alive(worker))
        until(lambda: int(answer(running, home, "/pid")) != worker)
        (keeper,) = notes.read_text().split()
        assert (int(keeper) == parent) is (server != "gunicorn")
        assert int(keeper) in {parent, *children(parent)}
        assert int(answer(running, home, "/pid")) != int(keeper)

"""A signal between the fork of a worker and its own handlers: the arbiter's, which are there until then, lose none."""

from pathlib import Path

import pytest

from mutua import Home
from tests.inbound.connections import LiveConnection, client_context, until
from tests.inbound.doors.test_workers import alive
from tests.inbound.gunicorn_server import GunicornServing

CONFIG = """
import os
import signal
from pathlib import Path

sent = Path("sent")

def post_fork(server, worker):
    if not sent.exists():
        sent.write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.parametrize("worker", ["gthread", "asgi", "uvicorn"])
def test_a_worker_that_is_told_to_end_before_it_has_begun_ends(worker: str, home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "gunicorn.conf.py").write_text(CONFIG)
    serving = GunicornServing.begin(home.path, worker, folder=folder)
    try:
        told = int((folder / "sent").read_text())
        until(lambda: not alive(told))
        with LiveConnection(serving.port, client_context(home)) as connection:
            assert connection.get() == 200
    finally:
        assert serving.stop() == 0

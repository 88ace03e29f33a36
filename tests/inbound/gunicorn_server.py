"""A process that serves an application with gunicorn, as ``mutua serve`` would.

``python -m tests.inbound.gunicorn_server HOME WORKER WORKERS APP``
"""

import json
import os
import sys
from pathlib import Path
from typing import Self

from mutua.errors import MutuaError
from mutua.inbound.gunicorn import serve
from mutua.inbound.standard_streams import lock_file, log_to_standard_streams
from tests.serving import ROOT, Serving

APPS = {
    "gthread": "tests.wsgi_echo:app",
    "sync": "tests.wsgi_echo:app",
    "asgi": "tests.echo:app",
    "uvicorn": "tests.echo:app",
}


def command(home: Path, worker: str, workers: int = 1, app: str | None = None) -> list[str]:
    module = "tests.inbound.gunicorn_server"
    return [sys.executable, "-m", module, str(home), worker, str(workers), app or APPS[worker]]


def environment(**variables: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)} | variables


class GunicornServing(Serving):
    """A running gunicorn: ``GunicornServing.begin(home.path, "gthread")``."""

    @classmethod
    def begin(
        cls,
        home: Path,
        worker: str,
        *,
        workers: int = 1,
        app: str | None = None,
        folder: Path = ROOT,
        variables: dict[str, str] | None = None,
    ) -> Self:
        return cls(command(home, worker, workers, app), folder=folder, environment=environment(**(variables or {})))


def main(home: str, worker: str, workers: str, app: str) -> int:
    log_to_standard_streams(access_log=True, lock=lock_file())

    def started(port: int) -> None:
        sys.stderr.write(f"on https://127.0.0.1:{port} to known clients\n")

    try:
        serve(app, identity="api", home=home, port=0, workers=int(workers), worker=worker, on_start=started)
    except MutuaError as error:
        sys.stderr.write(json.dumps({"code": error.code, "message": error.message, "hint": error.hint}) + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""django-ca through its Python API: one process, in an environment of its own, that issues what it is sent."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from cryptography import x509

from bench.issuance.rounds import Contestant

PYTHON = Path(sys.prefix) / "django-ca" / "bin" / "python"
"""Where the Makefile puts it."""

PATIENCE_SECONDS = 60

_SCRIPT = Path(__file__).parent / "django_project" / "issue.py"


@dataclass(frozen=True)
class Way:
    """How django-ca's SQLite commits.

    Attributes:
        words: in the table.
        pragmas: run on each new connection.
        in_one_transaction: whether all certificates of a turn are committed together.
    """

    words: str
    pragmas: str = ""
    in_one_transaction: bool = False

    @property
    def name(self) -> str:
        """Of the contestant."""
        return f"django-ca, {self.words}"


_AS_OURS = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"

AS_SHIPPED = Way("as Django sets SQLite up")
WAL = Way("SQLite set up as mutua's", _AS_OURS)
WAL_TOGETHER = Way("the same, one transaction for a turn", _AS_OURS, in_one_transaction=True)
WAYS = (AS_SHIPPED, WAL, WAL_TOGETHER)


class DjangoCa(Contestant):
    """A child process that times its own loop; the way to it and back is not in the time.

    Attributes:
        facts: the journal mode and the synchronous level that its connection has.
    """

    kept = "committed"
    share = 0.1

    def __init__(self, way: Way, folder: Path) -> None:
        self.name = way.name
        self.facts: dict[str, str] = {}
        self._way = way
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True)
        environment = {
            "PATH": os.environ["PATH"],
            "BENCH_DJANGO_FOLDER": str(self._folder),
            "BENCH_DJANGO_PRAGMAS": self._way.pragmas,
        }
        arguments = ["--in-one-transaction"] if self._way.in_one_transaction else []
        self._process = subprocess.Popen(
            [str(PYTHON), str(_SCRIPT), *arguments],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            self.facts = self._answer()
        except BaseException:
            self.close()
            raise
        self.issuer = x509.load_pem_x509_certificate(self.facts.pop("issuer").encode())
        return self

    def issue(self, csrs: Sequence[bytes]) -> float:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([csr.decode() for csr in csrs]) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        self.issued = [text.encode() for text in answer["issued"]]
        return float(answer["seconds"])

    def _answer(self) -> Any:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with {self._process.wait(PATIENCE_SECONDS)}")
        return json.loads(line)

    def close(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()  # the end of its requests is its end
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

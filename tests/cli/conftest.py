"""The command line, called in this process or as one of its own."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mutua import Home
from mutua.cli import main


@dataclass(frozen=True)
class Result:
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def error(self) -> str:
        """What stands behind ``error:``, once the three lines are three."""
        lines = self.err.splitlines()
        assert [line[:7] for line in lines] == ["error: ", "hint:  ", "docs:  "], self.err
        assert all(line[7:].strip() for line in lines), self.err
        assert self.out == ""
        return lines[0][7:]


Run = Callable[..., Result]


@pytest.fixture
def mutua(home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """``mutua("client", "list")`` in this process, with a home of one's own. It never tells a secret."""
    monkeypatch.setenv("MUTUA_HOME", str(home.path))
    monkeypatch.chdir(home.path.parent)
    passphrase = (home.path / "passphrase").read_text().strip()

    def run(*arguments: str) -> Result:
        capsys.readouterr()
        code = main(list(arguments))
        result = Result(code, *capsys.readouterr())
        for secret in (passphrase, "PRIVATE KEY"):
            assert secret not in result.out + result.err
        return result

    return run


@pytest.fixture
def mutua_process(home: Home, tmp_path: Path) -> Run:
    """The same as a process of its own."""

    def run(*arguments: str, **options: Any) -> Result:
        command = [sys.executable, "-m", "mutua", *arguments]
        options = {"cwd": tmp_path, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        done = subprocess.run(command, check=False, timeout=60, **options)
        return Result(done.returncode, done.stdout or "", done.stderr or "")

    return run

"""How a server starts: the application's lifespan, and what is said of a part that is not installed."""

import os
import subprocess
import sys

import httpx
import pytest

from mutua import Home
from tests.inbound.connections import client_context
from tests.serving import ROOT, Serving

SERVERS = ["uvicorn", "hypercorn"]
WITHOUT = """
import sys
sys.modules[{module!r}] = None
from mutua.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("version", ["1.1", "2"])
def test_what_the_lifespan_has_opened_is_there_in_requests(version: str, server: str, workers: str, home: Home) -> None:
    arguments = ("--server", server, "--workers", workers)
    serving = Serving.start(home, app="tests.inbound.doors.living:app", arguments=arguments)
    try:
        with httpx.Client(verify=client_context(home), http2=version == "2") as client:
            assert client.get(f"{serving.url}/status").text == f"a pool {version}"
    finally:
        serving.stop()
    assert "Traceback" not in serving.talk


def run(home: Home, *arguments: str, program: str = "") -> "subprocess.CompletedProcess[str]":
    before = ["-c", program] if program else ["-m", "mutua"]
    return subprocess.run(
        [sys.executable, *before, "serve", *arguments, "--identity", "api", "--home", str(home.path), "--port", "0"],
        cwd=ROOT,
        env={**os.environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("server", SERVERS)
def test_an_application_that_does_not_want_to_start_ends_the_server(server: str, workers: str, home: Home) -> None:
    done = run(home, "tests.inbound.doors.living:unwilling", "--server", server, "--workers", workers)
    assert done.returncode == 3
    assert "the database is away" in done.stderr
    assert "serving" not in done.stderr


def test_hypercorn_is_named_when_it_is_not_installed(home: Home) -> None:
    done = run(home, "tests.echo:app", "--server", "hypercorn", program=WITHOUT.format(module="hypercorn"))
    error, hint, docs = done.stderr.splitlines()
    assert done.returncode == 3
    assert (error, hint) == ("error: hypercorn is not installed", "hint:  pip install 'mutua[hypercorn]'")
    assert docs.endswith("#missing_extra")


def test_uvicorn_without_zttp_offers_http1_alone() -> None:
    program = "import sys; sys.modules['zttp'] = None; from mutua.inbound.uvicorn import ALPN; print(ALPN)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "('http/1.1',)\n"


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_uvloop_is_named_when_it_is_asked_for_and_not_installed(loop: str) -> None:
    program = (
        "import sys; sys.modules['uvloop'] = None\n"
        "from mutua.errors import MissingExtra\nfrom mutua.inbound.accepting import loop_factory\n"
        "assert loop_factory('auto') is None\n"
        f"try:\n    print(loop_factory({loop!r}))\nexcept MissingExtra as error:\n    print(error.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    expected = {"asyncio": "None", "uvloop": "pip install 'mutua[serve]', or give --loop asyncio"}
    assert done.stdout.strip() == expected[loop]

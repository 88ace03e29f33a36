"""niquests in its own environment: it brings a urllib3 that would take the place of everybody else's.

The process reads a call from each line on stdin, and writes what came of it on stdout. Run as a program this is the
process; it then has only what the environment of niquests and, behind it, that of the tests hold.
"""

import asyncio
import json
import subprocess
import sys
import sysconfig
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

from tests.missing import missing
from tests.outbound.clients.callers import Caller, Outcome, answered, failed

ROOT = Path(__file__).parents[3]
PYTHON = Path(sys.prefix) / "niquests" / "bin" / "python"
SECONDS = 30

_PROGRAM = """
import sys
sys.path += sys.argv[1:]
from tests.outbound.clients.niquests_process import serve
serve()
"""


class NiquestsProcess:
    """The process, one for a run of tests; it ends with its stdin."""

    _running: ClassVar[Self | None] = None

    def __init__(self) -> None:
        if not PYTHON.exists():
            missing(f"niquests has no environment at {PYTHON}: make test sets it up")
        paths = [str(ROOT / "src"), str(ROOT), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
        self.process = subprocess.Popen(
            [PYTHON, "-c", _PROGRAM, *paths], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    @classmethod
    def running(cls) -> Self:
        if cls._running is None:
            cls._running = cls()
        return cls._running

    @classmethod
    def stop(cls) -> None:
        if cls._running is not None:
            cls._running.process.communicate(timeout=SECONDS)
            cls._running = None

    def outcome(self, caller: Caller, url: str, *, is_async: bool) -> Outcome:
        call = {
            "url": url,
            "async": is_async,
            "anchors": caller.anchors.decode(),
            "certificate": caller.certificate.decode() if caller.certificate else None,
            "key": caller.key.decode() if caller.key else None,
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(call) + "\n")
        self.process.stdin.flush()
        found = json.loads(self.process.stdout.readline())
        return Outcome(found["status"], tuple(found["plain"]), tuple(found["probed"]))


def serve() -> None:
    """What the process does."""
    import niquests  # type: ignore[import-not-found]

    assert Path(niquests.__file__).is_relative_to(sys.prefix)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(asdict(_outcome(json.loads(line)))) + "\n")
        sys.stdout.flush()


def _outcome(call: dict[str, Any]) -> Outcome:
    import niquests

    import mutua

    identity = mutua.Identity.load(call["certificate"].encode(), key=call["key"].encode()) if call["key"] else None
    caller = Caller(identity, mutua.Trust.load(call["anchors"].encode()))
    options: dict[str, Any] = {"verify": call["anchors"], "timeout": SECONDS}
    if call["key"]:
        options["cert"] = (call["certificate"], call["key"])
    try:
        response = asyncio.run(_get_async(call["url"], options)) if call["async"] else _get(call["url"], options)
    except niquests.RequestException as error:
        return failed(error, caller, call["url"])
    return answered(response.status_code, mutua.explain_response(response, identity=identity))


def _get(url: str, options: dict[str, Any]) -> Any:
    import niquests

    with niquests.Session() as opened:
        opened.trust_env = False
        return opened.get(url, **options)


async def _get_async(url: str, options: dict[str, Any]) -> Any:
    import niquests

    async with niquests.AsyncSession() as opened:
        opened.trust_env = False
        return await opened.get(url, **options)

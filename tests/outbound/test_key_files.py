"""No client leaves a private key in a file, nor puts it into one for a moment."""

import base64
import json
import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from mutua import Identity
from mutua.pki.certificates import write_pem
from tests.missing import missing
from tests.outbound.renewing import Renewing
from tests.outbound.sessions import POOLED, UNPOOLED

ROOT = Path(__file__).parents[2]
NIQUESTS = Path(sys.prefix) / "niquests" / "bin" / "python"
SHARED = ("/tmp", "/var/tmp", "/dev/shm")
LARGEST = 1 << 20
PATIENCE_SECONDS = 100


def traces(identity: Identity) -> set[bytes]:
    """What any encoding of the private key holds: its number as it is, and in base64 wherever it begins."""
    assert isinstance(identity.key, EllipticCurvePrivateKey)
    secret = identity.key.private_numbers().private_value.to_bytes(32)
    shifted = {base64.b64encode(bytes(shift) + secret)[4:-4] for shift in range(3)}
    return {secret, secret.hex().encode(), *shifted}


def holds(path: Path, found: set[bytes]) -> bool:
    try:
        data = path.read_bytes() if path.is_file() and path.stat().st_size <= LARGEST else b""
    except OSError:
        return False  # somebody else's, or gone
    joined = data.replace(b"\r", b"").replace(b"\n", b"")
    return any(trace in data or trace in joined for trace in found)


def files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        yield from (Path(parent) / name for name in names)


def new_files(since: float) -> Iterator[Path]:
    """What has appeared meanwhile in the folders that everybody shares, but for those of test runs."""
    for shared in map(Path, SHARED):
        for entry in shared.iterdir() if shared.is_dir() else ():
            try:
                if entry.name.startswith("pytest-") or entry.lstat().st_mtime < since:
                    continue
                yield from files(entry) if entry.is_dir() else (entry,)
            except OSError:
                continue


def run(python: str, arguments: list[str], renewed: Renewing, identity: Identity, folder: Path) -> dict[str, Any]:
    """The program in folders of its own: home, temporary files, and where it starts."""
    told = {
        "identity": (identity.chain_pem() + identity.key_pem()).decode(),
        "trust": write_pem(renewed.trust.anchors).decode(),
        "url": renewed.url,
    }
    for name in ("home", "temporary", "here"):
        (folder / name).mkdir()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE", "MUTUA_"))}
    environment = inherited | {
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "temporary"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src"), sysconfig.get_path("purelib")]),
    }
    if arguments:
        del environment["PYTHONPATH"]
    done = subprocess.run(
        [python, str(ROOT / "tests/outbound/watching_writes.py"), *arguments],
        input=json.dumps(told),
        env=environment,
        cwd=folder / "here",
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


@pytest.mark.parametrize("clients", ["ours", "niquests"])
def test_no_client_puts_the_key_into_a_file(clients: str, renewed: Renewing, tmp_path: Path) -> None:
    python, arguments = sys.executable, list[str]()
    if clients == "niquests":
        python, arguments = str(NIQUESTS), ["niquests"]
        if not NIQUESTS.exists():
            missing("niquests has no environment: make test sets it up")
    identity, began = renewed.known(), time.time() - 2
    seen = run(python, arguments, renewed, identity, tmp_path)
    assert seen["called"] == (["niquests"] if arguments else [*POOLED, *UNPOOLED, "websockets", "pycurl", "grpcio"])
    assert [path for path in seen["written"] if path != os.devnull] == []
    assert seen["memory"] == []
    assert list(files(tmp_path)) == []
    assert [path for path in new_files(began) if holds(path, traces(identity))] == []


@pytest.mark.parametrize("form", ["PKCS#8", "number"])
def test_the_search_finds_a_key_that_is_there(form: str, renewed: Renewing, tmp_path: Path) -> None:
    """A search that finds nothing proves nothing unless it can find something."""
    identity = renewed.new()
    assert isinstance(identity.key, EllipticCurvePrivateKey)
    number = identity.key.private_numbers().private_value.to_bytes(32)
    left = tmp_path / "left"
    left.write_bytes(b"before\n" + identity.key_pem() if form == "PKCS#8" else b"\x01" + number + b"\x02")
    assert holds(left, traces(identity))
    assert not holds(left, traces(renewed.new()))


def test_the_watch_tells_of_a_file_that_is_written_for_a_moment(tmp_path: Path) -> None:
    program = (
        "import sys, tempfile; sys.path.insert(0, sys.argv[1])\n"
        "from tests.outbound import watching_writes as w\n"
        "sys.addaudithook(w.watch)\n"
        "open(sys.argv[2], 'wb').close(); tempfile.NamedTemporaryFile().close()\n"
        "print(len(w.written))"
    )
    command = [sys.executable, "-c", program, str(ROOT), str(tmp_path / "moment")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environment)
    assert int(done.stdout) >= 2

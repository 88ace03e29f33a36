"""What the matrix was made with."""

import json
import re
import ssl
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version

from mutua.cli.demo.clients import find_undici

PATIENCE_SECONDS = 60

_ASKED: dict[str, Sequence[str]] = {
    "nginx": ("nginx", "-v"),
    "haproxy": ("haproxy", "-v"),
    "Envoy": ("envoy", "--version"),
    "Node": ("node", "--version"),
    "openssl": ("openssl", "version"),
    "curl": ("curl", "--version"),
    "wget": ("wget", "--version"),
    "Java": ("java", "-version"),
}
_LIBRARIES = (
    "httpx2",
    "httpx",
    "requests",
    "urllib3",
    "aiohttp",
    "uvicorn",
    "hypercorn",
    "gunicorn",
)


def versions(find: Callable[[str], str]) -> dict[str, str]:
    """Of each program and library, in the order of the page."""
    found = {name: _of_program(find(program), flag) for name, (program, flag) in _ASKED.items()}
    undici = find_undici()
    assert undici is not None
    found["undici (Node fetch)"] = str(json.loads((undici / "package.json").read_text())["version"])
    found["Python"] = f"{sys.version.split()[0]}, {' '.join(ssl.OPENSSL_VERSION.split()[:2])}"
    return found | {name: version(name) for name in _LIBRARIES}


def _of_program(path: str, flag: str) -> str:
    done = subprocess.run([path, flag], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    assert found is not None, path
    return found[0]

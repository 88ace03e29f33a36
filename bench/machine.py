"""What the figures were measured on."""

import os
import platform
import re
import ssl
import subprocess
from importlib.metadata import version
from pathlib import Path

from bench.servers import find_program

PACKAGES = ("mutua", "uvicorn", "uvloop", "httptools", "cryptography")


def machine() -> dict[str, str]:
    """Names and values for the report; a server that is not installed is left out."""
    facts = {
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores",
        "system": f"{platform.system()} {platform.release()}",
        "Python": f"{platform.python_version()}, {ssl.OPENSSL_VERSION}",
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    }
    if nginx := find_program("nginx"):
        facts["nginx"] = _said([nginx, "-V"], r"nginx/(\S+)", r"built with (OpenSSL \S+)")
    if node := find_program("node"):
        facts["Node"] = _said([node, "--version"], r"v(\S+)")
        facts["Node"] += ", OpenSSL " + _said([node, "-p", "process.versions.openssl"], r"(\S+)")
    return facts


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _said(command: list[str], *patterns: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = [re.search(pattern, done.stdout + done.stderr) for pattern in patterns]
    return ", ".join(match.group(1) for match in found if match)

"""The real clients on this machine."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import mutua
from mutua.cli.demo.clients.client import Client
from mutua.cli.demo.clients.programs import Curl, OpenSsl, Program, Wget
from mutua.cli.demo.clients.python import SESSIONS, PythonClient, installed
from mutua.cli.demo.clients.runtimes import java_http_client, node_fetch, node_https

PROGRAMS: dict[str, type[Program]] = {"curl": Curl, "wget": Wget, "openssl": OpenSsl}

NPM_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Found:
    """Clients that are here, and the names of those that are not."""

    clients: list[Client] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def find_clients(folder: Path, ending: ExitStack) -> Found:
    """Look for every client, and start those that stay running; the slowest to start come first.

    Args:
        folder: the home folder of programs.
        ending: ends what was started.
    """
    found = Found()

    def add(client: Client) -> None:
        ending.callback(client.close)
        found.clients.append(client)

    if java := find_java():
        add(java_http_client(java, folder))
    else:
        found.missing.append("Java (a JDK)")
    node = shutil.which("node")
    undici = find_undici() if node else None
    if node and undici:
        add(node_fetch(node, undici, folder))
    else:
        found.missing.append("Node fetch (undici)")
    if node:
        add(node_https(node, folder))
    else:
        found.missing.append("Node https")
    for name, kind in PROGRAMS.items():
        if path := shutil.which(name):
            add(kind(path))
        else:
            found.missing.append(kind.name)
    for name, session in SESSIONS.items():
        if installed(name):
            add(PythonClient(name, session))
        else:
            found.missing.append(name)
    return found


def find_java() -> str | None:
    """The ``java`` of a JDK; a runtime without the compiler cannot run from source."""
    compiler = shutil.which("javac")
    java = Path(compiler).resolve().with_name("java") if compiler else None
    return str(java) if java and java.is_file() else None


def find_undici() -> Path | None:
    """The package in the checkout, in ``NODE_PATH``, or where npm keeps packages."""
    return next((folder / "undici" for folder in _node_folders() if (folder / "undici/package.json").is_file()), None)


def _node_folders() -> Iterator[Path]:
    checkout = Path(mutua.__file__).resolve().parents[2]
    yield checkout / "tests/peers/node/node_modules"
    yield from (Path(each) for each in os.environ.get("NODE_PATH", "").split(os.pathsep) if each)
    npm = shutil.which("npm")
    for arguments in (["root"], ["root", "--global"]) if npm else ():
        try:
            done = subprocess.run(  # noqa: S603 -- no argument comes from outside
                [npm or "", *arguments], capture_output=True, text=True, timeout=NPM_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return
        if done.returncode == 0 and done.stdout.strip():
            yield Path(done.stdout.strip())

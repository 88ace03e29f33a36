"""What the crash tests kill: ``python -m tests.home.issuing ACT HOME [STEP]``.

``issue`` hands out client certificates until it is killed. ``create`` and ``replace`` run once and kill themselves
before their STEP-th act on the file system, as Python's audit hooks count them; without a STEP they print how many
acts there were.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from mutua import Home
from mutua.home.sealing import Cost
from mutua.pki.certificates import write_pem

ACTS = {"open", "os.mkdir", "os.rename", "os.symlink", "os.remove", "os.rmdir", "os.chmod", "sqlite3.connect"}


def issue(folder: Path) -> None:
    with Home.open(folder) as home:
        while True:
            made = home.authority.issue_client("woovi")
            serial = f"{made.certificate.serial_number:032x}"
            line = {"thumbprint": made.thumbprint, "serial": serial, "pem": write_pem([made.certificate]).decode()}
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()


def create(folder: Path) -> None:
    Home.create(folder, name="Acme Payments", sealing_cost=Cost(n=2**10)).close()


def replace(folder: Path) -> None:
    with Home.open(folder) as home:
        home.identities.save("woovi", home.authority.issue_client("woovi"), replace=True)


def killed_at(step: int, act: Callable[[Path], None], folder: Path) -> None:
    near = str(folder.parent)
    seen = 0

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event in ACTS and isinstance(arguments[0], str | Path | bytes) and near in os.fsdecode(arguments[0]):
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    act(folder)
    sys.stdout.write(f"{seen}\n")


if __name__ == "__main__":
    name, path, *steps = sys.argv[1:]
    if name == "issue":
        issue(Path(path))
    else:
        killed_at(int(steps[0]) if steps else 0, {"create": create, "replace": replace}[name], Path(path))

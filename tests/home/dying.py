"""What the crash tests kill: ``python -m tests.home.dying ACT ...``.

``nursery HOME`` has everything loaded, and forks a process for each line on its stdin, which is a seed: that acts at
random until the next line comes, and is killed then. ``create HOME`` and ``replace HOME`` run once and, with a number
behind, kill themselves before that act on the file system, as Python's audit hooks count them; without one they print
how many acts there were.
"""

import os
import random
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from mutua import Home
from mutua.home.sealing import Cost
from tests.home.acting import CLIENTS, LIVELY, Actor, act_and_tell, say, seal_cheaply

ACTS = {"open", "os.mkdir", "os.rename", "os.symlink", "os.remove", "os.rmdir", "os.chmod", "sqlite3.connect"}


def nursery(folder: Path) -> None:
    seal_cheaply()
    while seed := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            live(folder, int(seed))
        # Not waited for before it is killed, so that its number is nobody else's.
        sys.stdin.readline()
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        say(ended=-os.waitstatus_to_exitcode(status))


def live(folder: Path, seed: int) -> None:
    try:
        actor = Actor(Home.open(folder), random.Random(seed), CLIENTS, LIVELY)
        while True:
            act_and_tell(actor)
    except BaseException:
        say(broken=traceback.format_exc()[-2000:])
    finally:
        os._exit(1)


def create(folder: Path) -> None:
    Home.create(folder, name="Acme Payments", sealing_cost=Cost(n=2**10)).close()


def replace(folder: Path) -> None:
    with Home.open(folder) as home:
        home.identities.save("woovi", home.authority.issue_client("woovi"), replace=True)


def killed_at(step: int, once: Callable[[Path], None], folder: Path) -> None:
    near = str(folder.parent)
    seen = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event in ACTS and isinstance(arguments[0], str | Path | bytes) and near in os.fsdecode(arguments[0]):
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    once(folder)
    sys.stdout.write(f"{seen}\n")


if __name__ == "__main__":
    name, path, *steps = sys.argv[1:]
    if name == "nursery":
        nursery(Path(path))
    else:
        killed_at(int(steps[0]) if steps else 0, {"create": create, "replace": replace}[name], Path(path))

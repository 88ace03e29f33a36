"""Metrics and health from a process of their own, for a server that forks: ``python -m mutua.inbound.seen.apart``.

It ends when its standard input does, which is when the process that started it has ended, however that came.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mutua.inbound.seen.pages import serving

END_SECONDS = 10.0
"""How long it may take to end; a scrape under way is cut off."""


@contextmanager
def serving_apart(home: Path, metrics: socket.socket | None, health: socket.socket | None) -> Iterator[None]:
    """Serve from another process as long as the block runs. This one need not have threads.

    Args:
        home: the folder.
        metrics: a bound socket; closed here, for it is the other's.
        health: another, or the same.
    """
    given = {"metrics": metrics, "health": health}
    descriptors = {name: listener.fileno() for name, listener in given.items() if listener is not None}
    orders = {"home": str(home.absolute()), "server": os.getpid(), **descriptors}
    process = subprocess.Popen(  # noqa: S603 -- our own module
        [sys.executable, "-m", __name__, json.dumps(orders)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        pass_fds=tuple(set(descriptors.values())),
    )
    try:
        for listener in given.values():
            if listener is not None:
                listener.close()
        yield
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main() -> None:
    """The process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, and its end is ours
    orders = json.loads(sys.argv[1])
    metrics, health = orders.get("metrics"), orders.get("health")
    listeners = {each: socket.socket(fileno=each) for each in {metrics, health} if each is not None}
    with serving(Path(orders["home"]), listeners.get(metrics), listeners.get(health), orders["server"]):
        sys.stdin.buffer.read()


if __name__ == "__main__":
    main()

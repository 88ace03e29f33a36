"""One of several processes that serve on one socket: ``python -m mutua.inbound.worker``, started by ``supervising``.

It has a gate and an identity of its own, and tells the process that started it over a channel when it serves, why it
cannot, and which certificates it has seen. When the other end of the channel is gone, it ends.
"""

import json
import os
import signal
import socket
import sys
import threading
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

from mutua.errors import MutuaError
from mutua.home.home import Home
from mutua.home.watching import Watcher
from mutua.inbound.application import load_application
from mutua.inbound.listening import ended_by_sigterm
from mutua.inbound.live_gate import LiveGate
from mutua.inbound.serving import open_door
from mutua.inbound.standard_streams import log_to_standard_streams

SIGHTING_SECONDS = 5.0
"""How often the parent is told of certificates that were seen; it writes them down every ten seconds."""

SERVES, FAILED, SIGHTED = "serves", "failed", "sighted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What a worker is told; it stands in its command line for all to see.

    Attributes:
        app: ``module:attribute``.
        home: the folder.
        identity: the path of the server's identity; ``None`` behind a proxy that has ended TLS.
        server: ``uvicorn`` or ``hypercorn``.
        loop: ``auto``, ``asyncio`` or ``uvloop``.
        access_log: whether admitted requests have a line.
        listener, channel, lock: descriptors it inherits.
    """

    app: str
    home: str
    identity: str | None
    server: str
    loop: str
    access_log: bool
    listener: int
    channel: int
    lock: int

    def command(self) -> list[str]:
        """The command that obeys."""
        return [sys.executable, "-m", __name__, json.dumps(asdict(self))]

    @classmethod
    def read(cls, text: str) -> Self:
        return cls(**json.loads(text))


class Channel:
    """The worker's end of the channel.

    Args:
        descriptor: of a socket.
    """

    def __init__(self, descriptor: int) -> None:
        self._connection = Connection(descriptor)
        self._telling = threading.Lock()

    def tell(self, kind: str, **facts: Any) -> None:
        """Send a message; in vain if nobody is there any more."""
        try:
            with self._telling:
                self._connection.send_bytes(json.dumps({"kind": kind, **facts}).encode())
        except OSError:
            pass  # _end_with_it ends the worker

    def end_with_it(self) -> None:
        """End this process as SIGTERM does when the other end is closed, which is when the parent has ended."""
        threading.Thread(target=self._wait, name="mutua-parent", daemon=True).start()

    def _wait(self) -> None:
        try:
            self._connection.recv_bytes()
        except (EOFError, OSError):
            os.kill(os.getpid(), signal.SIGTERM)


def work(orders: Orders, channel: Channel) -> None:
    """Serve until told to stop.

    Raises:
        MutuaError: it would not be safe to serve, or the application cannot be loaded.
    """
    # Programs that the application starts shall not keep the port or the channel open.
    for descriptor in (orders.listener, orders.channel, orders.lock):
        os.set_inheritable(descriptor, False)  # noqa: FBT003 -- it takes no names
    channel.end_with_it()
    log_to_standard_streams(access_log=orders.access_log, lock=orders.lock)
    app = load_application(orders.app)
    with (
        ended_by_sigterm(),
        socket.socket(fileno=orders.listener) as listener,
        Home.open(orders.home) as home,
        closing(LiveGate(home)) as gate,
        ExitStack() as stack,
    ):
        stack.callback(_tell_sightings, gate, channel)
        telling = Watcher("mutua-sightings", SIGHTING_SECONDS, lambda: _tell_sightings(gate, channel))
        telling.start()
        open_door(
            orders.server,
            app,
            home,
            gate,
            None if orders.identity is None else Path(orders.identity),
            listener,
            loop=orders.loop,
            on_start=lambda port: channel.tell(SERVES, port=port),
        )


def _tell_sightings(gate: LiveGate, channel: Channel) -> None:
    if seen := gate.sighted():
        channel.tell(SIGHTED, certificates={thumbprint: at.isoformat() for thumbprint, at in seen.items()})


def sightings_in(message: dict[str, Any]) -> dict[str, datetime]:
    """What ``_tell_sightings`` has sent."""
    return {thumbprint: datetime.fromisoformat(at) for thumbprint, at in message["certificates"].items()}


def main() -> int:
    """The process; its exit status."""
    orders = Orders.read(sys.argv[1])
    channel = Channel(orders.channel)
    try:
        work(orders, channel)
    except MutuaError as error:
        channel.tell(FAILED, code=error.code, message=error.message, hint=error.hint)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A proxy that does CONNECT, and tells where to."""

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tests.outbound.servers import PATIENCE_SECONDS, served


class Tunnels:
    """Where somebody asked to be connected to."""

    def __init__(self) -> None:
        self.targets: list[str] = []

    def handle(self, client: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        target = head.split()[1].decode()
        self.targets.append(target)
        host, _, port = target.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS) as server:
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            _copy(client, server)


def _copy(one: socket.socket, other: socket.socket) -> None:
    while True:
        for ready in select.select([one, other], [], [], PATIENCE_SECONDS)[0]:
            if not (data := ready.recv(65536)):
                return
            (other if ready is one else one).sendall(data)


@contextmanager
def proxy() -> Iterator[tuple[str, list[str]]]:
    """Its URL, and the targets so far; one tunnel at a time."""
    tunnels = Tunnels()
    with served(tunnels.handle) as url:
        yield url.replace("https://", "http://"), tunnels.targets

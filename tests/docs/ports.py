"""Free ports in place of those on the page."""

import re
import socket
from typing import Self

PAGE_PORTS = ("8443", "8444")


class Ports:
    """Keeps a free port for each port that pages use, bound so that nobody else is given it."""

    def __init__(self) -> None:
        self._kept = {port: _bound(0) for port in PAGE_PORTS}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for kept in self._kept.values():
            kept.close()

    def substitute(self, text: str) -> str:
        """``text`` with the ports of the page replaced."""
        for port, kept in self._kept.items():
            text = re.sub(rf"\b{port}\b", str(kept.getsockname()[1]), text)
        return text

    def listening(self) -> list[str]:
        """The ports of the page on which a server listens now; found without connecting to it."""
        return [port for port, kept in self._kept.items() if _is_taken(kept.getsockname()[1])]


def _bound(port: int) -> socket.socket:
    # With SO_REUSEADDR on both, a server may bind and listen where another socket is bound and does not listen.
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(("127.0.0.1", port))
    except OSError:
        made.close()
        raise
    return made


def _is_taken(port: int) -> bool:
    try:
        _bound(port).close()
    except OSError:
        return True
    return False

"""Sockets to listen on, and an end that leaves time to put things away."""

import errno
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mutua.errors import AddressInUse, InvalidAddress


def bind(host: str, port: int) -> socket.socket:
    """A bound TCP socket that does not listen yet.

    Raises:
        AddressInUse: another process listens there. InvalidAddress: the host cannot be listened on.
    """
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = infos[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, OverflowError) as error:
        raise InvalidAddress(f"cannot listen on {host!r}: {error}", hint="give --host 127.0.0.1") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise AddressInUse(
                f"the port {port} on {host} is in use", hint=f"give another one: --port {port + 1}"
            ) from None
        raise InvalidAddress(f"cannot listen on {host}:{port}: {error.strerror}", hint="try another port") from None
    return listener


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as an exception does, so that everything in it is closed.

    uvicorn, once it has stopped, ends the process with the signal that stopped it, and nothing around it would run.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

"""Sockets to listen on."""

import errno
import socket

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

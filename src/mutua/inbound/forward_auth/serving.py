"""The endpoint as a process: uvicorn on a Unix socket, or on TCP for proxies known by their address."""

import os
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

from mutua.errors import InvalidInput
from mutua.home.home import Home
from mutua.home.upkeep import Upkeep
from mutua.inbound.forward_auth.asking import ASKERS
from mutua.inbound.forward_auth.endpoint import ForwardAuth
from mutua.inbound.forwarders import forwarding_for
from mutua.inbound.listening import bind, ended_by_sigterm
from mutua.inbound.live_gate import LiveGate
from mutua.inbound.seen.worker import seen
from mutua.inbound.unix_socket import unix_socket


def serve_forward_auth(
    asker: str,
    *,
    home: str | os.PathLike[str] | None = None,
    unix: str | os.PathLike[str] | None = None,
    group: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    loop: str = "auto",
    on_start: Callable[[str], object] | None = None,
) -> None:
    """Answer a proxy that asks about each request, until SIGINT or SIGTERM.

    Args:
        asker: the make of the proxy, one of ``ASKERS``.
        home: whose registry decides; its settings say who may ask, and how the certificate stands in the question.
        unix: where to make the Unix socket, with mode 0600. What is left of one that nobody listens on is replaced.
        group: of the socket, which it may then use too: mode 0660.
        host: the address to listen on, where there is no Unix socket.
        port: 0 picks a free one.
        loop: ``auto``, ``asyncio`` or ``uvloop``.
        on_start: called with the address once questions are answered.

    Raises:
        InvalidInput: no such proxy, or the settings let nobody ask over this kind of socket.
        AddressInUse: another process listens there. InvalidAddress: it cannot be listened on.
        HomeNotFound, UnreadableStore, MissingExtra and the like: it would not be safe to start.
    """
    from mutua.inbound.forward_auth import server  # noqa: PLC0415 -- an extra

    if asker not in ASKERS:
        raise InvalidInput(f"there is no asking as {asker[:40]!r}", hint=f"one of {', '.join(ASKERS)}")
    with ended_by_sigterm(), Home.open(home) as opened:
        forwarding = forwarding_for(opened.settings.forwarded, ends_tls=False, is_unix=unix is not None)
        assert forwarding is not None  # without TLS there is one, or an error
        listening: AbstractContextManager[socket.socket]
        listening = bind(host, port) if unix is None else unix_socket(Path(unix), group)
        with (
            listening as listener,
            closing(LiveGate(opened)) as gate,
            closing(Upkeep(opened, gate.sighted)) as upkeep,
            seen(opened, gate) as watched,
        ):
            upkeep.start()

            def started(bound: int) -> None:
                if on_start is not None:
                    shown = f"[{host}]" if ":" in host else host
                    on_start(f"unix:{unix}" if unix is not None else f"http://{shown}:{bound}")

            endpoint = ForwardAuth(gate, forwarding, ASKERS[asker])
            server.run(endpoint, gate, listener, loop=loop, on_start=watched.on_start(started))

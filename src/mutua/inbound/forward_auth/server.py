"""uvicorn for the endpoint: as the door behind a proxy, but that the endpoint asks the gate by itself."""

import socket
from collections.abc import Callable

from mutua.inbound.forward_auth.endpoint import ForwardAuth
from mutua.inbound.live_gate import LiveGate
from mutua.inbound.uvicorn import Door, DoorConfig

KEEP_ALIVE_SECONDS = 3700
"""For how long a proxy may keep a connection without a question on it. Envoy gives up after an hour, nginx, Caddy and
Traefik after minutes: it is they who close, and so no question is lost to a connection that is just being closed."""


class EndpointConfig(DoorConfig):
    """A door's settings, without WebSocket and without the middleware.

    Args:
        endpoint: what answers.
        gate: of the endpoint.
        loop: ``auto``, ``asyncio`` or ``uvloop``.
    """

    def __init__(self, endpoint: ForwardAuth, gate: LiveGate, *, loop: str) -> None:
        super().__init__(endpoint, gate, loop=loop)
        self.app = endpoint
        self.ws = "none"
        self.lifespan = "off"
        self.timeout_keep_alive = KEEP_ALIVE_SECONDS


def run(
    endpoint: ForwardAuth,
    gate: LiveGate,
    listener: socket.socket,
    *,
    loop: str = "auto",
    on_start: Callable[[int], object] | None = None,
) -> None:
    """Answer until SIGINT or SIGTERM.

    Args:
        endpoint: what answers.
        gate: of the endpoint.
        listener: a bound socket, TCP or Unix.
        loop: ``auto``, ``asyncio`` or ``uvloop``.
        on_start: called with the port, 0 of a Unix socket, once questions are answered.
    """
    Door(EndpointConfig(endpoint, gate, loop=loop), listener, None, on_start).run()

"""Running the control plane: plain http for what certificates point to."""

import socket
from collections.abc import Callable
from contextlib import closing

from mutua.errors import MissingExtra

try:
    import uvicorn
except ImportError as error:
    raise MissingExtra("the server is not installed", hint="pip install 'mutua[serve]'") from error

from mutua.home.home import Home
from mutua.home.upkeep import Upkeep
from mutua.inbound.listening import bind
from mutua.web.revocation import Revocation

BACKLOG = 2048
GRACE_SECONDS = 10


class _Server(uvicorn.Server):
    """A server that tells its port once it accepts connections."""

    def __init__(self, config: uvicorn.Config, on_start: Callable[[], object]) -> None:
        super().__init__(config)
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_start()


def serve_revocation(
    home: Home, *, host: str = "127.0.0.1", port: int = 8080, on_start: Callable[[int], object] | None = None
) -> None:
    """Publish a home's CRLs, CA certificates and OCSP answers until SIGINT or SIGTERM, and keep the CRLs fresh.

    Args:
        home: whose.
        host: the address to listen on.
        port: 0 picks a free one.
        on_start: called with the port once connections are accepted.

    Raises:
        AddressInUse: another process listens there. InvalidAddress: the host cannot be listened on.
        MissingPassphrase, WrongPassphrase: nothing could be signed.
    """
    home.keys.of(home.hierarchy.issuing)  # fails now instead of in the night
    with bind(host, port) as listener, closing(Upkeep(home.path)) as upkeep:
        upkeep.start()
        config = uvicorn.Config(
            Revocation(home).application(),
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
            limit_concurrency=1024,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        bound: int = listener.getsockname()[1]
        listener.listen(BACKLOG)
        _Server(config, lambda: on_start(bound) if on_start else None).run(sockets=[listener])

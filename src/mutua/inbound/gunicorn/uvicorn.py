"""uvicorn's worker for ASGI applications. It never looks at gunicorn's ``ssl_context``, so TLS is all ours here too."""

from contextlib import closing

try:
    from uvicorn_worker import UvicornWorker  # type: ignore[import-untyped]
except ImportError as error:
    from mutua.errors import MissingExtra

    raise MissingExtra("uvicorn's worker is not installed", hint="pip install 'mutua[gunicorn,serve]'") from error

from mutua.inbound.gunicorn.door import DoorWorker
from mutua.inbound.listening import ended_by_sigterm
from mutua.inbound.uvicorn import ALPN, Door, DoorConfig


class UvicornDoor(DoorWorker, UvicornWorker):  # type: ignore[misc]
    """The uvicorn door, as a worker of gunicorn."""

    runs_asgi = True
    alpn = ALPN

    def guard(self) -> None:
        """The uvicorn door puts the gate in front by itself."""
        self.wsgi = self.application

    def run(self) -> None:
        # uvicorn raises the signal that has ended it once more: let that run what is left to do.
        with ended_by_sigterm(), closing(self.door):
            super().run()

    async def _serve(self) -> None:
        door = self.door
        config = DoorConfig(self.application, door.gate, loop=self.cfg.asgi_loop, forwarding=door.forwarding)
        config.timeout_notify, config.callback_notify = self.timeout, self.callback_notify
        config.limit_max_requests = self.max_requests
        config.timeout_keep_alive = self.cfg.keepalive
        config.timeout_graceful_shutdown = self.cfg.graceful_timeout
        self._install_sigquit_handler()
        await Door(config, self.sockets[0].sock, door.identity, lambda _: self.ready()).serve()

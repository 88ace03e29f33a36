"""The doors that the one suite is run on. A new one is a row in ``DOORS``, and has to pass all of it."""

from dataclasses import dataclass, field

from mutua import Home
from tests.serving import Serving

HTTP1 = "http/1.1"
HTTP2 = "http/2"
WEBSOCKET = "websocket"
WEBSOCKET_HTTP2 = "websocket over http/2"
"""RFC 8441."""


@dataclass(frozen=True)
class Door:
    """A way to serve.

    Attributes:
        arguments: of ``mutua serve``.
        protocols: what it speaks.
        loop: its event loop; without any of its own it does not matter.
        app: what it serves; each must tell of what reaches it as ``tests.echo`` does.
        sessions: whether a session is resumed for certain. Of several workers each has tickets of its own.
        keeps_alive: whether a connection takes more than one request.
        modules: what must be installed for it.
    """

    arguments: tuple[str, ...]
    protocols: tuple[str, ...]
    loop: str = "asyncio"
    app: str = "tests.echo:app"
    sessions: bool = True
    keeps_alive: bool = True
    modules: tuple[str, ...] = field(default=())

    def start(self, home: Home) -> Serving:
        return Serving.start(home, loop=self.loop, app=self.app, arguments=self.arguments)


_UVICORN = Door(("--server", "uvicorn"), (HTTP1, HTTP2, WEBSOCKET), modules=("uvicorn", "zttp"))
_HYPERCORN = Door(
    ("--server", "hypercorn"), (HTTP1, HTTP2, WEBSOCKET, WEBSOCKET_HTTP2), modules=("hypercorn", "uvloop")
)


def _gunicorn(kind: str, *protocols: str, keeps_alive: bool = True, workers: int = 1) -> Door:
    app = "tests.wsgi_echo:app" if kind in {"gthread", "sync"} else "tests.echo:app"
    arguments = ("--server", "gunicorn", "--worker-class", kind, "--workers", str(workers))
    modules = ("gunicorn", "uvicorn_worker")
    return Door(arguments, protocols, app=app, keeps_alive=keeps_alive, sessions=workers == 1, modules=modules)


DOORS: dict[str, Door] = {
    "uvicorn": _UVICORN,
    "uvicorn-uvloop": Door(_UVICORN.arguments, _UVICORN.protocols, loop="uvloop", modules=_UVICORN.modules),
    "uvicorn-workers": Door(
        (*_UVICORN.arguments, "--workers", "2"), _UVICORN.protocols, sessions=False, modules=_UVICORN.modules
    ),
    "hypercorn": _HYPERCORN,
    "hypercorn-uvloop": Door(_HYPERCORN.arguments, _HYPERCORN.protocols, loop="uvloop", modules=_HYPERCORN.modules),
    "hypercorn-workers": Door(
        (*_HYPERCORN.arguments, "--workers", "2"), _HYPERCORN.protocols, sessions=False, modules=_HYPERCORN.modules
    ),
    "gunicorn-gthread": _gunicorn("gthread", HTTP1),
    "gunicorn-gthread-workers": _gunicorn("gthread", HTTP1, workers=2),
    "gunicorn-sync": _gunicorn("sync", HTTP1, keeps_alive=False),
    "gunicorn-asgi": _gunicorn("asgi", HTTP1, WEBSOCKET),
    "gunicorn-uvicorn": _gunicorn("uvicorn", HTTP1, HTTP2, WEBSOCKET),
}


def spoken(*protocols: str, living: bool = False, resuming: bool = False) -> list[tuple[str, str]]:
    """Each door with each protocol it speaks.

    Args:
        protocols: only these.
        living: only doors whose connections take more than one request.
        resuming: of these, only doors that resume sessions for certain.
    """
    return [
        (name, protocol)
        for name, door in DOORS.items()
        for protocol in door.protocols
        if (not protocols or protocol in protocols)
        and (door.keeps_alive or not (living or resuming))
        and (door.sessions or not resuming)
    ]

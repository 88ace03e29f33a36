"""Applications to be tested by the tests of ``mutua.testing``."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from mutua.asgi import known_client


async def status(request: Request) -> JSONResponse:
    client = known_client(request)
    return JSONResponse(
        {
            "hello": client.name,
            "thumbprint": client.thumbprint,
            "scheme": request.url.scheme,
            "client": list(request.scope["client"]),
            "chain": request.scope["extensions"]["tls"]["client_cert_chain"],
            "tls": sorted(request.scope["extensions"]["tls"]),
            "state": sorted(request.scope["state"]),
        }
    )


async def fail(_: Request) -> JSONResponse:
    raise LookupError("the application's own")


async def feed(websocket: WebSocket) -> None:
    await websocket.accept()
    async for message in websocket.iter_text():
        await websocket.send_text(f"{known_client(websocket).name}: {message}")


class Events(list[str]):
    """What an application's lifespan has seen."""


def application(events: Events | None = None, *, fails: bool = False, fails_at_its_end: bool = False) -> Starlette:
    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[dict[str, Any]]:
        if fails:
            raise LookupError("no database")
        if events is not None:
            events.append("started")
        yield {"database": "open"}
        if events is not None:
            events.append("ended")
        if fails_at_its_end:
            raise LookupError("the database was gone")

    routes = [Route("/status", status, methods=["GET", "POST"]), Route("/fail", fail), WebSocketRoute("/feed", feed)]
    return Starlette(routes=routes, lifespan=lifespan)

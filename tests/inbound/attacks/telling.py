"""Applications that tell on stdout of every request that reaches them: one for ASGI, one for WSGI."""

import json
import sys
from collections.abc import Iterable
from typing import Any

from mutua.asgi import known_client
from mutua.wsgi import known_client as known_client_of


def _tell(client: str, path: str) -> None:
    sys.stdout.write(json.dumps({"event": "reached", "client": client, "path": path}) + "\n")
    sys.stdout.flush()


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    _tell(known_client(scope).name, scope["path"])
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"in"})


def wsgi(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    _tell(known_client_of(environ).name, environ["SCRIPT_NAME"] + environ["PATH_INFO"])
    start_response("200 OK", [("Content-Length", "2")])
    return [b"in"]

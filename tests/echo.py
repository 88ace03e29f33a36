"""The application the tests serve. It tells on stdout of every request that reaches it."""

import json
import sys
from typing import Any

from mutua.asgi import known_client
from mutua.errors import UnknownClient
from mutua.registry.clients import KnownClient


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    client = _caller(scope)
    seen = {
        "event": "reached",
        "type": scope["type"],
        "path": scope["path"],
        "client": client.name if client else None,
        "thumbprint": client.thumbprint if client else None,
        "address": scope["client"][0],
        "chain": scope["extensions"]["tls"]["client_cert_chain"],
    }
    sys.stdout.write(json.dumps(seen) + "\n")
    sys.stdout.flush()
    if scope["type"] == "websocket":
        await _echo(receive, send)
    else:
        await _answer(seen, receive, send)


def _caller(scope: Any) -> KnownClient | None:
    try:
        return known_client(scope)
    except UnknownClient as error:
        if "public" not in error.message:
            raise  # nobody comes here past the gate
        return None


async def _answer(seen: dict[str, Any], receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    body = json.dumps(seen).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _echo(receive: Any, send: Any) -> None:
    while (message := await receive())["type"] != "websocket.disconnect":
        if message["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        else:
            await send({"type": "websocket.send", "text": message["text"]})

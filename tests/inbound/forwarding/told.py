"""An application that answers with what it was told: who is calling, and which headers there are."""

import json
from typing import Any

from mutua.asgi import known_client


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    known = None if scope["path"] == "/open" else known_client(scope)
    told = {
        "client": known and known.name,
        "thumbprint": known and known.thumbprint,
        "headers": sorted({name.decode() for name, _ in scope["headers"]}),
        "chain": len(scope["extensions"]["tls"]["client_cert_chain"]),
        "path": scope["raw_path"].decode(),
    }
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": json.dumps(told)})
        await send({"type": "websocket.close", "code": 1000})
        return
    body = json.dumps(told).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})

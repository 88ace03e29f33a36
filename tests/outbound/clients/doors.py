"""The server of the suite: the uvicorn door in this process, once for each TLS version."""

import ssl
from typing import Any

from mutua.home.home import Home
from mutua.testing.server import RunningServer
from mutua.tls.identity import Identity
from mutua.tls.trust import Trust

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

NAME = "127.0.0.1"
"""The one name of the server's certificate."""


class OneVersion(Identity):
    """An identity whose servers speak one TLS version: grpcio, for one, cannot be told to."""

    version: ssl.TLSVersion

    def server_context(self, trust: Trust, *, certificate_optional: bool = False) -> ssl.SSLContext:
        context = super().server_context(trust, certificate_optional=certificate_optional)
        context.minimum_version = context.maximum_version = self.version
        return context


class Tls12(OneVersion):
    version = VERSIONS["1.2"]


class Tls13(OneVersion):
    version = VERSIONS["1.3"]


def start(home: Home, identity: Identity, version: str) -> RunningServer:
    kind = Tls12 if version == "1.2" else Tls13
    return RunningServer(app, home, kind(identity.key, identity.chain))


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers HTTP, WebSocket and gRPC, the last with an empty message."""
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
    elif dict(scope["headers"]).get(b"content-type") == b"application/grpc":
        await _grpc(receive, send)
    else:
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})


async def _grpc(receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/grpc")]
    await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": True})
    await send({"type": "http.response.body", "body": bytes(5)})  # uncompressed, of length 0
    await send({"type": "http.response.trailers", "headers": [(b"grpc-status", b"0")]})

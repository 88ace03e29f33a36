"""The known client as a FastAPI dependency, and ``mutualTLS`` in the OpenAPI document."""

import time
from functools import cache
from typing import Any

try:
    from fastapi import FastAPI, HTTPException, Response, WebSocketException
    from fastapi.openapi.models import HTTPBase
    from fastapi.requests import HTTPConnection
    from fastapi.security.base import SecurityBase
except ImportError as error:
    from mutua.errors import MissingExtra

    raise MissingExtra("FastAPI is not installed", hint="pip install fastapi") from error

from mutua.gate.decision import Refusal
from mutua.inbound import asgi
from mutua.inbound.access_log import log_request
from mutua.inbound.connection import Connection
from mutua.inbound.problems import problem
from mutua.reasons import Reason
from mutua.registry.clients import KnownClient, accepted_client_name

SCHEME = "mutualTLS"
"""The name of the security scheme in the OpenAPI document, and its type (OpenAPI 3.1, Security Scheme Object)."""

DESCRIPTION = "A client certificate that this server's registry knows, shown in the TLS handshake."

REFUSAL = "mutua.refusal"
"""The key in ``scope["state"]`` under which a route leaves its refusal of a client that the gate has admitted."""


class NotGranted(HTTPException):
    """A route is for other clients. The answer is the gate's own, unless the application handles this itself."""

    def __init__(self) -> None:
        super().__init__(403, "Forbidden")


class KnownClientDependency(SecurityBase):
    """What ``known_client`` makes. Called with a request or a WebSocket, it gives the client or refuses it.

    Args:
        names: of the clients that may come in; none for every known client.
    """

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names
        # FastAPI has no model for mutualTLS; describe_mutual_tls puts the right one in its place.
        self.model = HTTPBase(scheme=SCHEME, description=DESCRIPTION)
        self.scheme_name = SCHEME

    async def __call__(self, connection: HTTPConnection) -> KnownClient:
        """Who is calling.

        Raises:
            NotGranted: a client that is not among the names; 403, and a line in the access log.
            WebSocketException: the same for a WebSocket.
            UnknownClient: the request did not come through the gate, so nobody knows.
        """
        client = asgi.known_client(connection)
        if self.names and client.name not in self.names:
            _refuse(connection.scope, client)
            if connection.scope["type"] == "websocket":
                raise WebSocketException(asgi.POLICY_VIOLATION)
            _answer_as_the_gate(connection.scope)
            raise NotGranted
        return client

    def __repr__(self) -> str:
        return f"known_client({', '.join(map(repr, sorted(self.names)))})"


def known_client(*names: str) -> KnownClientDependency:
    """A dependency that gives the known client: ``client: Annotated[KnownClient, Depends(known_client("woovi"))]``.

    The same names, in any order, give the same object, so that it can be a key of ``app.dependency_overrides``.

    Args:
        names: the clients that the route is for; any known client when none is given. What the registry grants
            counts as well: a client needs both.

    Raises:
        InvalidClientName: no client can have that name.
    """
    return _dependency(frozenset(accepted_client_name(name) for name in names))


@cache
def _dependency(names: frozenset[str]) -> KnownClientDependency:
    return KnownClientDependency(names)


def describe_mutual_tls(app: FastAPI) -> None:
    """Have the OpenAPI document say ``type: mutualTLS`` of the routes that depend on ``known_client``.

    FastAPI finds these routes by itself, and can write every type of security scheme but this one.

    Args:
        app: the application; its routes may come before or after.
    """
    generated = app.openapi

    def openapi() -> dict[str, Any]:
        document = generated()
        schemes = document.get("components", {}).get("securitySchemes", {})
        if SCHEME in schemes:
            schemes[SCHEME] = {"type": "mutualTLS", "description": DESCRIPTION}
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _refuse(scope: Any, client: KnownClient) -> None:
    """Write the line that the gate would write."""
    websocket = scope["type"] == "websocket"
    method = "GET" if websocket else scope["method"]
    detail = f"the route of {method} {scope['path']} is for other clients"
    refusal = Refusal(Reason.NOT_GRANTED, detail, client.name, client.thumbprint)
    scope["state"][REFUSAL] = refusal
    host, port = scope.get("client") or ("", 0)
    log_request(
        refusal,
        Connection(None, f"[{host}]:{port}" if ":" in host else f"{host}:{port}"),
        method=method,
        path=scope["path"],
        status=403,
        started=time.perf_counter(),
    )


def _answer_as_the_gate(scope: Any) -> None:
    """Register the constant answer beside the application's own handlers, which come first."""
    handlers: dict[Any, Any] = (scope.get("starlette.exception_handlers") or ({},))[0]
    handlers.setdefault(NotGranted, _problem)


async def _problem(_request: object, _error: object) -> Response:
    status, headers, body = problem(Reason.NOT_GRANTED)
    return Response(body, status, {name.decode(): value.decode() for name, value in headers})

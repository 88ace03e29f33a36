"""The endpoint that proxies ask, as an ASGI application."""

import time

from mutua.errors import MalformedForward
from mutua.gate.decision import Anyone, Decision, Refusal, Request
from mutua.inbound.access_log import log_request
from mutua.inbound.asgi import Receive, Scope, Send
from mutua.inbound.connection import CONNECTION, Connection
from mutua.inbound.forward_auth.asking import Asker
from mutua.inbound.forwarding import Forwarding
from mutua.inbound.live_gate import LiveGate
from mutua.inbound.problems import problem
from mutua.reasons import Reason

CLIENT, THUMBPRINT = b"mutua-client", b"mutua-client-thumbprint"
"""What the proxy is to hand on to the application. For what is public they are empty, and not missing: a proxy that
copies headers then replaces what the client has sent under these names, too."""

_NOTHING = Request("", "", b"")
"""In place of a question that cannot be read."""

_FORBIDDEN = Reason.UNKNOWN_CLIENT
"""Whoever is refused with a status that the proxy would take for a failure is told the same as for this reason."""

Headers = list[tuple[bytes, bytes]]


class ForwardAuth:
    """Answers 200 for a request that may pass, with the client in headers, and else with the same refusal as any door.

    Args:
        gate: decides.
        forwarding: who may ask, and how the certificate stands in the question.
        asker: how the request stands in it.
    """

    def __init__(self, gate: LiveGate, forwarding: Forwarding, asker: Asker) -> None:
        self._gate = gate
        self._forwarding = forwarding
        self._asker = asker

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- no body is read
        if scope["type"] != "http":
            raise RuntimeError(f"nobody asks over the ASGI scope {scope['type']!r}, and nobody is answered")
        started = time.perf_counter()
        connection: Connection = scope["state"].pop(CONNECTION)
        asked, connection, decision = self._decide(scope, connection)
        status, headers, body = self._answer(decision)
        log_request(decision, connection, method=asked.method, path=asked.path, status=status, started=started)
        if _is_of_no_more_use(scope, decision):
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _decide(self, scope: Scope, connection: Connection) -> tuple[Request, Connection, Decision]:
        told = self._forwarding.may_forward(connection, self._gate)
        if isinstance(told, Refusal):
            return _NOTHING, connection, told
        if not told:
            detail = f"a question from a peer that may not ask: {connection.address or 'nobody knows who'}"
            return _NOTHING, connection, Refusal(Reason.UNTRUSTED_FORWARDER, detail)
        asked, mistake = _NOTHING, ""
        try:
            asked = self._asker.read(scope["method"], scope["raw_path"], scope["headers"])
        except MalformedForward as error:
            mistake = error.message
        forwarded = self._forwarding.read(connection, scope["headers"], self._gate)
        if isinstance(forwarded, Refusal):
            return asked, connection, forwarded
        if mistake:
            shown = forwarded.peer.thumbprint if forwarded.peer else None
            return asked, forwarded, Refusal(Reason.MALFORMED, mistake, thumbprint=shown)
        return asked, forwarded, forwarded.refusal or self._gate.decide(forwarded.peer, asked)

    def _answer(self, decision: Decision) -> tuple[int, Headers, bytes]:
        if isinstance(decision, Refusal):
            status, headers, body = problem(decision.reason)
            if status not in self._asker.understands:
                status, headers, body = problem(_FORBIDDEN)
            return status, headers, body
        client, thumbprint = ("", "") if isinstance(decision, Anyone) else (decision.name, decision.thumbprint)
        headers = [
            (b"content-length", b"0"),
            (b"cache-control", b"no-store"),
            (CLIENT, client.encode("ascii")),
            (THUMBPRINT, thumbprint.encode("ascii")),
        ]
        return 200, headers, b""


def _is_of_no_more_use(scope: Scope, decision: Decision) -> bool:
    """Whether the connection is: a stranger's, or one on which uvicorn waits for the other protocol that was asked for.

    What a proxy hands on of its client's ``Upgrade`` is nothing to us. A refused client's proxy keeps its connection.
    """
    if isinstance(decision, Refusal) and decision.reason is Reason.UNTRUSTED_FORWARDER:
        return True
    return any(name == b"upgrade" for name, _ in scope["headers"])

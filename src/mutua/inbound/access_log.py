"""One line of JSON for each request and each refused handshake, on the logger ``mutua.access``.

Whatever a peer has written is escaped by JSON, so that it can neither end the line nor steer a terminal.
"""

import json
import logging
import time
from datetime import UTC, datetime

from mutua.gate.decision import Refusal
from mutua.tls.handshake import HandshakeFailure

access = logging.getLogger("mutua.access")


def log_request(
    *,
    client: str | None,
    thumbprint: str | None,
    method: str,
    path: str,
    status: int,
    peer: str,
    started: float,
    refusal: Refusal | None = None,
) -> None:
    """Write the line of a request.

    Args:
        client: the known client's name, as far as it is known.
        thumbprint: x5t#S256 of its certificate.
        method: of the request.
        path: without the query.
        status: the HTTP status that was answered; for a WebSocket 101, or the status of its refusal.
        peer: address and port.
        started: ``time.perf_counter()`` when the request came in.
        refusal: why, if it was refused.
    """
    line: dict[str, object] = {
        "time": _now(),
        "event": "refused" if refusal else "admitted",
        "client": client,
        "thumbprint": thumbprint,
        "method": method,
        "path": path,
        "status": status,
        "peer": peer,
        "ms": round((time.perf_counter() - started) * 1000, 2),
    }
    if refusal is not None:
        line["reason"] = refusal.reason.value
        line["detail"] = refusal.detail
    access.info(json.dumps(line))


def log_handshake(failure: HandshakeFailure, peer: str) -> None:
    """Write the line of a refused handshake."""
    line = {
        "time": _now(),
        "event": "refused",
        "client": None,
        "thumbprint": failure.thumbprint,
        "peer": peer,
        "reason": failure.reason.value,
        "detail": failure.detail,
    }
    access.info(json.dumps(line))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")

"""One line of JSON for each request and each refused handshake, on the logger ``mutua.access``.

Admissions are INFO and refusals WARNING, so that the first can be switched off and the second need not be.

Whatever a peer has written is escaped as JSON demands, all but ASCII too, so that it can neither end the line nor
steer a terminal. The lines are put together by hand: a line is a third of what a request costs this process.
"""

import logging
import time
from functools import lru_cache
from json.encoder import encode_basestring_ascii

from mutua.gate.decision import Refusal
from mutua.inbound.connection import Connection
from mutua.registry.clients import KnownClient
from mutua.tls.handshake import HandshakeFailure

access = logging.getLogger("mutua.access")


def log_request(
    decision: KnownClient | Refusal, connection: Connection, *, method: str, path: str, status: int, started: float
) -> None:
    """Write the line of a request.

    Args:
        decision: what the gate said.
        connection: on which it came.
        method: of the request.
        path: without the query.
        status: the HTTP status that was answered; for a WebSocket 101, or the status of its refusal.
        started: ``time.perf_counter()`` when the request came in.
    """
    level = logging.WARNING if isinstance(decision, Refusal) else logging.INFO
    if not access.isEnabledFor(level):
        return
    milliseconds = (time.perf_counter() - started) * 1000
    if isinstance(decision, Refusal):
        event, client, end = "refused", decision.client, _why(decision.reason.value, decision.detail)
    else:
        event, client, end = "admitted", decision.name, "}"
    _write(
        level,
        f'{{"time": "{_now()}", "event": "{event}", "client": {_text(client)}, '
        f'"thumbprint": {_text(decision.thumbprint)}, "method": {_text(method)}, "path": {_text(path)}, '
        f'"status": {status}, "peer": {_text(connection.address)}, "ms": {milliseconds:.2f}{end}',
    )


def log_handshake(failure: HandshakeFailure, peer: str) -> None:
    """Write the line of a refused handshake."""
    if not access.isEnabledFor(logging.WARNING):
        return
    _write(
        logging.WARNING,
        f'{{"time": "{_now()}", "event": "refused", "client": null, "thumbprint": {_text(failure.thumbprint)}, '
        f'"peer": {_text(peer)}{_why(failure.reason.value, failure.detail)}',
    )


def _why(reason: str, detail: str) -> str:
    return f', "reason": {_text(reason)}, "detail": {_text(detail)}}}'


def _text(value: str | None) -> str:
    return "null" if value is None else encode_basestring_ascii(value)


def _now() -> str:
    """UTC, to the millisecond, as RFC 3339 has it."""
    seconds, milliseconds = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{_second(seconds)}.{milliseconds:03d}+00:00"


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _write(level: int, line: str) -> None:
    # Not access.info(): that walks the stack to find out which line of code is logging, and it is always this one.
    access.handle(access.makeRecord(access.name, level, __file__, 0, line, (), None, _write.__name__))

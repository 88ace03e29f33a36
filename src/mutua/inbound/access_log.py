"""One line of JSON for each request and each refused handshake, on the logger ``mutua.access``; counted here too.

Admissions are INFO and refusals WARNING, so that the first can be switched off and the second need not be. They are
counted whether or not they are written, and each refusal is kept for a while under the ``id`` in its line.

Whatever a peer has written is escaped as JSON demands, all but ASCII too, so that it can neither end the line nor
steer a terminal. The lines are put together by hand: a line is a third of what a request costs this process.
"""

import logging
import time
from functools import lru_cache
from json.encoder import encode_basestring_ascii

from mutua.gate.decision import Anyone, Decision, Refusal
from mutua.inbound.connection import Connection
from mutua.inbound.seen.record import RECORD
from mutua.tls.handshake import HandshakeFailure

access = logging.getLogger("mutua.access")

count_admitted = RECORD.admitted.add
"""What a door calls for a request that it admits and writes no line of."""


def log_request(
    decision: Decision, connection: Connection, *, method: str, path: str, status: int, started: float
) -> None:
    """Count a request and write its line.

    Args:
        decision: what the gate said.
        connection: on which it came.
        method: of the request.
        path: without the query.
        status: the HTTP status that was answered; for a WebSocket 101, or the status of its refusal.
        started: ``time.perf_counter()`` when the request came in.
    """
    if isinstance(decision, Refusal):
        identifier = RECORD.refuse(decision, connection, method, path)
        level, event, client = logging.WARNING, _refused(identifier), decision.client
        thumbprint, end = decision.thumbprint, _why(decision.reason.value, decision.detail)
    else:
        count_admitted()
        level, event = logging.INFO, '"admitted"'
        if isinstance(decision, Anyone):
            client = thumbprint = None
            end = ', "public": true}'
        else:
            client, thumbprint, end = decision.name, decision.thumbprint, "}"
    if not access.isEnabledFor(level):
        return
    milliseconds = (time.perf_counter() - started) * 1000
    _write(
        level,
        f'{{"time": "{_now()}", "event": {event}, "client": {_text(client)}, '
        f'"thumbprint": {_text(thumbprint)}, "method": {_text(method)}, "path": {_text(path)}, '
        f'"status": {status}, "peer": {_text(connection.address)}, "ms": {milliseconds:.2f}{end}',
    )


def log_handshake(failure: HandshakeFailure, peer: str) -> None:
    """Count a refused handshake and write its line."""
    identifier = RECORD.fail(failure, peer)
    if not access.isEnabledFor(logging.WARNING):
        return
    _write(
        logging.WARNING,
        f'{{"time": "{_now()}", "event": {_refused(identifier)}, "client": null, '
        f'"thumbprint": {_text(failure.thumbprint)}, '
        f'"peer": {_text(peer)}{_why(failure.reason.value, failure.detail)}',
    )


def _refused(identifier: str) -> str:
    return f'"refused", "id": "{identifier}"'


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

"""What this process has seen: one record, which every door writes through ``access_log`` and anybody may read.

It is the process's and not a gate's, for what is asked of it is asked of workers: how much, and what lately.
"""

import time

from mutua.gate.decision import Refusal
from mutua.inbound.connection import Connection
from mutua.inbound.seen.counts import HANDSHAKE_BOUNDS, Counter, Histogram, LastHour
from mutua.inbound.seen.ring import Ring
from mutua.reasons import Reason
from mutua.tls.handshake import HandshakeFailure


class Record:
    """Counts since the process began, and the last refusals."""

    def __init__(self) -> None:
        self.admitted = Counter()
        self.refused = {reason: Counter() for reason in Reason}
        self.handshakes = Histogram(HANDSHAKE_BOUNDS)
        self.last_hour = LastHour()
        self.refusals = Ring()

    def refuse(self, refusal: Refusal, connection: Connection, method: str, path: str) -> str:
        """Count and keep the refusal of a request; returns its id."""
        at = self._count(refusal.reason)
        return self.refusals.add(
            at,
            refusal.reason.value,
            refusal.detail,
            peer=connection.address,
            client=refusal.client,
            thumbprint=refusal.thumbprint,
            method=method,
            path=path,
            certificate=connection.peer.chain[0] if connection.peer else None,
        )

    def fail(self, failure: HandshakeFailure, peer: str) -> str:
        """Count and keep a refused handshake; returns its id."""
        at = self._count(failure.reason)
        return self.refusals.add(
            at,
            failure.reason.value,
            failure.detail,
            peer=peer,
            client=None,
            thumbprint=failure.thumbprint,
            certificate=getattr(failure, "certificate", None),
        )

    def _count(self, reason: Reason) -> float:
        at = time.time()
        self.refused[reason].add()
        self.last_hour.add(reason, at)
        return at


RECORD = Record()
"""This process's."""

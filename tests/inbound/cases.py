"""What a client shows and asks for, and what has to come of it, at every door."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """What has to come of a client.

    Attributes:
        reason: in the log; ``None`` when it is admitted.
        alerts: in TLS 1.2 and 1.3, where the handshake is refused.
        client: its name in the log.
        status: of the answer, where the handshake succeeds.
        path: what it asks for, with a place for a name.
    """

    reason: str | None
    alerts: tuple[str, str] | None = None
    client: str | None = None
    status: int = 403
    path: str = "/status/{}"


CASES = {
    "good": Case(None, client="woovi", status=200),
    "no certificate": Case("no_certificate", ("handshake failure", "certificate required")),
    "stranger's CA": Case("unknown_issuer", ("unknown ca",) * 2),
    "expired": Case("expired", ("certificate expired",) * 2),
    "not yet valid": Case("not_yet_valid", ("bad certificate",) * 2),
    "wrong purpose": Case("wrong_purpose", ("unsupported certificate",) * 2),
    "weak key": Case("weak_key", ("bad certificate",) * 2),
    "revoked": Case("revoked", client="revoked"),
    "unregistered": Case("unknown_client"),
    "suspended": Case("suspended", client="suspended"),
    "outside the grant": Case("not_granted", client="narrow"),
    "malformed path": Case("malformed", client="woovi", status=400, path="/{}/%2e%2e/b"),
}

"""Every way to be refused, as a table to parametrize a test with."""

from collections.abc import Callable
from dataclasses import dataclass

from mutua.reasons import Reason
from mutua.testing import identities
from mutua.testing.home import UnsafeHome
from mutua.tls.identity import Identity


@dataclass(frozen=True, slots=True)
class RefusalCase:
    """One of them.

    Attributes:
        name: what the case is called in the output of a test.
        reason: with which it is refused.
        in_handshake: whether there is no connection at all; else the answer to each request is 403.
        identity: makes who is refused; ``None`` for somebody without a certificate.
    """

    name: str
    reason: Reason
    in_handshake: bool
    identity: Callable[[UnsafeHome], Identity | None]

    def __str__(self) -> str:
        return self.name


REFUSALS = (
    RefusalCase("no certificate", Reason.NO_CERTIFICATE, True, lambda _: None),  # noqa: FBT003 -- a table
    RefusalCase("stranger", Reason.UNKNOWN_ISSUER, True, identities.stranger),  # noqa: FBT003
    RefusalCase("expired", Reason.EXPIRED, True, identities.expired),  # noqa: FBT003
    RefusalCase("not yet valid", Reason.NOT_YET_VALID, True, identities.not_yet_valid),  # noqa: FBT003
    RefusalCase("wrong purpose", Reason.WRONG_PURPOSE, True, identities.wrong_purpose),  # noqa: FBT003
    RefusalCase("revoked", Reason.REVOKED, False, identities.revoked),  # noqa: FBT003
    RefusalCase("suspended", Reason.SUSPENDED, False, identities.suspended),  # noqa: FBT003
    RefusalCase("unregistered", Reason.UNKNOWN_CLIENT, False, identities.unregistered),  # noqa: FBT003
    RefusalCase("outside grant", Reason.NOT_GRANTED, False, identities.outside_grant),  # noqa: FBT003
)
"""In the order in which they are found out: five in the handshake, four by the gate."""

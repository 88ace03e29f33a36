"""What the demo tries with every client, and what is expected of each case: the table that its rows are judged by."""

from dataclasses import dataclass
from enum import Enum, StrEnum

from mutua.reasons import Reason

ADMITTED = "admitted"
NOTHING = "nothing"
"""What a server logs of a connection that the client ended without an alert."""

CLOSED = "connection closed"
"""What a client sees that lost the alert."""

# A client's verdict on a server.
UNKNOWN_ISSUER = "rejected: unknown issuer"
WRONG_NAME = "rejected: wrong name"
SUSPENDED = "200, then 403"


class Role(StrEnum):
    """Whom a client presents itself as."""

    PARTNER = "partner"
    NOBODY = "nobody"
    STRANGER = "stranger"
    EXPIRED = "expired"
    UNREGISTERED = "unregistered"
    LEAVER = "leaver"


class Site(StrEnum):
    """Which of the demo's servers is called; each has an identity of that name."""

    API = "api"
    WRONG_NAME = "wrong-name"
    STRANGER = "stranger"


class Evidence(Enum):
    """By what a server's log line is known to belong to a row."""

    PATH = "each row requests a path of its own"
    THUMBPRINT = "each client shows a certificate of its own"
    ORDER = "no other client without a certificate is at that server meanwhile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing that is tried.

    Attributes:
        name: in the path of its requests and in ``--json``.
        summary: for people.
        role: whom the client presents itself as.
        site: which server it calls.
        evidence: how the server's line is found.
        sees: what the client may see.
        logs: what the server may log: ``admitted``, a reason, or nothing.
        live: two requests on one connection, with a change between them; for the clients in this process.
    """

    name: str
    summary: str
    role: Role
    site: Site = Site.API
    evidence: Evidence
    sees: tuple[str, ...]
    logs: tuple[str, ...]
    live: bool = False


KNOWN = Case(
    name="known",
    summary="known client",
    role=Role.PARTNER,
    evidence=Evidence.PATH,
    sees=("200",),
    logs=(ADMITTED,),
)

CASES = (
    KNOWN,
    Case(
        name="no-certificate",
        summary="no certificate",
        role=Role.NOBODY,
        evidence=Evidence.ORDER,
        sees=("alert certificate_required",),
        logs=(Reason.NO_CERTIFICATE,),
    ),
    Case(
        name="stranger",
        summary="stranger's CA",
        role=Role.STRANGER,
        evidence=Evidence.THUMBPRINT,
        sees=("alert unknown_ca",),
        logs=(Reason.UNKNOWN_ISSUER,),
    ),
    Case(
        name="expired",
        summary="expired certificate",
        role=Role.EXPIRED,
        evidence=Evidence.THUMBPRINT,
        sees=("alert certificate_expired",),
        logs=(Reason.EXPIRED,),
    ),
    Case(
        name="unregistered",
        summary="never registered",
        role=Role.UNREGISTERED,
        evidence=Evidence.PATH,
        sees=("403",),
        logs=(Reason.UNKNOWN_CLIENT,),
    ),
    Case(
        name="not-granted",
        summary="outside its grant",
        role=Role.PARTNER,
        evidence=Evidence.PATH,
        sees=("403",),
        logs=(Reason.NOT_GRANTED,),
    ),
    Case(
        name="suspended",
        summary="suspended meanwhile",
        role=Role.LEAVER,
        evidence=Evidence.PATH,
        sees=(SUSPENDED,),
        logs=(Reason.SUSPENDED,),
        live=True,
    ),
    Case(
        name="server-wrong-name",
        summary="server: wrong name",
        role=Role.PARTNER,
        site=Site.WRONG_NAME,
        evidence=Evidence.ORDER,
        sees=(WRONG_NAME,),
        logs=(Reason.HANDSHAKE_FAILED, NOTHING),
    ),
    Case(
        name="server-stranger",
        summary="server: stranger",
        role=Role.PARTNER,
        site=Site.STRANGER,
        evidence=Evidence.ORDER,
        sees=(UNKNOWN_ISSUER,),
        logs=(Reason.HANDSHAKE_FAILED, NOTHING),
    ),
)

LOSES_ALERTS = {
    "requests": "writes its request before it reads, over urllib3; then the alert is lost at random",
    "urllib3": "writes its request before it reads; when the write fails it never reads the alert",
}
"""Clients that may see a closed connection where others see the alert, and why.

In TLS 1.3 a client's handshake succeeds before the server has judged its certificate (RFC 8446 section 4.4.2.4).
"""


TLS12_ALERTS = {"wget": {"alert certificate_required": "alert handshake_failure"}}
"""What clients see instead that speak TLS 1.2 here, which has no alert ``certificate_required`` (RFC 5246).

wget with GnuTLS is made to: in TLS 1.3 it swallows the alert while it waits for session tickets, and all that its
user reads is that the session has been invalidated. It is also the demo's witness for TLS 1.2. A wget with OpenSSL
speaks TLS 1.3.
"""


def expected_sights(case: Case, client: str) -> tuple[str, ...]:
    """What ``client`` may see in ``case``."""
    sights = list(case.sees)
    sights += [older for newer, older in TLS12_ALERTS.get(client, {}).items() if newer in case.sees]
    if client in LOSES_ALERTS and any(sight.startswith("alert ") for sight in case.sees):
        sights.append(CLOSED)
    return tuple(sights)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What came of one case with one client.

    Attributes:
        client: its name.
        case: which.
        saw: what the client saw, in the words of the table above.
        logged: what the server logged: ``admitted``, a reason, or nothing.
        detail: the client's own words, where it did not get an answer.
    """

    client: str
    case: Case
    saw: str
    logged: str
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether both sides did as the table says."""
        return self.saw in expected_sights(self.case, self.client) and self.logged in self.case.logs

    def as_json(self) -> dict[str, object]:
        """The row with its stable keys."""
        return {
            "client": self.client,
            "case": self.case.name,
            "expected": {"client_saw": expected_sights(self.case, self.client), "server_logged": self.case.logs},
            "client_saw": self.saw,
            "server_reason": None if self.logged in {ADMITTED, NOTHING} else self.logged,
            "ok": self.ok,
        }

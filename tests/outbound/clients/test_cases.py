"""The one suite: every case with every client, in TLS 1.2 and 1.3, and what ``mutua.explain`` makes of it."""

from dataclasses import dataclass

import pytest

from mutua.testing.server import RunningServer
from tests.outbound.clients.callers import Caller
from tests.outbound.clients.clients import CLIENTS
from tests.outbound.clients.doors import VERSIONS

UNEXPLAINED = "CallUnexplained"
BY_SERVER, BY_US = "RefusedByServer", "RefusedByUs"


@dataclass(frozen=True)
class Case:
    """What has to come of a client.

    Attributes:
        status: of the answer, where one comes.
        refused_by: the class of the explanation.
        reason: its reason, in TLS 1.2 and 1.3.
        has_alert: whether the server says no with an alert.
        host: that the client calls.
    """

    status: int | None = None
    refused_by: str = ""
    reason: str = ""
    has_alert: bool = False
    host: str = "127.0.0.1"


CASES = {
    "good": Case(status=200),
    "none": Case(refused_by=BY_SERVER, reason="certificate_required", has_alert=True),
    "stranger": Case(refused_by=BY_SERVER, reason="unknown_ca", has_alert=True),
    "expired": Case(refused_by=BY_SERVER, reason="certificate_expired", has_alert=True),
    "revoked": Case(status=403, refused_by=BY_SERVER, reason="http_refused"),
    "wrong purpose": Case(refused_by=BY_SERVER, reason="unsupported_certificate", has_alert=True),
    "wrong server name": Case(refused_by=BY_US, reason="server_wrong_name", host="localhost"),
    "unknown server CA": Case(refused_by=BY_US, reason="server_unknown_issuer"),
}


def may_be_said(case: Case, client: str, name: str, version: str) -> set[tuple[str, str]]:
    """What ``explain`` may say without a probe: the truth, or plainly that it has not been told."""
    said = {(case.refused_by, case.reason)}
    if case.has_alert and version == "1.3":
        # A server that has closed answers what is still written to it with a reset, which can overtake its alert.
        said.add((UNEXPLAINED, "no_alert_seen"))
    if name == "none" and version == "1.2":
        # The alert of RFC 5246 section 7.4.6 has other meanings too, and nobody said that there was no identity.
        said = {(BY_SERVER, "handshake_failure")}
    if (client, name, version) == ("pycurl", "expired", "1.2"):
        # curl says the same of both sides' certificates here, and never that there was an alert.
        said = {(UNEXPLAINED, "cannot_tell")}
    return said


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("client", CLIENTS)
def test_what_comes_of_a_client(
    client: str, version: str, name: str, servers: dict[str, RunningServer], callers: dict[str, Caller]
) -> None:
    case = CASES[name]
    outcome = CLIENTS[client].outcome(callers[name], f"https://{case.host}:{servers[version].port}/status")
    assert outcome.status == case.status
    assert outcome.probed == (case.refused_by, case.reason)
    assert outcome.plain in may_be_said(case, client, name, version)

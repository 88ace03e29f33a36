"""A cell of the matrix: what came of one client at one server."""

from dataclasses import dataclass

from mutua.cli.demo.cases import CLOSED
from mutua.cli.demo.seeing import Sight

ADMITTED = "admitted"
NO_WORD = "closed"
"""The connection ended, and the client was not told why."""

UNTOLD = "not told"
"""The client failed, with words that do not hold the reason."""


@dataclass(frozen=True, order=True)
class Place:
    """Where a cell is.

    Attributes:
        server: who is called.
        version: of TLS.
        key: of both sides.
        client: who calls.
        role: with what.
    """

    server: str
    version: str
    key: str
    client: str
    role: str


Cells = dict[Place, str]


def cell(seen: Sight) -> str:
    """What came of a call, in the words of the page."""
    if seen.text == "200":
        return ADMITTED
    if seen.text == CLOSED:
        return NO_WORD
    return UNTOLD if seen.text == "error" else seen.text.removeprefix("alert ")


NEVER_TELLS = {("wget", "1.3")}
"""Clients that take an alert of this version for something else, in words that differ from call to call."""


def settled(found: str, verdict: str, version: str, client: str) -> str:
    """The cell, whoever was faster.

    In TLS 1.3 a client may write its request before the server's verdict comes (RFC 8446 section 4.4.2.4). A server
    that has closed by then answers with a reset, which can overtake the alert: whether the client reads it is chance.

    Args:
        found: what came of the client.
        verdict: what a client hears that listens before it writes.
        version: of TLS.
        client: its name.
    """
    if found != NO_WORD or version != "1.3" or verdict == ADMITTED:
        return found
    return UNTOLD if (client, version) in NEVER_TELLS else verdict

"""The replay itself: every event goes to whoever keeps the rows it changes."""

import json
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import closing

from sqlalchemy import Connection, select

from mutua.errors import BrokenAudit
from mutua.store.events import Recorded
from mutua.store.replay.authorities import Authorities
from mutua.store.replay.certificates import Certificates
from mutua.store.replay.credentials import Credentials
from mutua.store.replay.crls import Crls
from mutua.store.replay.difference import UNTOLD, Differences
from mutua.store.replay.invitations import Invitations
from mutua.store.replay.registry import Registry
from mutua.store.replay.revocations import Revocations
from mutua.store.replay.said import Said
from mutua.store.schema import event_head, microseconds

BIRTH = "authority.created"
ADOPTION = "audit.signed"
"""The first event of a store, and the first that a newer mutua adds to one of 0.1.0."""

_MALFORMED = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)


def replay(connection: Connection, trail: Generator[Recorded, None, None]) -> Differences:
    """Replay a trail and compare every table with it.

    Args:
        connection: a reading transaction that sees one moment, text read as ``events.any_text`` does.
        trail: every event from the first on, as ``events.chain`` gives and verifies them; it raises behind the last
            one if they cannot be believed.

    Raises:
        BrokenAudit: what ``trail`` raises, or an event is of no form that mutua writes.
    """
    found = Differences()
    authorities = Authorities(connection, found)
    with closing(trail), closing(Certificates(connection, found, authorities)) as certificates:
        keepers = (
            Registry(connection, found),
            Credentials(connection, found),
            Invitations(connection, found),
            authorities,
            certificates,
            Revocations(connection, found),
            Crls(connection, found),
        )
        tellers: dict[str, list[Callable[[Said], None]]] = defaultdict(list)
        for keeper in keepers:
            for kind, teller in keeper.tellers.items():
                tellers[kind].append(teller)
        malformed = _tell(trail, tellers)
        # Only now is it known that what the events say is mutua's word.
        if malformed:
            told = f"the event {malformed} is of no form that mutua writes"
            raise BrokenAudit(told, hint="is this mutua up to date?")
        for keeper in keepers:
            keeper.compare()
    _compare_heads(connection, found)
    return found


def _tell(trail: Generator[Recorded, None, None], tellers: dict[str, list[Callable[[Said], None]]]) -> int | None:
    """Pass the events on; the id of the first that cannot be understood, if there is one."""
    old, malformed = False, None
    for event in trail:
        try:
            facts = json.loads(event.body)
            if event.id == 1:
                old = event.kind == BIRTH and "certificate" not in facts
            elif event.kind == ADOPTION:
                old = False
            said = Said(event.id, event.kind, event.subject, facts, UNTOLD if old else microseconds(event.at), old)
            for teller in tellers.get(event.kind, ()):
                teller(said)
        except _MALFORMED:
            malformed = malformed or event.id
    return malformed


def _compare_heads(connection: Connection, found: Differences) -> None:
    """There is one head, which the chain was compared with."""
    others = select(event_head.c.id).where(event_head.c.id != 1)
    for identifier in connection.execute(others).scalars():
        found.unknown(event_head, identifier)

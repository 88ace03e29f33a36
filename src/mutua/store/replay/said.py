"""What an event says, as the replay of every table takes it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mutua.store.replay.difference import UNTOLD, Fact


class Said(NamedTuple):
    """An event with its facts read.

    Attributes:
        id: of the event.
        kind, subject: as in ``mutua.store.events.Event``.
        facts: the body.
        at: when, in microseconds since 1970; ``UNTOLD`` in an event of 0.1.0, whose rows had times of their own, some
            moments before.
        old: whether the event is of 0.1.0. That also did not say of a CA what its certificate and key are, nor of a
            revocation when it was, and did not have the CAs' certificates in the inventory.
    """

    id: int
    kind: str
    subject: str
    facts: dict[str, Any]
    at: int | Fact
    old: bool

    def unless_old(self, name: str) -> object:
        """A fact that events of 0.1.0 do not have."""
        return UNTOLD if self.old else self.facts[name]


Tellers = Mapping[str, Callable[[Said], None]]
"""What takes the events of each kind."""

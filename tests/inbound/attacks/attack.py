"""What an attack is."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.inbound.attacks.targets import Attacked

NOT_ASKED = None
"""Instead of a reason: the server's own parser refuses, and the gate is not even asked."""


@dataclass(frozen=True)
class Attack:
    """A way to get in that must not be one.

    Attributes:
        tries: what it tries.
        target: on which server.
        act: does it; returns the HTTP status, 0 where the connection ended without any.
        reasons: with one of which it has to be refused; several where servers differ.
    """

    tries: str
    target: str
    act: Callable[[Attacked], int]
    reasons: frozenset[str | None]

    @property
    def name(self) -> str:
        return f"{self.target}: {self.tries}"


def attack(tries: str, target: str, act: Callable[[Attacked], int], *reasons: str | None) -> Attack:
    """``attack("what it tries", "uvicorn", lambda server: server.say(...), "malformed")``."""
    return Attack(tries, target, act, frozenset(reasons))

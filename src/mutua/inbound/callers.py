"""Who has called a gate: looked at on each request, told from time to time, to the minute."""

import time
from datetime import UTC, datetime

AGAIN_SECONDS = 60.0
"""How soon the same certificate is told of again."""

MOST_NOTED = 65_536
"""Certificates that are noted at a time, 250 bytes each, should nobody ever ask; more in a minute are left out."""


class Callers:
    """The clients that called, each with the certificate it was known by. Any thread may note, and one may ask.

    Attributes:
        noted: by thumbprint, whoever has called since he was told of; there is nothing to note of him until then.
    """

    def __init__(self) -> None:
        self.noted: dict[str, tuple[str, float]] = {}
        self._told: set[str] = set()
        self._since = time.monotonic()

    def note(self, thumbprint: str, client: str) -> None:
        """Note a call of somebody who is not ``noted``."""
        if len(self.noted) < MOST_NOTED:
            self.noted[thumbprint] = client, time.time()

    def fresh(self) -> dict[str, datetime]:
        """When they called, UTC, as ``store.sightings`` takes it: each at once, and then once a minute."""
        if time.monotonic() - self._since >= AGAIN_SECONDS:
            self._told, self._since = set(), time.monotonic()
        found = {}
        for thumbprint in tuple(self.noted):
            if thumbprint not in self._told:
                client, at = self.noted.pop(thumbprint)
                found[f"{thumbprint} {client}"] = datetime.fromtimestamp(at, UTC)
                self._told.add(thumbprint)
        return found

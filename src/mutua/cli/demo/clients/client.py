"""What every client can do, whatever it is made of."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mutua.cli.demo.actors import Actor
from mutua.cli.demo.seeing import Sight
from mutua.tls.trust import Trust

CALL_SECONDS = 15
"""A client that has no answer by then will not get one: every server is on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One GET over TLS.

    Attributes:
        url: what to get.
        actor: whom to present oneself as; ``None`` for nobody.
        trust: whom to believe.
        ca_file: the same as a PEM file.
        no_anchors: an empty folder, for a client that would believe the operating system as well.
        tls_version: the only one that a program or runtime may speak, ``1.2`` or ``1.3``; empty for what it likes.
    """

    url: str
    actor: Actor | None
    trust: Trust
    ca_file: Path
    no_anchors: Path
    tls_version: str = ""


class Client(ABC):
    """A client that the demo drives; one call at a time.

    Attributes:
        name: for people and ``--json``.
    """

    name: str

    @property
    def slug(self) -> str:
        """Its name in paths and in the registry."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower())

    @abstractmethod
    def get(self, call: Call) -> Sight:
        """Make the call on a new connection and say what was seen."""

    def close(self) -> None:  # noqa: B027 -- most have nothing to end
        """End what runs."""


class LiveClient(Client):
    """A client whose connection stays open between two requests."""

    @abstractmethod
    def get_twice(self, call: Call, between: Callable[[], None]) -> Sight:
        """Make the call twice on one connection, with something done in between."""

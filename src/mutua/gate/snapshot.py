"""The snapshot: what the registry says at one moment, ready to be asked on every request."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from mutua.registry.clients import Client, ClientState
from mutua.registry.grants import compile_grants


class ClientEntry:
    """A client as the gate asks for it: its state, and its grants compiled by method on first use."""

    __slots__ = ("_patterns", "client", "suspended")

    def __init__(self, client: Client) -> None:
        self.client = client
        self.suspended = client.state is not ClientState.ACTIVE
        self._patterns: dict[str, re.Pattern[str] | None] = {}

    def allows(self, method: str, path: str) -> bool:
        """Whether a grant covers the method and the path."""
        try:
            pattern = self._patterns[method]
        except KeyError:
            pattern = compile_grants(self.client.grants, method)
            if len(self._patterns) < MAX_METHODS:
                self._patterns[method] = pattern
        return pattern is not None and pattern.fullmatch(path) is not None


MAX_METHODS = 64
"""Methods remembered for a client, so that a peer who invents methods cannot fill the memory; IANA lists 43."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the registry says, immutable; a change makes a new one.

    Attributes:
        version: the id of the last event it contains; 0 for an empty registry.
        issued: the client of each certificate we issued to one, by x5t#S256.
        revoked: x5t#S256 of every revoked certificate.
    """

    version: int = 0
    issued: Mapping[str, ClientEntry] = field(default_factory=lambda: MappingProxyType({}))
    revoked: frozenset[str] = frozenset()

    @classmethod
    def of(cls, version: int, clients: Iterable[Client], revoked: Iterable[str]) -> "Snapshot":
        """Index the clients by their credentials."""
        issued = {
            credential.value: entry for entry in map(ClientEntry, clients) for credential in entry.client.credentials
        }
        return cls(version, MappingProxyType(issued), frozenset(revoked))

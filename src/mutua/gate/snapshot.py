"""The snapshot: what the registry says at one moment, ready to be asked on every request."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from mutua.gate.foreign import ForeignRevocations
from mutua.gate.layered import Layered
from mutua.registry.clients import Client, ClientState
from mutua.registry.credentials import Credential, CredentialKind, Form
from mutua.registry.grants import Grant, compile_grants

MAX_METHODS = 64
"""Methods remembered for some grants, so that a peer who invents methods cannot fill the memory; IANA lists 43."""

MAX_RULES = 65_536
"""Different sets of grants that are compiled once for all clients that have them."""


class Rules:
    """What some grants allow, compiled by method on first use; shared by every client that has exactly these."""

    __slots__ = ("_patterns", "grants")

    def __init__(self, grants: tuple[Grant, ...]) -> None:
        self.grants = grants
        self._patterns: dict[str, re.Pattern[str] | None] = {}

    def allow(self, method: str, path: str) -> bool:
        """Whether a grant covers the method and the path."""
        try:
            pattern = self._patterns[method]
        except KeyError:
            pattern = compile_grants(self.grants, method)
            if len(self._patterns) < MAX_METHODS:
                self._patterns[method] = pattern
        return pattern is not None and pattern.fullmatch(path) is not None


NO_RULES = Rules(())
"""These allow nothing."""


class Standing(NamedTuple):
    """What holds of a client; one object for all of whom the same holds.

    Attributes:
        suspended: whether nothing of it is let in.
        rules: what it may call.
    """

    suspended: bool
    rules: Rules


@lru_cache(MAX_RULES)
def rules_of(grants: tuple[Grant, ...]) -> Rules:
    """The rules of these grants."""
    return Rules(grants)


@lru_cache(MAX_RULES)
def standing_of(suspended: bool, grants: tuple[Grant, ...]) -> Standing:  # noqa: FBT001 -- part of the cache's key
    """The standing of a client with these grants."""
    return Standing(suspended, rules_of(grants))


class Proof(NamedTuple):
    """Whom a pinned certificate, a pinned key or a subject proves.

    Attributes:
        client: its name.
        ends_at: when it stops to, UTC; ``None`` for never.
    """

    client: str
    ends_at: datetime | None


SubjectKey = tuple[str, Form, str]
"""The SPKI hash of the pinned CA, the kind of name, and the name in the form in which names are compared."""


def _layered() -> "Layered[str, str]":
    return Layered({})


def parted(issued: Iterable[tuple[str, str]], revoked: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """What ``Snapshot.issued`` and ``Snapshot.revoked`` are to hold: no certificate is in both.

    Args:
        issued: the x5t#S256 of each certificate of ours, with its client's name.
        revoked: the x5t#S256 of whatever is refused.
    """
    refused = dict.fromkeys(revoked, "")
    good: dict[str, str] = {}
    for thumbprint, client in issued:
        (refused if thumbprint in refused else good)[thumbprint] = client
    return good, refused


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the registry says, immutable; a change makes a new one that shares all the rest.

    Attributes:
        version: the id of the last event it contains; 0 for an empty registry.
        hash: of that event: another store has another.
        clients: by name.
        issued: the client's name for each certificate we issued to one, by x5t#S256; none of those that are revoked.
        revoked: what is refused whoever shows it, by x5t#S256; the name of the client whose certificate of ours it
            is, and the empty one where it is nobody's.
        pins: by x5t#S256 of the certificate, or SPKI hash of the key.
        subjects: by the CA's key, the kind of name and the name; of each the clients that claim it.
        authorities: the SPKI hashes of the CAs that subjects are pinned to.
        trust: the id of the last event that may have changed what clients are verified with.
        foreign: what the CRLs of partners' CAs say.
    """

    version: int = 0
    hash: str = ""
    clients: Layered[str, Standing] = field(default_factory=lambda: Layered({}))
    issued: Layered[str, str] = field(default_factory=_layered)
    revoked: Layered[str, str] = field(default_factory=_layered)
    pins: Mapping[tuple[Form, str], Proof] = field(default_factory=dict)
    subjects: Mapping[SubjectKey, tuple[Proof, ...]] = field(default_factory=dict)
    authorities: frozenset[str] = frozenset()
    trust: int = 0
    foreign: ForeignRevocations = field(default_factory=ForeignRevocations)

    @classmethod
    def of(cls, version: int, clients: Iterable[Client], revoked: Iterable[str], *, hash_: str = "") -> "Snapshot":
        """Index clients that are given whole, with their credentials."""
        known = tuple(clients)
        issued = (
            (each.value, client.name)
            for client in known
            for each in client.credentials
            if each.kind is CredentialKind.ISSUED
        )
        good, refused = parted(issued, revoked)
        return cls(
            version,
            hash_,
            Layered({each.name: standing_of(each.state is not ClientState.ACTIVE, each.grants) for each in known}),
            Layered(good),
            Layered(refused),
        ).with_credentials((client.name, each) for client in known for each in client.credentials)

    def with_credentials(self, credentials: Iterable[tuple[str, Credential]]) -> "Snapshot":
        """The snapshot with exactly these pins and subjects, each with its client's name."""
        pins: dict[tuple[Form, str], Proof] = {}
        subjects: dict[SubjectKey, tuple[Proof, ...]] = {}
        for client, each in credentials:
            proof = Proof(client, each.ends_at)
            if each.kind is CredentialKind.PIN:
                pins[each.form, each.value] = proof
            elif each.kind is CredentialKind.SUBJECT:
                key = each.authority, each.form, each.match_key
                subjects[key] = (*subjects.get(key, ()), proof)
        return replace(self, pins=pins, subjects=subjects, authorities=frozenset(key[0] for key in subjects))

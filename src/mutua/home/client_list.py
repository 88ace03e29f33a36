"""The clients of a home as one looks them over: who calls, who does not, and whose proofs end."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from mutua.errors import MutuaError
from mutua.pki.certificates import read_certificate
from mutua.registry.clients import ClientState
from mutua.registry.credentials import Credential
from mutua.store import client_list
from mutua.store.client_list import Brought, ClientRow
from mutua.store.inventory import CertificateState

if TYPE_CHECKING:
    from mutua.home.home import Home


@dataclass(frozen=True, slots=True)
class ListedCredential:
    """One way in which a client proves itself.

    Attributes:
        credential: what it is known by.
        not_after: when the certificate ends, or the CA's, or the credential itself, whichever is first; UTC. ``None``
            where nothing of it ends.
        state: what it is worth now.
    """

    credential: Credential
    not_after: datetime | None
    state: CertificateState


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedClient:
    """A client.

    Attributes:
        name, state: of the client.
        created_at: UTC.
        last_seen: when a gate last knew it, UTC, about a minute behind; ``None`` for never.
        grants: what it may call.
        credentials: how it proves itself.
    """

    name: str
    state: ClientState
    created_at: datetime
    last_seen: datetime | None
    grants: tuple[str, ...]
    credentials: tuple[ListedCredential, ...]

    @property
    def first_end(self) -> datetime | None:
        """When the first of those credentials ends that still count; ``None`` where none does."""
        valid = (each for each in self.credentials if each.state is CertificateState.VALID)
        return min((each.not_after for each in valid if each.not_after is not None), default=None)


def listed_clients(home: "Home") -> Iterator[ListedClient]:
    """Every client by name, read as they are iterated."""
    now = home.now()
    with home.store.read() as connection:
        for row in client_list.everyone(connection, now):
            yield _listed(row, now)


def listed_client(home: "Home", name: str) -> ListedClient:
    """One client.

    Raises:
        UnknownClient: the registry has none of that name.
    """
    home.clients.require(name)
    now = home.now()
    with home.store.read() as connection:
        (row,) = client_list.everyone(connection, now, name)
    return _listed(row, now)


def _listed(row: ClientRow, now: datetime) -> ListedClient:
    issued = [ListedCredential(Credential.issued(each.thumbprint), each.not_after, each.state) for each in row.issued]
    return ListedClient(
        name=row.name,
        state=row.state,
        created_at=row.created_at,
        last_seen=row.last_seen,
        grants=tuple(f"{methods} {pattern}" for methods, pattern in row.grants),
        credentials=(*(_brought(each, now) for each in row.brought), *issued),
    )


def _brought(brought: Brought, now: datetime) -> ListedCredential:
    ends = [brought.credential.ends_at] if brought.credential.ends_at else []
    for der in brought.ends:
        try:
            ends.append(read_certificate(der).not_valid_after_utc)
        except MutuaError:
            continue  # of a store that somebody has changed: the audit tells
    end = min(ends, default=None)
    state = CertificateState.EXPIRED if end is not None and end < now else CertificateState.VALID
    return ListedCredential(brought.credential, end, state)

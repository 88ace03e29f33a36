"""The known clients, as rows."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import Connection, and_, delete, insert, or_, select, update

from mutua.pki.crl import RevocationReason
from mutua.registry.clients import Client, ClientState
from mutua.registry.credentials import Credential
from mutua.registry.grants import Grant
from mutua.store import credentials
from mutua.store.schema import certificates, client_sightings, clients, grants, invitations, revocations


def add(connection: Connection, client: Client, *, at: datetime) -> None:
    """Store a client with its grants."""
    connection.execute(insert(clients).values(name=client.name, state=client.state.value, created_at=at))
    change_grants(connection, client.name, add=client.grants)


def change_grants(connection: Connection, client: str, *, add: Iterable[Grant], remove: Iterable[Grant] = ()) -> None:
    """Let a client call more, or less."""
    for grant in remove:
        there = and_(grants.c.methods == ",".join(grant.methods), grants.c.pattern == grant.pattern)
        connection.execute(delete(grants).where(grants.c.client == client, there))
    for grant in add:
        connection.execute(insert(grants).values(client=client, methods=",".join(grant.methods), pattern=grant.pattern))


def set_state(connection: Connection, client: str, state: ClientState) -> None:
    """Suspend a client or let it in again."""
    connection.execute(update(clients).where(clients.c.name == client).values(state=state.value))


def unrevoked(connection: Connection, client: str, now: datetime) -> list[str]:
    """A client's certificates that have not ended and are not revoked for good, by x5t#S256, the oldest first."""
    query = (
        select(certificates.c.thumbprint)
        .outerjoin(revocations, revocations.c.certificate == certificates.c.id)
        .where(
            certificates.c.client == client,
            certificates.c.not_after >= now,
            or_(revocations.c.certificate.is_(None), revocations.c.reason == RevocationReason.CERTIFICATE_HOLD.value),
        )
        .order_by(certificates.c.id)
    )
    return list(connection.execute(query).scalars())


def remove(connection: Connection, client: str) -> None:
    """Forget a client that has no pins and subjects any more; its certificates stay, and are nobody's."""
    connection.execute(update(certificates).where(certificates.c.client == client).values(client=None))
    for table in (grants, client_sightings, invitations):
        connection.execute(delete(table).where(table.c.client == client))
    connection.execute(delete(clients).where(clients.c.name == client))


def find(connection: Connection, name: str) -> Client | None:
    """One client by name."""
    return next(iter(_clients(connection, name)), None)


def can_hold(name: str) -> bool:
    """Whether a client's name may be looked for: NUL is no text to PostgreSQL, and a lone surrogate to no database."""
    return name.isascii() and name.isprintable()


def state(connection: Connection, name: str) -> ClientState | None:
    """One client's state, without its certificates, which may be many."""
    found = connection.execute(select(clients.c.state).where(clients.c.name == name)).scalar_one_or_none()
    return None if found is None else ClientState(found)


def names(connection: Connection, wanted: Collection[str]) -> set[str]:
    """Which of these clients there are."""
    possible = filter(can_hold, wanted)
    return set(connection.execute(select(clients.c.name).where(clients.c.name.in_(possible))).scalars())


def everyone(connection: Connection) -> tuple[Client, ...]:
    """Every client, by name."""
    return tuple(_clients(connection, None))


def _clients(connection: Connection, name: str | None) -> Iterable[Client]:
    one = name is not None
    rows = select(clients.c.name, clients.c.state).order_by(clients.c.name)
    grant_rows = select(grants.c.client, grants.c.methods, grants.c.pattern).order_by(grants.c.id)
    issued_rows = select(certificates.c.client, certificates.c.thumbprint).where(certificates.c.client.is_not(None))
    issued_rows = issued_rows.order_by(certificates.c.id)
    if one:
        rows = rows.where(clients.c.name == name)
        grant_rows = grant_rows.where(grants.c.client == name)
        issued_rows = issued_rows.where(certificates.c.client == name)
    granted: dict[str, list[Grant]] = defaultdict(list)
    for client, methods, pattern in connection.execute(grant_rows):
        granted[client].append(Grant(tuple(methods.split(",")), pattern))
    proofs: dict[str, list[Credential]] = defaultdict(list)
    for held in credentials.everyone(connection, name):
        proofs[held.client].append(held.credential)
    for client, thumbprint in connection.execute(issued_rows):
        proofs[client].append(Credential.issued(thumbprint))
    for client, state in connection.execute(rows):
        yield Client(
            name=client,
            state=ClientState(state),
            grants=tuple(granted[client]),
            credentials=tuple(proofs[client]),
        )

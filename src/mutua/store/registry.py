"""The known clients, as rows."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from mutua.registry.clients import Client, ClientState, Credential, CredentialKind
from mutua.registry.grants import Grant
from mutua.store.schema import clients, credentials, grants


def add(connection: Connection, client: Client, *, at: datetime) -> None:
    """Store a client with its grants and credentials."""
    connection.execute(insert(clients).values(name=client.name, state=client.state.value, created_at=at))
    for grant in client.grants:
        connection.execute(
            insert(grants).values(client=client.name, methods=",".join(grant.methods), pattern=grant.pattern)
        )
    for credential in client.credentials:
        add_credential(connection, client.name, credential)


def add_credential(connection: Connection, client: str, credential: Credential) -> None:
    """Give a client one more way to prove itself."""
    connection.execute(insert(credentials).values(client=client, kind=credential.kind.value, value=credential.value))


def set_state(connection: Connection, client: str, state: ClientState) -> None:
    """Suspend a client or let it in again."""
    connection.execute(update(clients).where(clients.c.name == client).values(state=state.value))


def find(connection: Connection, name: str) -> Client | None:
    """One client by name."""
    return next(iter(_clients(connection, name)), None)


def everyone(connection: Connection) -> tuple[Client, ...]:
    """Every client, by name."""
    return tuple(_clients(connection, None))


def _clients(connection: Connection, name: str | None) -> Iterable[Client]:
    one = name is not None
    rows = select(clients.c.name, clients.c.state).order_by(clients.c.name)
    grant_rows = select(grants.c.client, grants.c.methods, grants.c.pattern).order_by(grants.c.id)
    credential_rows = select(credentials.c.client, credentials.c.kind, credentials.c.value).order_by(credentials.c.id)
    if one:
        rows = rows.where(clients.c.name == name)
        grant_rows = grant_rows.where(grants.c.client == name)
        credential_rows = credential_rows.where(credentials.c.client == name)
    granted: dict[str, list[Grant]] = defaultdict(list)
    for client, methods, pattern in connection.execute(grant_rows):
        granted[client].append(Grant(tuple(methods.split(",")), pattern))
    proofs: dict[str, list[Credential]] = defaultdict(list)
    for client, kind, value in connection.execute(credential_rows):
        proofs[client].append(Credential(CredentialKind(kind), value))
    for client, state in connection.execute(rows):
        yield Client(
            name=client,
            state=ClientState(state),
            grants=tuple(granted[client]),
            credentials=tuple(proofs[client]),
        )

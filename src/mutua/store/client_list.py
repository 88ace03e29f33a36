"""Every client with all that is known of it, read side by side in the order of names: a few questions for all."""

from collections.abc import Iterator
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Connection, exists, select

from mutua.ca.hierarchy import AuthorityState
from mutua.registry.clients import ClientState
from mutua.registry.credentials import Credential, CredentialKind, Form, Role
from mutua.store.inventory import CertificateState, state_of
from mutua.store.schema import (
    authorities,
    certificates,
    client_sightings,
    clients,
    credentials,
    grants,
    partner_certificates,
    revocations,
)

AT_ONCE = 1000
"""Rows in memory at a time, of each question."""

_successors = certificates.alias("successors")

T = TypeVar("T")


class Issued(NamedTuple):
    """A certificate of ours: its x5t#S256, its end, UTC, and what it is worth."""

    thumbprint: str
    not_after: datetime
    state: CertificateState


class Brought(NamedTuple):
    """A pin or a subject, and the certificates that its handshakes end at, in DER."""

    credential: Credential
    ends: tuple[bytes, ...]


class ClientRow(NamedTuple):
    """A client.

    Attributes:
        name, state: of the client.
        created_at: UTC.
        last_seen: when a gate last knew it, UTC; ``None`` for never.
        grants: methods and pattern of each.
        issued: its certificates of ours, the first end first.
        brought: its other credentials, the oldest first.
    """

    name: str
    state: ClientState
    created_at: datetime
    last_seen: datetime | None
    grants: tuple[tuple[str, str], ...]
    issued: tuple[Issued, ...]
    brought: tuple[Brought, ...]


def everyone(connection: Connection, now: datetime, name: str | None = None) -> Iterator[ClientRow]:
    """Every client by name, or one, read as they are iterated; ``now`` is UTC."""
    columns = clients.c.name, clients.c.state, clients.c.created_at, client_sightings.c.last_seen
    query = select(*columns).outerjoin(client_sightings, client_sightings.c.client == clients.c.name)
    query = query.where(*_only(clients.c.name, name)).order_by(clients.c.name)
    streaming = connection.execution_options(yield_per=AT_ONCE)
    granted, issued = _ByName(_grants(streaming, name)), _ByName(_issued(streaming, now, name))
    brought = _brought(connection, name)  # a thousand at the most
    for client, state, created_at, last_seen in streaming.execute(query):
        yield ClientRow(
            client,
            ClientState(state),
            created_at,
            last_seen,
            tuple(granted.take(client)),
            tuple(issued.take(client)),
            tuple(brought.get(client, ())),
        )


class _ByName(Generic[T]):
    """What comes in the order of clients' names, each with the name."""

    def __init__(self, found: Iterator[tuple[str, T]]) -> None:
        self._left = found
        self._next = next(found, None)

    def take(self, client: str) -> Iterator[T]:
        """What is this client's; that of the clients before it has been taken."""
        while self._next is not None and self._next[0] == client:
            yield self._next[1]
            self._next = next(self._left, None)


def _grants(connection: Connection, name: str | None) -> Iterator[tuple[str, tuple[str, str]]]:
    query = select(grants.c.client, grants.c.methods, grants.c.pattern).where(*_only(grants.c.client, name))
    for client, methods, pattern in connection.execute(query.order_by(grants.c.client, grants.c.id)):
        yield client, (methods, pattern)


def _issued(connection: Connection, now: datetime, name: str | None) -> Iterator[tuple[str, Issued]]:
    query = (
        select(
            certificates.c.client,
            certificates.c.thumbprint,
            certificates.c.not_after,
            revocations.c.reason,
            exists().where(_successors.c.supersedes == certificates.c.id),
            certificates.c.authority.in_(
                select(authorities.c.id).where(authorities.c.state == AuthorityState.RETIRED.value)
            ),
        )
        .outerjoin(revocations, revocations.c.certificate == certificates.c.id)
        .where(certificates.c.client.is_not(None), *_only(certificates.c.client, name))
        .order_by(certificates.c.client, certificates.c.not_after, certificates.c.id)
    )
    for client, thumbprint, end, reason, renewed, retired in connection.execute(query):
        state = state_of(now, not_after=end, reason=reason, superseded=bool(renewed), retired=bool(retired))
        yield str(client), Issued(thumbprint, end, state)


def _brought(connection: Connection, name: str | None) -> dict[str, list[Brought]]:
    columns = (
        credentials.c.id,
        credentials.c.client,
        credentials.c.kind,
        credentials.c.value,
        credentials.c.form,
        credentials.c.authority,
        credentials.c.ends_at,
        partner_certificates.c.der,
    )
    ends = partner_certificates.c.role.in_([Role.LEAF.value, Role.ANCHOR.value])
    query = select(*columns).outerjoin(
        partner_certificates, (partner_certificates.c.credential == credentials.c.id) & ends
    )
    query = query.where(*_only(credentials.c.client, name))
    query = query.order_by(credentials.c.id, partner_certificates.c.place)
    found: dict[int, tuple[str, Brought]] = {}
    for identifier, client, kind, value, form, authority, ends_at, der in connection.execute(query):
        before = found[identifier][1].ends if identifier in found else ()
        known = Credential(CredentialKind(kind), value, Form(form), authority, ends_at)
        found[identifier] = client, Brought(known, before if der is None else (*before, der))
    by_client: dict[str, list[Brought]] = {}
    for client, each in found.values():
        by_client.setdefault(client, []).append(each)
    return by_client


def _only(column: ColumnElement[str] | ColumnElement[str | None], name: str | None) -> list[ColumnElement[bool]]:
    return [] if name is None else [column == name]

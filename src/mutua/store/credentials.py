"""Pins and subjects, and the certificates that came with them, as rows. What was issued is in the inventory."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, select, update

from mutua.registry.credentials import (
    Credential,
    CredentialKind,
    CrlSource,
    Form,
    PartnerCertificate,
    Role,
    StalePolicy,
)
from mutua.store.schema import credentials, partner_certificates, partner_crls

_COLUMNS = (
    credentials.c.client,
    credentials.c.kind,
    credentials.c.value,
    credentials.c.form,
    credentials.c.authority,
    credentials.c.ends_at,
)


class Held(NamedTuple):
    """A credential and whose it is."""

    client: str
    credential: Credential


def add(
    connection: Connection,
    client: str,
    credential: Credential,
    brought: Iterable[PartnerCertificate],
    *,
    crls: Iterable[CrlSource] = (),
    event: int,
) -> None:
    """Store a client's credential with what came with it: certificates, addresses of CRLs; ``event`` tells of it."""
    row = {
        "id": event,
        "client": client,
        "kind": credential.kind.value,
        "form": credential.form.value,
        "value": credential.value,
        "match_key": credential.match_key,
        "authority": credential.authority,
        "ends_at": credential.ends_at,
    }
    connection.execute(insert(credentials).values(row))
    for place, each in enumerate(brought):
        row = {"credential": event, "thumbprint": each.thumbprint, "role": each.role.value, "der": each.der}
        connection.execute(insert(partner_certificates).values({**row, "place": place}))
    for source in crls:
        said = {"authorities": " ".join(source.authorities), "stale": source.stale.value}
        connection.execute(insert(partner_crls).values(credential=event, url=source.url, **said))


def end(connection: Connection, credential: Credential, at: datetime) -> None:
    """Let a credential count until then, and no longer."""
    connection.execute(update(credentials).where(_is(credential)).values(ends_at=at))


def remove(connection: Connection, credential: Credential) -> None:
    """Forget a credential and what came with it."""
    identifier = select(credentials.c.id).where(_is(credential)).scalar_subquery()
    connection.execute(delete(partner_certificates).where(partner_certificates.c.credential == identifier))
    connection.execute(delete(partner_crls).where(partner_crls.c.credential == identifier))
    connection.execute(delete(credentials).where(_is(credential)))


def holder(connection: Connection, credential: Credential) -> str | None:
    """The client that has a credential; whether it still counts makes no difference."""
    return connection.execute(select(credentials.c.client).where(_is(credential))).scalar_one_or_none()


def everyone(connection: Connection, client: str | None = None) -> Iterator[Held]:
    """Every credential, or every one of a client, the oldest first."""
    query = select(*_COLUMNS).order_by(credentials.c.id)
    if client is not None:
        query = query.where(credentials.c.client == client)
    for row in connection.execute(query):
        yield _held(row)


def certificates(connection: Connection, *roles: Role) -> list[bytes]:
    """The certificates that came with credentials, in DER, each once."""
    chosen = partner_certificates.c.role.in_([role.value for role in roles])
    query = select(partner_certificates.c.thumbprint, partner_certificates.c.der).where(chosen)
    query = query.order_by(partner_certificates.c.credential, partner_certificates.c.thumbprint)
    found: dict[str, bytes] = {}
    for thumbprint, der in connection.execute(query):
        found.setdefault(thumbprint, der)
    return list(found.values())


def brought_with(connection: Connection, credential: Credential) -> list[PartnerCertificate]:
    """What came with a credential, in the order in which it came: the certificate it ends at first."""
    query = (
        select(partner_certificates.c.role, partner_certificates.c.der)
        .join(credentials, credentials.c.id == partner_certificates.c.credential)
        .where(_is(credential))
        .order_by(partner_certificates.c.place, partner_certificates.c.thumbprint)
    )
    found = [PartnerCertificate(Role(role), der) for role, der in connection.execute(query)]
    # Stable; those that came before their order was noted have no places.
    return sorted(found, key=lambda each: each.role in {Role.INTERMEDIATE, Role.CRL_ISSUER})


def crl_sources(
    connection: Connection, credential: Credential | None = None, *, client: str | None = None
) -> list[CrlSource]:
    """Where the CRLs of partners' CAs are, each once as each credential says it; of one credential, or a client."""
    query = select(partner_crls.c.url, partner_crls.c.authorities, partner_crls.c.stale)
    query = query.join(credentials, credentials.c.id == partner_crls.c.credential)
    if credential is not None:
        query = query.where(_is(credential))
    if client is not None:
        query = query.where(credentials.c.client == client)
    rows = connection.execute(query.order_by(partner_crls.c.credential, partner_crls.c.url))
    found = (CrlSource(url, tuple(authorities.split(" ")), StalePolicy(stale)) for url, authorities, stale in rows)
    return list(dict.fromkeys(found))


def crl_issuers(connection: Connection) -> list[bytes]:
    """The CAs that came with credentials that have CRLs, in DER, each once."""
    with_crls = select(partner_crls.c.credential)
    chosen = partner_certificates.c.credential.in_(with_crls), partner_certificates.c.role != Role.LEAF.value
    query = select(partner_certificates.c.der).where(*chosen)
    query = query.order_by(partner_certificates.c.credential, partner_certificates.c.thumbprint)
    return list(dict.fromkeys(connection.execute(query).scalars()))


def count_anchors(connection: Connection) -> int:
    """How many different certificates of partners handshakes end at."""
    chosen = partner_certificates.c.role.in_([Role.LEAF.value, Role.ANCHOR.value])
    query = select(func.count(partner_certificates.c.thumbprint.distinct())).where(chosen)
    return connection.execute(query).scalar_one()


def _is(credential: Credential) -> ColumnElement[bool]:
    return and_(
        credentials.c.form == credential.form.value,
        credentials.c.match_key == credential.match_key,
        credentials.c.authority == credential.authority,
    )


def _held(row: Row[str, str, str, str, str, datetime | None]) -> Held:
    client, kind, value, form, authority, ends_at = row
    return Held(client, Credential(CredentialKind(kind), value, Form(form), authority, ends_at))

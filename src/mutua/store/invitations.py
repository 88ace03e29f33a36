"""Invitations, as rows: who may have a first certificate, and what came of it. Of a token only its hash is here."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select, update

from mutua.store.schema import invitations

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationRecord:
    """An invitation as the store keeps it.

    Attributes:
        id: of the event that tells of it.
        client: whom it is for.
        token_hash: see ``mutua.registry.invitations.token_hash``.
        profile: of the certificate it is good for.
        names: what will be certified.
        lifetime: of the certificate; ``None`` for what policy and profile say.
        expires_at: until when it is good, UTC.
        used_at: when it was used, UTC; ``None`` while it is open.
        certificate: x5t#S256 of what was issued for it.
    """

    id: int
    client: str
    token_hash: str
    profile: str
    names: tuple[str, ...]
    lifetime: timedelta | None
    expires_at: datetime
    used_at: datetime | None = None
    certificate: str | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether it may still be used."""
        return self.used_at is None and now <= self.expires_at


def add(connection: Connection, record: InvitationRecord) -> None:
    """Store an invitation."""
    row = {
        "id": record.id,
        "client": record.client,
        "token_hash": record.token_hash,
        "profile": record.profile,
        "names": "\n".join(record.names),
        "lifetime": None if record.lifetime is None else record.lifetime // _SECOND,
        "expires_at": record.expires_at,
    }
    connection.execute(insert(invitations).values(row))


def use(connection: Connection, identifier: int, certificate: str, *, at: datetime) -> bool:
    """Note what an open invitation was used for; ``False`` where it is used already, or gone."""
    still_open = invitations.c.id == identifier, invitations.c.used_at.is_(None)
    done = connection.execute(update(invitations).where(*still_open).values(used_at=at, certificate=certificate))
    return done.rowcount == 1


def remove(connection: Connection, identifier: int) -> None:
    """Forget an invitation."""
    connection.execute(delete(invitations).where(invitations.c.id == identifier))


def by_hash(connection: Connection, token_hash: str) -> InvitationRecord | None:
    """The invitation that a token is of."""
    return next(_records(connection, invitations.c.token_hash == token_hash), None)


def of(connection: Connection, client: str) -> list[InvitationRecord]:
    """A client's invitations, the oldest first."""
    return list(_records(connection, invitations.c.client == client))


def _records(connection: Connection, condition: ColumnElement[bool]) -> Iterator[InvitationRecord]:
    rows = connection.execute(select(*invitations.c).where(condition).order_by(invitations.c.id))
    return map(_record, rows)


def _record(row: Row[tuple[object, ...]]) -> InvitationRecord:
    told = dict(row._mapping)  # noqa: SLF001 -- its public name, whatever it begins with
    lifetime = told["lifetime"]
    told["lifetime"] = None if lifetime is None else timedelta(seconds=lifetime)
    told["names"] = tuple(filter(None, told["names"].split("\n")))
    return InvitationRecord(**told)

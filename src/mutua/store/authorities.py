"""The CAs at work: their certificates, and where their keys are."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from sqlalchemy import Connection, Row, insert, select, update

from mutua.ca.hierarchy import AuthorityState, Purpose
from mutua.pki.certificates import read_certificate, write_der
from mutua.pki.thumbprints import x5t_s256
from mutua.store.schema import authorities


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityRecord:
    """A CA.

    Attributes:
        id: ``root``, ``issuing-1``.
        profile: ``root`` or ``issuing-ca``.
        purpose: what it issues for.
        state: whether it signs still, and whether it is trusted.
        parent: the id of the CA that signed it, if that is one of ours.
        certificate: its certificate.
        key: where its private key is: sealed as ``mutua.home.sealing`` writes it, or a ``pkcs11:`` URI; ``None``
            once it was exported.
        created_at: UTC.
    """

    id: str
    profile: str
    purpose: Purpose
    state: AuthorityState
    parent: str | None
    certificate: x509.Certificate
    key: str | None
    created_at: datetime


def add(connection: Connection, record: AuthorityRecord) -> None:
    """Store a CA."""
    connection.execute(
        insert(authorities).values(
            id=record.id,
            profile=record.profile,
            purpose=record.purpose.value,
            state=record.state.value,
            parent=record.parent,
            certificate=write_der(record.certificate),
            key=record.key,
            created_at=record.created_at,
        )
    )


def everyone(connection: Connection) -> tuple[AuthorityRecord, ...]:
    """Every CA, the oldest first, and a root before what it signed in the same moment."""
    rows = connection.execute(select(authorities).order_by(authorities.c.created_at, authorities.c.id.desc()))
    return tuple(_record(row) for row in rows)


def thumbprints(connection: Connection) -> dict[str, str]:
    """The id of every CA by its certificate's x5t#S256."""
    rows = connection.execute(select(authorities.c.certificate, authorities.c.id))
    return {x5t_s256(der): identifier for der, identifier in rows}


def states(connection: Connection) -> dict[str, AuthorityState]:
    """What every CA still does."""
    rows = connection.execute(_STATES)
    return {identifier: AuthorityState(state) for identifier, state in rows}


def set_state(connection: Connection, authority: str, state: AuthorityState) -> None:
    """Supersede or retire a CA."""
    connection.execute(update(authorities).where(authorities.c.id == authority).values(state=state.value))


def set_key(connection: Connection, authority: str, key: str | None) -> None:
    """Say anew where a CA's key is."""
    connection.execute(update(authorities).where(authorities.c.id == authority).values(key=key))


_STATES = select(authorities.c.id, authorities.c.state)  # made once: it is asked for with every issuance

_read = lru_cache(maxsize=64)(read_certificate)


def _record(row: Row[tuple[object, ...]]) -> AuthorityRecord:
    return AuthorityRecord(
        id=row.id,
        profile=row.profile,
        purpose=Purpose(row.purpose),
        state=AuthorityState(row.state),
        parent=row.parent,
        certificate=_read(row.certificate),
        key=row.key,
        created_at=row.created_at,
    )

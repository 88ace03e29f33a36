"""The inventory: every certificate the authority ever signed."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ssl import DER_cert_to_PEM_cert
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, exists, func, literal_column, or_, select, true

from mutua.ca.hierarchy import AuthorityState
from mutua.pki.crl import RevocationReason
from mutua.pki.profiles import ISSUING_CA, OCSP, ROOT, SERVER
from mutua.store import rows
from mutua.store.schema import (
    BLOCK_IDS,
    CERTIFICATE_BLOCK,
    authorities,
    certificates,
    microseconds,
    revocations,
    sightings,
)

MIN_PREFIX = 6
"""Characters of a thumbprint or serial that may stand for the whole."""

HOLD = RevocationReason.CERTIFICATE_HOLD.value

_OUR_OWN = {ROOT.name, ISSUING_CA.name, OCSP.name}

_successors = certificates.alias("successors")


class CertificateState(StrEnum):
    """What a certificate is worth now."""

    VALID = "valid"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"
    ON_HOLD = "on_hold"
    REVOKED = "revoked"


def state_of(
    now: datetime, *, not_after: datetime, reason: str | None, superseded: bool, retired: bool
) -> CertificateState:
    """What a certificate is worth at ``now``; see ``CertificateRecord`` for the rest."""
    if retired or reason not in {None, HOLD}:
        return CertificateState.REVOKED
    if now > not_after:
        return CertificateState.EXPIRED
    if reason is not None:
        return CertificateState.ON_HOLD
    return CertificateState.SUPERSEDED if superseded else CertificateState.VALID


class CertificateRecord(NamedTuple):
    """A certificate in the inventory.

    Attributes:
        thumbprint: x5t#S256.
        authority: the id of the CA that signed it.
        serial: 32 hex digits.
        profile: ``server``, ``client`` or ``ocsp``.
        client: the client it was issued to, or ``None``.
        subject: RFC 4514.
        names: the SubjectAltName.
        not_before, not_after, issued_at: UTC.
        der: the certificate.
        shard: the part of its CA's CRL that covers it; ``None`` for the whole.
        supersedes: the id of the certificate it renews, or ``None``.
        superseded: whether it has itself been renewed.
        retired: whether its CA is trusted no more.
        revoked_at: UTC, or ``None``.
        reason: why it was revoked, or ``None``.
        invalid_since: when its key is thought to have been lost, UTC, or ``None``.
        id: of the event that tells of its issuance; 0 before it is stored.
    """

    thumbprint: str
    authority: str
    serial: str
    profile: str
    client: str | None
    subject: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    issued_at: datetime
    der: bytes
    shard: int | None = None
    supersedes: int | None = None
    superseded: bool = False
    retired: bool = False
    revoked_at: datetime | None = None
    reason: str | None = None
    invalid_since: datetime | None = None
    id: int = 0

    def state(self, now: datetime) -> CertificateState:
        """What it is worth at ``now``."""
        not_after, reason = self.not_after, self.reason
        return state_of(now, not_after=not_after, reason=reason, superseded=self.superseded, retired=self.retired)

    def pem(self) -> str:
        """The certificate in PEM."""
        return DER_cert_to_PEM_cert(self.der)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which certificates; every field narrows it.

    Attributes:
        client, profile, authority: only this one's; those of CAs and OCSP responders
            only if their profile is asked for.
        state: only in this state at ``now``.
        expiring_before: only those that end before then and have not ended at ``now``.
        name: only with exactly this name in the SubjectAltName.
        now: UTC.
    """

    now: datetime
    client: str | None = None
    profile: str | None = None
    authority: str | None = None
    state: CertificateState | None = None
    expiring_before: datetime | None = None
    name: str | None = None


def add(connection: Connection, records: Sequence[CertificateRecord], *, first: int) -> None:
    """Store certificates; the first has the id ``first``, and each after it the next.

    Their own ids are not looked at: they are those of events that were not written when the records were made.
    """
    rows.put(connection, certificates, [_row(identifier, each) for identifier, each in enumerate(records, first)])


def everything(connection: Connection, selection: Selection) -> Iterator[CertificateRecord]:
    """The selected certificates, the newest first, read as they are iterated."""
    if selection.name is not None and not selection.name.isprintable():
        return  # no certificate of ours has such a name, and not every database would take the question
    query = _records().where(_selected(selection)).order_by(certificates.c.id.desc())
    for row in connection.execution_options(yield_per=1000).execute(query):
        record = _record(row)
        if selection.name is None or selection.name in record.names:
            yield record


def find(connection: Connection, text: str) -> list[CertificateRecord]:
    """Certificates whose thumbprint or serial starts with ``text``, at least 6 characters; at most two of them."""
    if len(text) < MIN_PREFIX or not (text.isascii() and text.isprintable()):
        return []
    # Not LIKE, which takes b for B in SQLite; in a thumbprint they are different letters.
    matches = or_(
        and_(_anywhere(connection), _starts_with(certificates.c.thumbprint, text)),
        _starts_with(certificates.c.serial, text.lower()),
    )
    return [_record(row) for row in connection.execute(_records().where(matches).limit(2))]


def by_thumbprint(connection: Connection, thumbprint: str) -> CertificateRecord | None:
    """The certificate with exactly this x5t#S256."""
    row = connection.execute(_records().where(with_thumbprint(connection, [thumbprint]))).first()
    return None if row is None else _record(row)


def with_thumbprint(connection: Connection, thumbprints: Iterable[str]) -> ColumnElement[bool]:
    """That a certificate is one of these, asked in the way that has an index."""
    return and_(_anywhere(connection), certificates.c.thumbprint.in_(thumbprints))


def by_serial(connection: Connection, authority: str, serial: int) -> CertificateRecord | None:
    """The certificate of a CA with this serial number."""
    found = _records().where(certificates.c.serial == f"{serial:032x}", certificates.c.authority == authority)
    row = connection.execute(found).one_or_none()
    return None if row is None else _record(row)


def successors(connection: Connection, identifier: int) -> list[CertificateRecord]:
    """What renewed a certificate, the oldest first."""
    query = _records().where(certificates.c.supersedes == identifier).order_by(certificates.c.id)
    return [_record(row) for row in connection.execute(query)]


def superseded_before(
    connection: Connection, moment: datetime, now: datetime, *, after: int, limit: int
) -> list[CertificateRecord]:
    """Certificates that were renewed before ``moment``, have not expired at ``now`` and are not revoked.

    Args:
        connection: a transaction.
        moment: UTC.
        now: UTC.
        after: only those with a greater id, which come in its order.
        limit: at most so many.
    """
    renewed = exists().where(_successors.c.supersedes == certificates.c.id, _successors.c.issued_at < moment)
    wanted = certificates.c.id > after, renewed, certificates.c.not_after >= now, revocations.c.certificate.is_(None)
    query = _records().where(*wanted).order_by(certificates.c.id).limit(limit)
    return [_record(row) for row in connection.execute(query)]


def count_valid(connection: Connection, limits: Mapping[str, int], now: datetime) -> dict[str, int]:
    """How many certificates each of these clients has that count; counted no further than its limit.

    Those count that are good now and have not been followed up: not one that was renewed, nor one that came of a
    renewal that was asked for again, because its answer was lost. So a renewal leaves the number as it was.
    """
    later = and_(_successors.c.supersedes == certificates.c.supersedes, _successors.c.id > certificates.c.id)
    counted = {}
    for client, most in limits.items():
        unrevoked = ~exists().where(revocations.c.certificate == certificates.c.id)
        valid = select(certificates.c.id).where(
            certificates.c.client == client,
            certificates.c.not_after >= now,
            unrevoked,
            ~_renewed(),
            ~_retired(),
            ~exists().where(later),
        )
        counted[client] = connection.execute(
            select(func.count()).select_from(valid.limit(most).subquery())
        ).scalar_one()
    return counted


def in_use(connection: Connection, issuers: Collection[str], now: datetime) -> int:
    """How many certificates of servers and clients below these CAs are good and may be in use.

    One whose successor has been seen is not any more: whoever held it has moved on. A server's certificate is seen by
    no door of ours, and its successor stands for that.
    """
    unrevoked = ~exists().where(revocations.c.certificate == certificates.c.id)
    seen = exists().where(sightings.c.certificate == _successors.c.id)
    moved_on = exists().where(
        _successors.c.supersedes == certificates.c.id, or_(certificates.c.profile == SERVER.name, seen)
    )
    query = select(func.count()).where(
        certificates.c.authority.in_(issuers),
        certificates.c.profile.not_in(_OUR_OWN),
        certificates.c.not_after >= now,
        unrevoked,
        ~moved_on,
    )
    return connection.execute(query.select_from(certificates)).scalar_one()


def _anywhere(connection: Connection) -> ColumnElement[bool]:
    """In any of the blocks that there are, each by its number, which is what the index of thumbprints begins with."""
    return CERTIFICATE_BLOCK.in_([first // BLOCK_IDS for first in connection.execute(_FIRSTS).scalars()])


def _firsts() -> Select[int]:
    """The first id of each block, found by the one before it: a step for each block, none for each certificate."""
    ids, first = certificates.c.id, func.min(certificates.c.id).label("first")
    begun = select(first).cte("begun", recursive=True)
    following = (begun.c.first.op("/")(literal_column(str(BLOCK_IDS))) + 1) * BLOCK_IDS
    later = select(first).where(ids >= following).scalar_subquery()
    begun = begun.union_all(select(later).where(begun.c.first.is_not(None)))
    return select(begun.c.first).where(begun.c.first.is_not(None))


_FIRSTS = _firsts()


def _starts_with(column: ColumnElement[str], start: str) -> ColumnElement[bool]:
    # As a range, which the column's index answers; no thumbprint or serial holds a character above z.
    return and_(column >= start, column < start + "\x7f")


def _selected(selection: Selection) -> ColumnElement[bool]:
    columns, now = certificates.c, selection.now
    wanted: list[ColumnElement[bool]] = [true()]
    wanted += [
        columns[name] == value
        for name in ("client", "profile", "authority")
        if (value := getattr(selection, name)) is not None
    ]
    if selection.profile is None:
        wanted.append(columns.profile.not_in(_OUR_OWN))
    if selection.expiring_before is not None:
        wanted += [columns.not_after >= now, columns.not_after < selection.expiring_before]
    if selection.name is not None:
        wanted.append(columns.names.contains(selection.name, autoescape=True))
    trusted = ~_retired()
    revoked = or_(and_(revocations.c.certificate.is_not(None), revocations.c.reason != HOLD), _retired())
    held, live = and_(revocations.c.reason == HOLD, trusted), columns.not_after >= now
    unmarked = and_(revocations.c.certificate.is_(None), trusted, live)
    match selection.state:
        case CertificateState.REVOKED:
            wanted.append(revoked)
        case CertificateState.EXPIRED:
            wanted += [columns.not_after < now, or_(revocations.c.certificate.is_(None), held), trusted]
        case CertificateState.ON_HOLD:
            wanted += [held, live]
        case CertificateState.SUPERSEDED:
            wanted += [unmarked, _renewed()]
        case CertificateState.VALID:
            wanted += [unmarked, ~_renewed()]
    return and_(*wanted)


def _renewed() -> ColumnElement[bool]:
    return exists().where(_successors.c.supersedes == certificates.c.id)


def _retired() -> ColumnElement[bool]:
    """Below a CA that is trusted no more."""
    return certificates.c.authority.in_(
        select(authorities.c.id).where(authorities.c.state == AuthorityState.RETIRED.value)
    )


def _records() -> Select[tuple[object, ...]]:
    return select(
        *certificates.c,
        _renewed().label("superseded"),
        _retired().label("retired"),
        revocations.c.revoked_at,
        revocations.c.reason,
        revocations.c.invalid_since,
    ).outerjoin(revocations, revocations.c.certificate == certificates.c.id)


def _row(identifier: int, record: CertificateRecord) -> tuple[object, ...]:
    """A record as the table holds it, its columns in their order."""
    return (
        identifier,
        record.thumbprint,
        record.authority,
        record.serial,
        record.profile,
        record.client,
        record.subject,
        "\n".join(record.names),
        microseconds(record.not_before),
        microseconds(record.not_after),
        microseconds(record.issued_at),
        record.shard,
        record.supersedes,
        record.der,
    )


def _record(row: Row[tuple[object, ...]]) -> CertificateRecord:
    values = dict(row._mapping)  # noqa: SLF001 -- the public way to a row's names, in spite of its underscore
    values["names"] = tuple(values["names"].splitlines())
    values["superseded"], values["retired"] = bool(values["superseded"]), bool(values["retired"])
    return CertificateRecord(**values)

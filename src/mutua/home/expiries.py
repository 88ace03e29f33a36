"""What ends, and when: CAs, the home's identities, and what clients prove themselves with."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from mutua.ca.hierarchy import AuthorityState
from mutua.errors import MutuaError
from mutua.pki.certificates import read_certificate, read_certificates
from mutua.pki.profiles import ROOT
from mutua.pki.thumbprints import x5t_s256
from mutua.store import expiries, inventory
from mutua.store.expiries import CrlAge, Ending
from mutua.tls.files import read_file
from mutua.tls.identity import CHAIN_FILE, MAX_IDENTITY_BYTES

if TYPE_CHECKING:
    from mutua.home.home import Home

WITHIN_DAYS = (30, 14, 7, 1)
"""What is counted in metrics: a month to ask for a certificate, a fortnight, a week, and tonight."""

LATELY = timedelta(days=7)
"""For so long a client whose last certificate has ended is somebody to be told of; later it has left."""

MAX_PARTNERS = 4000
"""Certificates of partners that are looked at: a thousand credentials, each with a CA and those between."""


class Kind(StrEnum):
    """What of our own ends."""

    CA = "ca"
    IDENTITY = "identity"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCertificate:
    """A CA of the home, or an identity on its disk.

    Attributes:
        kind: which.
        name: the CA's id, or the identity's name.
        thumbprint: x5t#S256; ``None`` where it cannot be read.
        not_after: UTC; ``None`` where it cannot be read.
    """

    kind: Kind
    name: str
    thumbprint: str | None
    not_after: datetime | None


def own_authorities(home: "Home") -> list[OwnCertificate]:
    """The CAs that are trusted, those that end first before the others."""
    found = [
        OwnCertificate(
            kind=Kind.CA,
            name=each.id,
            thumbprint=x5t_s256(each.certificate),
            not_after=each.certificate.not_valid_after_utc,
        )
        for each in home.hierarchy.trusted()
    ]
    return sorted(found, key=_end)


def own_identities(folder: Path) -> list[OwnCertificate]:
    """The identities below ``folder``, those that cannot be read first, then by their end. No key is read."""
    names = [each.name for each in folder.iterdir() if each.name[0] != "."] if folder.is_dir() else []
    return sorted((_identity(folder / name) for name in names), key=_end)


def remedy(home: "Home", own: OwnCertificate) -> str:
    """What to type about a certificate of our own that has ended, is about to, or cannot be read."""
    folder = home.identities.folder / own.name
    if own.thumbprint is None or own.not_after is None:
        return f"ls -lL {shlex.quote(str(folder))}"
    if own.kind is Kind.CA:
        found = home.hierarchy.get(own.name)
        if found.profile == ROOT.name:
            return "mutua init --home NEW"
        return f"mutua ca {'rotate' if found.state is AuthorityState.ACTIVE else 'retire'} {own.name}"
    with home.store.read() as connection:
        record = inventory.by_thumbprint(connection, own.thumbprint)
    if record is None:  # it is of somebody else's CA
        return f"mutua cert inspect {shlex.quote(str(folder / CHAIN_FILE))}"
    if home.now() <= own.not_after:
        return f"mutua cert renew {own.name}"
    names = (
        [record.client, *(name for name in record.names if name != record.client)] if record.client else record.names
    )
    identity = [] if names and names[0] == own.name else ["--identity", own.name]
    return shlex.join(["mutua", "cert", "issue", record.profile, *names, *identity, "--force"])


def count_ending(home: "Home") -> dict[int, int]:
    """How many credentials of active clients end within each of ``WITHIN_DAYS``, and have not ended yet.

    Certificates of ours count unless they were renewed or revoked; those of others by their own end, their CA's, or
    the one that was set, whichever is first.
    """
    now = home.now()
    before = [now + timedelta(days=days) for days in WITHIN_DAYS]
    with home.store.read() as connection:
        counted = expiries.count_issued(connection, now, before)
        pinned = expiries.pinned(connection, now, MAX_PARTNERS)
    ends = [each.not_after for each in _partners(pinned) if each.not_after >= now]
    theirs = [sum(end < moment for end in ends) for moment in before]
    return {days: ours + others for days, ours, others in zip(WITHIN_DAYS, counted, theirs, strict=True)}


def soonest(home: "Home", within: timedelta, limit: int) -> list[Ending]:
    """What ``count_ending`` counts, those that end first."""
    now = home.now()
    with home.store.read() as connection:
        found = expiries.soonest(connection, now, now + within, limit)
        pinned = expiries.pinned(connection, now, MAX_PARTNERS)
    theirs = [each for each in _partners(pinned) if now <= each.not_after < now + within]
    return sorted([*found, *theirs], key=lambda each: (each.not_after, each.client))[:limit]


def ended_lately(home: "Home", limit: int) -> list[Ending]:
    """Active clients whose last certificate has ended within ``LATELY``, and who are known by nothing else."""
    now = home.now()
    with home.store.read() as connection:
        return expiries.ended(connection, now - LATELY, now, limit)


def crl_ages(home: "Home") -> list[CrlAge]:
    """The oldest part of each CA's CRL."""
    with home.store.read() as connection:
        return expiries.crl_ages(connection)


def _identity(path: Path) -> OwnCertificate:
    try:
        leaf = read_certificates(read_file(path / CHAIN_FILE, MAX_IDENTITY_BYTES))[0]
    except MutuaError:
        return OwnCertificate(kind=Kind.IDENTITY, name=path.name, thumbprint=None, not_after=None)
    return OwnCertificate(
        kind=Kind.IDENTITY, name=path.name, thumbprint=x5t_s256(leaf), not_after=leaf.not_valid_after_utc
    )


def _partners(pinned: Sequence[expiries.Pinned]) -> list[Ending]:
    """The first end of each credential's certificates, or of the credential itself."""
    first: dict[int, Ending] = {}
    for each in pinned:
        try:
            end = read_certificate(each.der).not_valid_after_utc
        except MutuaError:
            continue
        if each.ends_at is not None:
            end = min(end, each.ends_at)
        known = first.get(each.credential)
        if known is None or end < known.not_after:
            first[each.credential] = Ending(each.client, x5t_s256(each.der), end)
    return list(first.values())


def _end(each: OwnCertificate) -> float:
    return each.not_after.timestamp() if each.not_after is not None else float("-inf")

"""What ``mutua status`` looks at. Without the store it still knows what the gates that run say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mutua.errors import MutuaError, StoreUnreachable, UnreadableStore
from mutua.home.expiries import (
    OwnCertificate,
    count_ending,
    crl_ages,
    ended_lately,
    own_authorities,
    own_identities,
    remedy,
    soonest,
)
from mutua.home.foreign_crls import CrlState, ForeignCrls
from mutua.home.home import Home
from mutua.inbound.seen.workers import Worker, require_home, states
from mutua.reasons import Reason
from mutua.store.expiries import CrlAge, Ending

NEAR = timedelta(days=30)
"""What ends within it is listed."""

SHOWN = 20
"""Of clients' certificates, and of our own, at most so many are listed; the rest is counted."""


@dataclass(slots=True, kw_only=True)
class Status:
    """What there is.

    Attributes:
        home: the folder.
        now: UTC.
        gates: every process that listens in ``run/``.
        refused: by reason, in the last hour.
        store_error: why the store cannot be read, or ``None``.
        authorities, identities: of our own, those that end first before the others.
        remedies: what to type about those that have ended or cannot be read, by kind and name.
        credentials: how many of clients end within so many days.
        soonest: those that end first.
        ended: clients whose last certificate has ended lately.
        crls: the oldest part of each CA's CRL.
        foreign_crls: those of partners' CAs.
    """

    home: Path
    now: datetime
    gates: list[Worker]
    refused: Mapping[str, int]
    store_error: MutuaError | None = None
    authorities: list[OwnCertificate] = field(default_factory=list)
    identities: list[OwnCertificate] = field(default_factory=list)
    remedies: dict[tuple[str, str], str] = field(default_factory=dict)
    credentials: dict[int, int] = field(default_factory=dict)
    soonest: list[Ending] = field(default_factory=list)
    ended: list[Ending] = field(default_factory=list)
    crls: list[CrlAge] = field(default_factory=list)
    foreign_crls: list[CrlState] = field(default_factory=list)

    def has_ended(self, each: OwnCertificate) -> bool:
        """Whether a certificate of our own is of no use any more."""
        return each.not_after is None or each.not_after < self.now

    def is_near(self, each: OwnCertificate) -> bool:
        """Whether it has ended, or does within ``NEAR``."""
        return each.not_after is None or each.not_after < self.now + NEAR


def gather(folder: Path) -> Status:
    """Look at everything.

    Raises:
        HomeNotFound, UnsafeHome, InvalidSettings: there is no home, or none to trust.
    """
    require_home(folder)
    gates = states(folder)
    refused = {reason.value: 0 for reason in Reason}
    for each in gates:
        for reason, number in each.state.last_hour.items() if each.state else ():
            refused[reason] += number
    found = Status(home=folder, now=datetime.now(UTC), gates=gates, refused=refused)
    found.identities = own_identities(folder / "identities")
    try:
        with Home.open(folder) as home:
            _ask_store(home, found)
    except (UnreadableStore, StoreUnreachable) as error:
        found.store_error = error
    return found


def _ask_store(home: Home, found: Status) -> None:
    found.now = home.now()
    found.authorities = own_authorities(home)
    found.crls, found.foreign_crls = crl_ages(home), ForeignCrls(home).states()
    found.soonest, found.ended = soonest(home, NEAR, SHOWN), ended_lately(home, SHOWN)
    found.credentials = count_ending(home)
    served = {each.state.identity_thumbprint for each in found.gates if each.state}
    for each in (*found.authorities, *found.identities):
        if found.has_ended(each) or each.thumbprint in served:
            found.remedies[each.kind.value, each.name] = remedy(home, each)

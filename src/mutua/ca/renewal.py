"""Renewal: which certificate may be renewed, what its successor keeps, and when it has to go.

A certificate that has been renewed is superseded. It goes on working for a grace time, and within that it may be
renewed once more as long as no successor has been seen in use: whoever lost the answer is not locked out, and whoever
stole an old key gets nothing once the successor works.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from mutua.errors import RefusedRenewal
from mutua.pki.names import Name
from mutua.pki.profiles import CLOCK_SKEW, Profile
from mutua.registry.clients import ClientState

HOLD = "certificate_hold"
"""The one reason of RFC 5280 section 5.3.1 that can be taken back."""


@dataclass(frozen=True, slots=True)
class Successor:
    """A certificate that was issued in place of another.

    Attributes:
        thumbprint: x5t#S256.
        issued_at: UTC.
        seen: whether it has been used: at a door, or to be renewed itself.
        revoked: whether it has been revoked.
    """

    thumbprint: str
    issued_at: datetime
    seen: bool = False
    revoked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewable:
    """A certificate of the inventory, as far as its renewal is concerned.

    Attributes:
        id: its id in the inventory.
        profile: its profile.
        names: its SubjectAltName.
        client: the client it was issued to, or ``None``.
        client_state: that client's state; ``None`` when there is no such client any more.
        not_before, not_after: UTC.
        issuer_not_after: when the CA that signed it ends, UTC.
        revoked: the reason, as in the inventory, or ``None``.
        successors: what was issued in its place.
    """

    id: int
    profile: Profile
    names: tuple[Name, ...]
    client: str | None = None
    client_state: ClientState | None = None
    not_before: datetime
    not_after: datetime
    issuer_not_after: datetime
    revoked: str | None = None
    successors: tuple[Successor, ...] = ()

    @property
    def standing(self) -> tuple[Successor, ...]:
        """The successors that count. One that was revoked before anybody used it leaves things as they were."""
        return tuple(successor for successor in self.successors if successor.seen or not successor.revoked)

    @property
    def superseded_at(self) -> datetime | None:
        """When the first of them was issued, from which the grace time counts."""
        return min((successor.issued_at for successor in self.standing), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """What a successor keeps.

    Attributes:
        profile, names, client: those of the certificate it replaces.
        lifetime: as long as that was issued for.
    """

    profile: Profile
    names: tuple[Name, ...]
    client: str | None
    lifetime: timedelta


def may_renew(certificate: Renewable, *, grace: timedelta, now: datetime) -> Renewal:
    """What the renewal of a certificate keeps, if it may be renewed by whoever holds its key.

    Args:
        certificate: the one to be renewed.
        grace: for how long a superseded certificate may be renewed once more.
        now: UTC.

    Raises:
        RefusedRenewal: it is revoked, on hold, expired, not yet valid, or superseded for good; or its client is
            suspended or gone. The message says which.
    """
    _check_revocation(certificate)
    _check_validity(certificate, now)
    _check_client(certificate)
    _check_successors(certificate, grace, now)
    return Renewal(
        profile=certificate.profile,
        names=certificate.names,
        client=certificate.client,
        lifetime=kept_lifetime(certificate),
    )


def kept_lifetime(certificate: Renewable) -> timedelta:
    """For how long a certificate was issued, which its successor keeps.

    One that was cut short by the end of its CA says nothing about that, and would make each successor shorter: it is
    given its profile's lifetime.
    """
    profile = certificate.profile
    if certificate.not_after >= certificate.issuer_not_after:
        return profile.lifetime
    whole = certificate.not_after - certificate.not_before
    return min(whole - CLOCK_SKEW if whole > CLOCK_SKEW else whole, profile.max_lifetime)


def superseded_due(
    certificates: Iterable[Renewable], *, grace: timedelta, now: datetime, enabled: bool
) -> tuple[int, ...]:
    """The ids of the certificates to be revoked as superseded now.

    Args:
        certificates: candidates; those that have no successor, expired or are revoked or on hold are passed over.
        grace: for how long they go on working beside their first successor.
        now: UTC.
        enabled: the setting; without it none is revoked.
    """
    if not enabled:
        return ()
    return tuple(
        certificate.id
        for certificate in certificates
        if certificate.revoked is None
        and now <= certificate.not_after
        and certificate.superseded_at is not None
        and certificate.superseded_at + grace < now
    )


def _check_revocation(certificate: Renewable) -> None:
    if certificate.revoked == HOLD:
        raise _refused("it is on hold", "release it first")
    if certificate.revoked is not None:
        raise _refused(f"it was revoked ({certificate.revoked})", _NEW)


def _check_validity(certificate: Renewable, now: datetime) -> None:
    if now > certificate.not_after:
        raise _refused(f"it expired at {certificate.not_after:{_TIME}}", _NEW)
    if now < certificate.not_before:
        raise _refused(f"it is not valid before {certificate.not_before:{_TIME}}", "compare the clocks")


def _check_client(certificate: Renewable) -> None:
    client = certificate.client
    if client is None or certificate.client_state is ClientState.ACTIVE:
        return
    if certificate.client_state is None:
        raise _refused(f"its client {client!r} was removed", _NEW)
    raise _refused(f"its client {client!r} is {certificate.client_state}", f"mutua client resume {client}")


def _check_successors(certificate: Renewable, grace: timedelta, now: datetime) -> None:
    since = certificate.superseded_at
    if since is None:
        return
    for successor in certificate.standing:
        if successor.seen:
            raise _refused(f"its successor {successor.thumbprint} is in use", "renew that one")
    if now > since + grace:
        raise _refused(f"it was superseded at {since:{_TIME}}, and its grace of {grace} is over", _NEW)


def _refused(why: str, hint: str) -> RefusedRenewal:
    return RefusedRenewal(f"the certificate cannot be renewed: {why}", hint=hint)


_NEW = "an operator issues a new one: mutua cert sign, or mutua cert issue"
_TIME = "%Y-%m-%dT%H:%M:%SZ"

"""Retiring CAs: which others go with one, whether they may, and who is told."""

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from mutua.ca.hierarchy import AuthorityState
from mutua.ca.revocation import allowed_reasons
from mutua.errors import AlreadyRevoked, AuthorityInUse, InvalidAuthority, InvalidInput, UnknownAuthority
from mutua.pki.crl import RevocationReason
from mutua.pki.profiles import CLIENT, ISSUING_CA, ROOT, SERVER
from mutua.pki.thumbprints import x5t_s256
from mutua.store import authorities, inventory
from mutua.store.authorities import AuthorityRecord

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mutua.home.home import Home

REASONS = sorted(reason.value for reason in allowed_reasons(is_ca=True))
"""Why a CA may be retired."""


def retire(home: "Home", connection: "Connection", authority: str, *, force: bool, reason: str) -> None:
    """Retire a CA and those below it, within a transaction; see ``Hierarchy.retire``."""
    if reason not in REASONS:
        raise InvalidInput(f"a CA is not retired for {reason[:40]!r}", hint=f"give one of {', '.join(REASONS)}")
    going = _going(authority, authorities.everyone(connection))
    left = inventory.in_use(connection, [each.id for each in going], home.now())
    if not force:
        _require_unused(going, left)
    for each in going:
        authorities.set_state(connection, each.id, AuthorityState.RETIRED)
    told = {"in_use": left, "reason": reason}
    home.record(connection, *(home.event("authority.retired", each.id, told) for each in going))
    retired = going[0]
    if retired.parent is not None:
        # Whoever trusts the CA above learns of it by that one's CRL only.
        with suppress(AlreadyRevoked):
            home.revocation.write(connection, x5t_s256(retired.certificate), RevocationReason(reason))


def _going(authority: str, everyone: Iterable[AuthorityRecord]) -> list[AuthorityRecord]:
    """The CA, and those below it: nobody believes them without it."""
    trusted = [each for each in everyone if each.state is not AuthorityState.RETIRED]
    going = [each for each in everyone if each.id == authority]
    if not going:
        raise UnknownAuthority(f"there is no CA {authority[:80]!r}", hint="mutua ca show")
    if going[0] not in trusted:
        raise InvalidAuthority(f"the CA {authority!r} is retired already", hint="mutua ca show")
    if going[0].profile == ROOT.name:
        raise InvalidAuthority(f"the CA {authority!r} is the root: it ends with this home", hint="mutua init --help")
    for above in going:
        going += [each for each in trusted if each.parent == above.id and each not in going]
    _require_others(going, [each for each in trusted if each not in going])
    return going


def _require_others(going: list[AuthorityRecord], staying: list[AuthorityRecord]) -> None:
    for profile in (SERVER.name, CLIENT.name):
        if _issuing(going, profile) and not _issuing(staying, profile):
            only = _issuing(going, profile)[0]
            raise InvalidAuthority(
                f"the CA {only.id!r} has no successor: it is the only one that issues {profile} certificates",
                hint="mutua ca add NAME" if only.parent is None else f"mutua ca rotate {only.id}",
            )


def _issuing(those: list[AuthorityRecord], profile: str) -> list[AuthorityRecord]:
    active = (each for each in those if each.state is AuthorityState.ACTIVE and each.profile == ISSUING_CA.name)
    return [each for each in active if each.purpose.covers(profile)]


def _require_unused(going: list[AuthorityRecord], left: int) -> None:
    retired, *below = going
    if below:
        raise AuthorityInUse(
            f"the CA {retired.id!r} has others below it: {', '.join(each.id for each in below)}",
            hint="retire those first, or --force to retire all of them",
        )
    if left:
        raise AuthorityInUse(
            f"{left} certificates below the CA {retired.id!r} are still good",
            hint=f"mutua cert list --ca {retired.id}; renew them first, or --force to refuse them all",
        )

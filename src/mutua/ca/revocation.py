"""Revocation: which reasons there are for whom, what a CRL lists and until when, and where it is found."""

import re
from datetime import datetime, timedelta
from functools import lru_cache

from mutua.errors import AlreadyRevoked, InvalidAddress, InvalidInput, InvalidLifetime, NotOnHold
from mutua.pki.crl import Revocation, RevocationReason
from mutua.pki.draft import Pointers
from mutua.pki.profiles import CLOCK_SKEW

MIN_CRL_LIFE = 2 * CLOCK_SKEW
"""A CRL starts ``CLOCK_SKEW`` in the past and is renewed at half its life: a shorter one would be due at once."""

MAX_CRL_LIFE = timedelta(days=366)
"""A year, for a root whose key is elsewhere: as long as the CA/Browser Forum's requirements allow (section 4.9.7)."""

HOLD = RevocationReason.CERTIFICATE_HOLD
"""The one reason that can be taken back."""

_SECOND = timedelta(seconds=1)
_BASE = re.compile(
    r"http://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+)*/?"
)

_FOR_CAS = frozenset(RevocationReason) - {RevocationReason.KEY_COMPROMISE, HOLD}
_FOR_END_ENTITIES = frozenset(RevocationReason) - {RevocationReason.CA_COMPROMISE}


def allowed_reasons(*, is_ca: bool) -> frozenset[RevocationReason]:
    """Why a certificate may be revoked.

    A lost key is ``ca_compromise`` for a CA and ``key_compromise`` for all others, as X.509 has it. A CA is not put
    on hold: everything below it would come back with it, whatever was issued meanwhile.
    """
    return _FOR_CAS if is_ca else _FOR_END_ENTITIES


def revoke(
    reason: RevocationReason,
    *,
    is_ca: bool,
    now: datetime,
    current: Revocation | None = None,
    invalid_since: datetime | None = None,
) -> Revocation:
    """Decide that a certificate is revoked, or put on hold.

    Args:
        reason: why.
        is_ca: whether it is a CA's certificate.
        now: UTC.
        current: what it is already. After a hold the final reason takes over and the time of the hold stays, as in
            X.509, for nobody was to trust the certificate since.
        invalid_since: when its key is thought to have been lost, UTC; not after ``now``.

    Raises:
        AlreadyRevoked: it is revoked for good, or on hold and would be again.
        InvalidInput: the reason is not for such a certificate, or the key would be lost in the future.
    """
    if reason not in (allowed := allowed_reasons(is_ca=is_ca)):
        kind = "a CA's certificate" if is_ca else "a certificate that is not a CA's"
        raise InvalidInput(f"{kind} is not revoked for {reason}", hint=f"give one of {', '.join(sorted(allowed))}")
    if invalid_since is not None and invalid_since > now:
        raise InvalidInput(f"{invalid_since:%Y-%m-%d %H:%M:%S} lies in the future", hint="give the time of the loss")
    if current is None:
        return Revocation(_whole(now), reason, None if invalid_since is None else _whole(invalid_since))
    if current.reason is not HOLD or reason is HOLD:
        raise AlreadyRevoked(
            f"the certificate was revoked at {current.revoked_at:%Y-%m-%d %H:%M:%S} UTC for {current.reason}",
            hint="see it with 'mutua cert show'",
        )
    since = current.invalid_since if invalid_since is None else _whole(invalid_since)
    return Revocation(current.revoked_at, reason, since)


def release(current: Revocation | None) -> None:
    """Decide that a certificate comes off hold: nothing else about a revocation can be taken back.

    Raises:
        NotOnHold: it is not revoked, or for good.
    """
    if current is None:
        raise NotOnHold("the certificate is not revoked", hint="see it with 'mutua cert show'")
    if current.reason is not HOLD:
        raise NotOnHold(
            f"the certificate is revoked for {current.reason}, and for good",
            hint="issue another one with 'mutua cert issue'",
        )


def shard_of(serial: int, shards: int) -> int | None:
    """Which part of its CA's CRL covers a new certificate: 1 to ``shards``; ``None`` when there is one CRL for all.

    Fixed for the certificate's life, since the part's address stands in it.
    """
    return serial % shards + 1 if shards > 1 else None


def accepted_base(text: str) -> str:
    """Return ``text``, without a slash at its end, if CRLs, CA certificates and OCSP can be published below it.

    Plain http, on purpose: what is fetched is signed, and over https the fetching client would first have to check
    another certificate (RFC 5280 section 8).

    Raises:
        InvalidAddress: it is not ``http://host``, perhaps with a port and a path.
    """
    if not _BASE.fullmatch(text):
        why = "is https, and what certificates point to is plain http" if text[:6].lower() == "https:" else "is no base"
        raise InvalidAddress(f"{text[:80]!r} {why}", hint="give the address like http://pki.acme.example")
    return text.rstrip("/")


@lru_cache(maxsize=4096)
def addresses(base: str, authority: str, shard: int | None) -> Pointers:
    """Where a certificate's CRL, its issuer's certificate and the OCSP responder are found.

    Args:
        base: an address that ``accepted_base`` takes.
        authority: the id of the CA that issues it.
        shard: the part of the CRL that covers it; ``None`` or 0 for the whole.

    Raises:
        InvalidAddress: the base cannot be used.
    """
    base = accepted_base(base)
    crl = f"{base}/crl/{authority}/{shard}.crl" if shard else f"{base}/crl/{authority}.crl"
    return Pointers(crl=crl, issuer=f"{base}/ca/{authority}.crt", ocsp=f"{base}/ocsp")


def this_update(now: datetime, previous: datetime | None = None) -> datetime:
    """When a CRL made now starts: in the past, so that a peer whose clock is behind accepts it at once.

    Args:
        now: UTC.
        previous: when the CRL before it started. The new one starts later, where that is not in the future: OpenSSL
            keeps the older of two that start in the same second.
    """
    now = _whole(now)
    start = now - CLOCK_SKEW
    return start if previous is None else min(max(start, previous + _SECOND), now)


def next_update(now: datetime, life: timedelta) -> datetime:
    """When a CRL made now ends.

    Raises:
        InvalidLifetime: the life is under ten minutes or over 366 days.
    """
    if not MIN_CRL_LIFE <= life <= MAX_CRL_LIFE:
        raise InvalidLifetime(f"a CRL lives 10 minutes to 366 days, not {life}", hint="a week is a good life")
    return _whole(now) + life


def is_due(*, this_update: datetime, next_update: datetime, event: int, touched: int, now: datetime) -> bool:
    """Whether a CRL has to be made anew.

    Args:
        this_update: since when it holds, UTC. Before that the clock was turned back, and peers would refuse the CRL.
        next_update: until when, UTC.
        event: the last event it covers.
        touched: the last event that changes what it must say.
        now: UTC.
    """
    return touched > event or not this_update <= now < this_update + (next_update - this_update) / 2


def is_listed(not_after: datetime, *, previous: datetime | None) -> bool:
    """Whether a CRL still lists a revoked certificate: until one that started after the certificate's end has.

    That is RFC 5280 section 3.3.

    Args:
        not_after: the certificate's end, UTC.
        previous: when the CRL that is to be replaced started; ``None`` when there is none.
    """
    return previous is None or not_after >= previous


def _whole(moment: datetime) -> datetime:
    """Without the fraction of a second, which neither CRLs nor OCSP can say (RFC 5280 section 4.1.2.5.2)."""
    return moment.replace(microsecond=0)

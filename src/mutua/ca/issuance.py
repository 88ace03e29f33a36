"""What a certificate will say. Everything is decided here; ``mutua.home.authority`` signs and commits."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509

from mutua.errors import InvalidLifetime, InvalidName
from mutua.pki.draft import Draft, Pointers, distinguished_name
from mutua.pki.keys import PublicKey
from mutua.pki.names import DnsName, Name
from mutua.pki.profiles import CLOCK_SKEW, Profile

MAX_NAMES = 100
"""Names in one certificate; more make a chain too large for some peers. Let's Encrypt has the same limit."""


def draft_end_entity(
    profile: Profile,
    names: Sequence[Name],
    public_key: PublicKey,
    *,
    issuer: x509.Certificate,
    serial: int,
    now: datetime,
    common_name: str = "",
    lifetime: timedelta | None = None,
    pointers: Pointers | None = None,
) -> Draft:
    """A server's or a client's certificate.

    Args:
        profile: ``SERVER`` or ``CLIENT``.
        names: for the SubjectAltName, 1 to 100; duplicates are dropped.
        public_key: the key to certify.
        issuer: the issuing CA. The certificate never outlives it.
        serial: of 128 bits; see ``mutua.pki.randomness``.
        now: UTC.
        common_name: the subject; the first name where nothing is given.
        lifetime: from ``now``; the profile's own when not given.
        pointers: where its state will be published.

    Raises:
        InvalidName: no names, or too many.
        InvalidLifetime: not positive, longer than the profile allows, or the issuer has expired.
    """
    unique = tuple(dict.fromkeys(names))
    if len(unique) > MAX_NAMES or not (unique or profile.no_check):
        raise InvalidName(
            f"a certificate carries 1 to {MAX_NAMES} names, not {len(unique)}",
            hint="name what it is for, such as api.acme.example",
        )
    if profile.name == "client" and any(isinstance(name, DnsName) and "*" in name.value for name in unique):
        raise InvalidName("a client's certificate names one client, not a wildcard", hint="give the full name")
    not_before, not_after = validity(profile, lifetime, issuer, now)
    return Draft(
        profile=profile,
        subject=distinguished_name(common_name=common_name or next(map(str, unique), "")),
        names=unique,
        public_key=public_key,
        issuer=issuer,
        serial=serial,
        not_before=not_before,
        not_after=not_after,
        pointers=pointers,
    )


def validity(
    profile: Profile, lifetime: timedelta | None, issuer: x509.Certificate | None, now: datetime
) -> tuple[datetime, datetime]:
    """From when until when: with the profile's clock skew, and never beyond the issuer.

    Raises:
        InvalidLifetime: not positive, longer than the profile allows, or the issuer has expired.
    """
    lifetime = profile.lifetime if lifetime is None else lifetime
    if not timedelta(0) < lifetime <= profile.max_lifetime:
        raise InvalidLifetime(
            f"a {profile.name} certificate lives up to {profile.max_lifetime.days} days, not {lifetime}",
            hint=f"ask for 1 to {profile.max_lifetime.days} days",
        )
    now = now.replace(microsecond=0)
    not_before, not_after = now - CLOCK_SKEW, now + lifetime
    if issuer is not None:
        not_before = max(not_before, issuer.not_valid_before_utc)
        not_after = min(not_after, issuer.not_valid_after_utc)
    if not_after <= now:
        raise InvalidLifetime("the issuing CA has expired", hint="mutua ca rotate")
    return not_before, not_after

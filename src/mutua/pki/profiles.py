"""Profiles: the kinds of certificate mutua makes, each a frozen set of parameters (RFC 5280 section 4.2)."""

from dataclasses import dataclass
from datetime import timedelta

from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

CLOCK_SKEW = timedelta(minutes=5)
"""Certificates start this much in the past, so that a peer whose clock is behind accepts them at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a kind of certificate may do and for how long.

    Attributes:
        name: how the profile is called in settings, listings and events.
        is_ca: whether it signs certificates.
        path_length: how many CAs may follow below a CA; ``None`` for end entities and without limit.
        purpose: the one ExtendedKeyUsage, or ``None`` for a CA, which is not restricted.
        lifetime: how long a certificate lives when nothing is said.
        max_lifetime: the longest that may be asked for.
    """

    name: str
    is_ca: bool = False
    path_length: int | None = None
    purpose: ObjectIdentifier | None = None
    lifetime: timedelta
    max_lifetime: timedelta


ROOT = Profile(
    name="root",
    is_ca=True,
    path_length=1,
    lifetime=timedelta(days=3650),
    max_lifetime=timedelta(days=9131),
)

ISSUING_CA = Profile(
    name="issuing-ca",
    is_ca=True,
    path_length=0,
    lifetime=timedelta(days=1825),
    max_lifetime=timedelta(days=3650),
)

SERVER = Profile(
    name="server",
    purpose=ExtendedKeyUsageOID.SERVER_AUTH,
    lifetime=timedelta(days=90),
    max_lifetime=timedelta(days=398),
)

CLIENT = Profile(
    name="client",
    purpose=ExtendedKeyUsageOID.CLIENT_AUTH,
    lifetime=timedelta(days=90),
    max_lifetime=timedelta(days=365),
)

PROFILES = {profile.name: profile for profile in (ROOT, ISSUING_CA, SERVER, CLIENT)}

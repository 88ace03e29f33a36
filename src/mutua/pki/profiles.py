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
        purpose: the one ExtendedKeyUsage, or ``None`` for a CA.
        no_check: whether nobody need ask if it was revoked (RFC 6960 section 4.2.2.2.1).
        lifetime: how long a certificate lives when nothing is said.
        max_lifetime: the longest that may be asked for.
    """

    name: str
    purpose: ObjectIdentifier | None = None
    no_check: bool = False
    lifetime: timedelta
    max_lifetime: timedelta


ROOT = Profile(
    name="root",
    lifetime=timedelta(days=3650),
    max_lifetime=timedelta(days=9131),
)

ISSUING_CA = Profile(
    name="issuing-ca",
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

OCSP = Profile(
    name="ocsp",
    purpose=ExtendedKeyUsageOID.OCSP_SIGNING,
    no_check=True,
    lifetime=timedelta(days=14),
    max_lifetime=timedelta(days=30),
)
"""Short-lived, since nobody asks whether it was revoked."""

PROFILES = {profile.name: profile for profile in (ROOT, ISSUING_CA, SERVER, CLIENT, OCSP)}

"""An authority of strangers: a root that no home trusts, and what it signs."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509

from mutua.pki.draft import Constraints, Draft, distinguished_name
from mutua.pki.keys import KeyType, PrivateKey
from mutua.pki.names import parse_name
from mutua.pki.profiles import CLOCK_SKEW, ROOT, Profile
from mutua.pki.randomness import generate_key, new_serial
from mutua.tls.identity import Identity
from mutua.tls.trust import Trust

LIFETIME = timedelta(days=1)


@dataclass(frozen=True, slots=True, repr=False)
class ForeignAuthority:
    """A root in memory.

    Attributes:
        key: of the root.
        root: its certificate.
    """

    key: PrivateKey
    root: x509.Certificate

    @property
    def trust(self) -> Trust:
        """Trust in it: only the clients of ``AsgiClient`` have it, for the server that they meet there."""
        return Trust((self.root,))

    def issue(self, profile: Profile, name: str) -> Identity:
        """Make a key and a certificate.

        Args:
            profile: ``SERVER`` or ``CLIENT``.
            name: the subject and the SubjectAltName.
        """
        key = generate_key(KeyType.P256)
        leaf = _draft(profile, name, key, issuer=self.root).sign(self.key)
        return Identity(key, (leaf,))


@cache
def foreign_authority(name: str) -> ForeignAuthority:
    """The authority of that name; always the same one in a process."""
    key = generate_key(KeyType.P256)
    root = _draft(ROOT, name, key, constraints=Constraints(path_length=0)).sign(key)
    return ForeignAuthority(key, root)


def _draft(
    profile: Profile,
    name: str,
    key: PrivateKey,
    *,
    issuer: x509.Certificate | None = None,
    constraints: Constraints | None = None,
) -> Draft:
    now = datetime.now(UTC).replace(microsecond=0)
    return Draft(
        profile=profile,
        subject=distinguished_name(common_name=name),
        names=() if constraints else (parse_name(name),),
        public_key=key.public_key(),
        issuer=issuer,
        serial=new_serial(),
        not_before=now - CLOCK_SKEW,
        not_after=now + LIFETIME,
        constraints=constraints,
    )

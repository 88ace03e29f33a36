"""What there is to say of an identity that is watched."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from mutua.agent.folder import ENROLMENT_FILE, TRUST_FILE, IdentityFolder
from mutua.agent.memory import Memory
from mutua.agent.schedule import Life, life_of, next_renewal
from mutua.agent.settings import WatchedIdentity
from mutua.errors import MutuaError
from mutua.pki.certificates import MAX_BUNDLE_BYTES
from mutua.tls.files import read_file
from mutua.tls.identity import Identity

MAX_PASSWORD_BYTES = 4096

WORRYING = timedelta(days=7)
"""An identity that nobody renews here wants somebody's attention from then on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An identity as it is on the disk now.

    Attributes:
        identity: itself.
        life: of its certificate.
        renewed: whether it is renewed here.
        trust: a hash of its CA certificates, or empty.
    """

    identity: Identity
    life: Life
    renewed: bool
    trust: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityStatus:
    """What there is to say of one.

    Attributes:
        name: how it is called.
        path: where it is.
        renewed: whether it is renewed here; otherwise it is reported only.
        thumbprint: of its certificate; empty where it cannot be read.
        names: in the certificate.
        not_after: when it ends, UTC; ``None`` where it cannot be read.
        next_at: when its renewal is tried next, UTC; ``None`` where nobody renews it.
        succeeded_at: when that last worked, UTC.
        renewals: how often it worked.
        failed: how often it did not, ever.
        failures: how often in a row until now.
        hook_failures: the same of its hooks.
        error: what is wrong, or empty.
    """

    name: str
    path: str
    renewed: bool
    thumbprint: str = ""
    names: tuple[str, ...] = ()
    not_after: datetime | None = None
    next_at: datetime | None = None
    succeeded_at: datetime | None = None
    renewals: int = 0
    failed: int = 0
    failures: int = 0
    hook_failures: int = 0
    error: str = ""

    def state(self, now: datetime) -> str:
        """``unreadable``, ``expired``, ``failing``, ``hooks_failing``, ``ends_soon`` or ``ok``."""
        if self.not_after is None:
            return "unreadable"
        if self.not_after <= now:
            return "expired"
        if self.failures:
            return "failing"
        if self.hook_failures:
            return "hooks_failing"
        return "ends_soon" if not self.renewed and self.not_after - now <= WORRYING else "ok"


def find(watched: WatchedIdentity) -> Found:
    """Read an identity. Raises MutuaError: it cannot be."""
    password = None
    if watched.password_file is not None:
        lines = read_file(watched.password_file, MAX_PASSWORD_BYTES).splitlines()
        password = lines[0] if lines else b""
    identity = Identity.load(watched.path, key=watched.key, password=password)
    enrolment, trust = None, ""
    if is_enrolled(watched):
        folder = IdentityFolder(watched.path)
        enrolment = folder.enrolment()
        trust = hashlib.sha256(read_file(folder.path / TRUST_FILE, MAX_BUNDLE_BYTES)).hexdigest()
    certificate = identity.certificate
    came = None if enrolment is None else enrolment.obtained_at
    return Found(
        identity=identity,
        life=life_of(identity.thumbprint, certificate.not_valid_before_utc, certificate.not_valid_after_utc, came),
        renewed=watched.home is not None or enrolment is not None,
        trust=trust,
    )


def is_enrolled(watched: WatchedIdentity) -> bool:
    """Whether ``mutua enroll`` has made it."""
    return watched.home is None and (watched.path / ENROLMENT_FILE).is_file()


def status_of(watched: WatchedIdentity, memory: Memory, now: datetime) -> IdentityStatus:
    """What there is to say now; nothing is done, and no error escapes."""
    try:
        found = find(watched)
    except MutuaError as error:
        return unreadable_status(watched, memory, error.message)
    return readable_status(watched, found, memory, now)


def unreadable_status(watched: WatchedIdentity, memory: Memory, error: str) -> IdentityStatus:
    """For an identity that cannot be read."""
    return IdentityStatus(
        name=watched.name,
        path=str(watched.path),
        renewed=watched.home is not None or is_enrolled(watched),
        succeeded_at=memory.succeeded_at,
        renewals=memory.renewals,
        failed=memory.failed,
        error=error,
    )


def readable_status(watched: WatchedIdentity, found: Found, memory: Memory, now: datetime) -> IdentityStatus:
    """For an identity that is there."""
    return IdentityStatus(
        name=watched.name,
        path=str(watched.path),
        renewed=found.renewed,
        thumbprint=found.identity.thumbprint,
        names=tuple(map(str, found.identity.names)),
        not_after=found.life.ends,
        next_at=next_renewal(found.life, memory.renewal, now) if found.renewed else None,
        succeeded_at=memory.succeeded_at,
        renewals=memory.renewals,
        failed=memory.failed,
        failures=memory.renewal.count,
        hook_failures=memory.hooks.count,
        error=memory.error if memory.renewal.count or memory.hooks.count or memory.trusting.count else "",
    )

"""The decision on one request. Deny by default; every refusal has a reason."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from mutua.gate.foreign import Verdict
from mutua.gate.paths import problem_with
from mutua.gate.proofs import Proven, prove
from mutua.gate.snapshot import Snapshot, Standing
from mutua.reasons import Reason
from mutua.registry.clients import KnownClient
from mutua.registry.credentials import CredentialKind
from mutua.tls.peer import PeerCertificate

_GOOD = Verdict()


class Request(NamedTuple):
    """What the gate needs to know of a request.

    Attributes:
        method: upper case; ``GET`` for a WebSocket handshake (RFC 6455 section 4.1).
        path: as the application routes on it, decoded once.
        raw_path: as sent, without the query; ``None`` if the server does not tell.
    """

    method: str
    path: str
    raw_path: bytes | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A decision against.

    Attributes:
        reason: the stable reason.
        detail: what exactly was wrong, for the log; never for the peer.
        client: the client's name, as far as it is known.
        thumbprint: x5t#S256 of the certificate that was shown, if one was.
    """

    reason: Reason
    detail: str
    client: str | None = None
    thumbprint: str | None = None


def decide(
    snapshot: Snapshot | None, peer: PeerCertificate | None, request: Request, now: datetime
) -> KnownClient | Refusal:
    """Admit a request as a known client, or refuse it.

    Args:
        snapshot: the registry; ``None`` when it has been out of reach for too long.
        peer: the certificate whose possession the peer has proved on this connection.
        request: what it asks for.
        now: UTC.
    """
    who = identify(snapshot, peer, now)
    if isinstance(who, Refusal):
        return who
    return authorize(who, request)


class Identified(NamedTuple):
    """A peer the registry knows, as one snapshot says.

    Attributes:
        known: for the application.
        standing: for the rest of the decision.
        expires: when its certificate or credential does, in seconds since 1970; until then the snapshot says the same.
        warnings: why it may have been revoked without anybody here knowing it, for the log.
    """

    known: KnownClient
    standing: Standing
    expires: float
    warnings: tuple[str, ...] = ()


def identify(snapshot: Snapshot | None, peer: PeerCertificate | None, now: datetime) -> Identified | Refusal:
    """Who the peer is: the half of the decision that is the same for every request of a connection."""
    if snapshot is None:
        return Refusal(Reason.STALE_REGISTRY, "the registry has been out of reach for too long")
    if peer is None:
        return Refusal(Reason.NO_CERTIFICATE, "no client certificate on this connection")
    thumbprint, not_before, not_after = peer.thumbprint, peer.not_before, peer.not_after
    found = prove(snapshot, peer, now)
    name = found.client if isinstance(found, Proven) else None
    standing = snapshot.clients.get(name) if name is not None else None
    if now < not_before:
        return Refusal(Reason.NOT_YET_VALID, f"valid from {not_before:%Y-%m-%dT%H:%M:%SZ}", name, thumbprint)
    if now > not_after:
        return Refusal(Reason.EXPIRED, f"expired at {not_after:%Y-%m-%dT%H:%M:%SZ}", name, thumbprint)
    if thumbprint in snapshot.revoked:
        return Refusal(Reason.REVOKED, "the certificate is revoked", name, thumbprint)
    if standing is None or not isinstance(found, Proven):
        detail = found if isinstance(found, str) else "the certificate belongs to no client"
        return Refusal(Reason.UNKNOWN_CLIENT, detail, None, thumbprint)
    foreign = snapshot.foreign.judge(peer, now) if found.kind is not CredentialKind.ISSUED else _GOOD
    if foreign.revoked:
        return Refusal(Reason.REVOKED, foreign.revoked, name, thumbprint)
    if standing.suspended:
        return Refusal(Reason.SUSPENDED, "the client is suspended", name, thumbprint)
    if foreign.stale:
        return Refusal(Reason.STALE_REGISTRY, foreign.stale, name, thumbprint)
    expires = min(filter(None, (not_after, found.ends_at, foreign.until)))
    known = KnownClient(found.client, thumbprint, found.kind)
    return Identified(known, standing, expires.timestamp(), foreign.tolerated)


def authorize(who: Identified, request: Request) -> KnownClient | Refusal:
    """What it may call: the half of the decision that is made anew on every request."""
    known = who.known
    if problem := problem_with(request.path, request.raw_path):
        return Refusal(Reason.MALFORMED, problem, known.name, known.thumbprint)
    if not who.standing.rules.allow(request.method, request.path):
        detail = f"no grant covers {request.method} {request.path}"
        return Refusal(Reason.NOT_GRANTED, detail, known.name, known.thumbprint)
    return known

"""The decision on one request. Deny by default; every refusal has a reason."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from mutua.gate.foreign import Verdict
from mutua.gate.paths import problem_with
from mutua.gate.proofs import Proven, prove
from mutua.gate.snapshot import NO_RULES, Rules, Snapshot, Standing
from mutua.reasons import Reason
from mutua.registry.clients import KnownClient
from mutua.registry.credentials import CredentialKind
from mutua.tls.peer import PeerCertificate

_GOOD = Verdict()

_ISSUED = CredentialKind.ISSUED  # to look into an enumeration takes as long as to look into a dictionary

_OF_THE_REQUEST = frozenset({Reason.NOT_GRANTED, Reason.MALFORMED, Reason.UNTRUSTED_FORWARDER})


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


class Refusal(NamedTuple):
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

    @property
    def is_of_client(self) -> bool:
        """Whether it holds whatever the client asks for, so that there is no use in its connection."""
        return self.reason not in _OF_THE_REQUEST


@dataclass(frozen=True, slots=True)
class Anyone:
    """Somebody without a certificate, let in because what was asked for is public.

    A type of its own, with neither a name nor a thumbprint: it cannot be mistaken for a known client.
    """


Decision = KnownClient | Anyone | Refusal

NO_CERTIFICATE = Refusal(Reason.NO_CERTIFICATE, "no client certificate on this connection")
"""What ``identify`` says of a peer that has shown none, and of nobody else."""


def decide(
    snapshot: Snapshot | None,
    peer: PeerCertificate | None,
    request: Request,
    now: datetime,
    public: Rules = NO_RULES,
) -> Decision:
    """Admit a request as a known client's, or as anyone's, or refuse it.

    Args:
        snapshot: the registry; ``None`` when it has been out of reach for too long.
        peer: the certificate whose possession the peer has proved on this connection; ``None`` where it has shown
            none at all. A bad one never comes this far.
        request: what it asks for.
        now: UTC.
        public: what may be called without a certificate, and by every known client.
    """
    return judge(identify(snapshot, peer, now), request, public)


def judge(who: "Identified | Refusal", request: Request, public: Rules) -> Decision:
    """The rest of the decision, for whoever it is."""
    if isinstance(who, Identified):
        return authorize(who, request, public)
    return welcome(request, public) if who is NO_CERTIFICATE else who


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
        return NO_CERTIFICATE
    return recognize(snapshot, peer, now.timestamp()) or examine(snapshot, peer, now)


def recognize(snapshot: Snapshot, peer: PeerCertificate, at: float) -> Identified | None:
    """Who the peer is, where it has a certificate of ours and nothing is against it: most who call.

    ``None`` says that something is, or that it may be known in another way: ``examine`` tells.

    Args:
        snapshot: the registry.
        peer: its certificate.
        at: now, in seconds since 1970.
    """
    thumbprint = peer.thumbprint
    name = snapshot.issued.get(thumbprint)  # which nothing revoked is in
    standing = snapshot.clients.get(name) if name is not None else None
    if name is None or standing is None or standing.suspended or not peer.begins <= at <= peer.ends:
        return None
    return Identified(KnownClient(name, thumbprint, _ISSUED), standing, peer.ends)


def examine(snapshot: Snapshot, peer: PeerCertificate, now: datetime) -> Identified | Refusal:
    """Who anybody is that shows a certificate, and why not; it needs nothing that ``recognize`` has found out.

    Args:
        snapshot: the registry.
        peer: its certificate.
        now: UTC.
    """
    thumbprint, not_before, not_after = peer.thumbprint, peer.not_before, peer.not_after
    found = prove(snapshot, peer, now)
    taken_back = snapshot.revoked.get(thumbprint)
    name = taken_back or (found.client if isinstance(found, Proven) else None)
    standing = snapshot.clients.get(name) if name is not None else None
    if now < not_before:
        return Refusal(Reason.NOT_YET_VALID, f"valid from {not_before:%Y-%m-%dT%H:%M:%SZ}", name, thumbprint)
    if now > not_after:
        return Refusal(Reason.EXPIRED, f"expired at {not_after:%Y-%m-%dT%H:%M:%SZ}", name, thumbprint)
    if taken_back is not None:
        return Refusal(Reason.REVOKED, "the certificate is revoked", name, thumbprint)
    if standing is None or not isinstance(found, Proven):
        detail = found if isinstance(found, str) else "the certificate belongs to no client"
        return Refusal(Reason.UNKNOWN_CLIENT, detail, None, thumbprint)
    foreign = snapshot.foreign.judge(peer, now) if found.kind is not _ISSUED else _GOOD
    if foreign.revoked:
        return Refusal(Reason.REVOKED, foreign.revoked, name, thumbprint)
    if standing.suspended:
        return Refusal(Reason.SUSPENDED, "the client is suspended", name, thumbprint)
    if foreign.stale:
        return Refusal(Reason.STALE_REGISTRY, foreign.stale, name, thumbprint)
    expires = min(filter(None, (not_after, found.ends_at, foreign.until)))
    known = KnownClient(found.client, thumbprint, found.kind)
    return Identified(known, standing, expires.timestamp(), foreign.tolerated)


def authorize(who: Identified, request: Request, public: Rules = NO_RULES) -> KnownClient | Refusal:
    """What it may call: the half of the decision that is made anew on every request."""
    known = who.known
    if problem := problem_with(request.path, request.raw_path):
        return Refusal(Reason.MALFORMED, problem, known.name, known.thumbprint)
    method, path = request.method, request.path
    if not (who.standing.rules.allow(method, path) or public.allow(method, path)):
        detail = f"no grant covers {method} {path}"
        return Refusal(Reason.NOT_GRANTED, detail, known.name, known.thumbprint)
    return known


def welcome(request: Request, public: Rules) -> Anyone | Refusal:
    """What somebody may call who has shown no certificate."""
    if not public.grants:
        return NO_CERTIFICATE
    if problem := problem_with(request.path, request.raw_path):
        return Refusal(Reason.MALFORMED, problem)
    return Anyone() if public.allow(request.method, request.path) else NO_CERTIFICATE

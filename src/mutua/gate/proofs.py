"""Whose certificate it is: a certificate of ours, a pinned one, or a name below a CA that is pinned by its key."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from mutua.gate.snapshot import Proof, Snapshot
from mutua.registry.credentials import CredentialKind, Form, names_to_match
from mutua.tls.peer import PeerCertificate

_CERTIFICATE, _KEY = Form.CERTIFICATE, Form.KEY  # to look into an enumeration takes longer than all the rest


class Proven(NamedTuple):
    """Whom a certificate proves.

    Attributes:
        client: its name.
        kind: of the credential that matched.
        ends_at: when the credential stops to count, UTC; ``None`` for not before the certificate does.
    """

    client: str
    kind: CredentialKind
    ends_at: datetime | None = None


def prove(snapshot: Snapshot, peer: PeerCertificate, now: datetime) -> Proven | str:
    """Whom the peer's certificate proves; or why nobody, for the log.

    The most exact credential decides: a certificate of ours, then a pinned certificate, a pinned key, a subject. Of
    those that are revoked, which prove nobody, ``Snapshot.revoked`` tells.
    """
    client = snapshot.issued.get(peer.thumbprint)
    if client is not None:
        return Proven(client, CredentialKind.ISSUED)
    pinned = snapshot.pins and (_pin(snapshot, peer, now))
    if pinned:
        return Proven(pinned.client, CredentialKind.PIN, pinned.ends_at)
    if snapshot.authorities.isdisjoint(peer.issuer_keys):
        return "the certificate belongs to no client"
    claims = list(_claims(snapshot, peer, now))
    if not claims:
        return "no client is known by any of its names below that CA"
    if len({claim.client for claim in claims}) > 1:
        # Two of its names are two clients': whichever is meant, the other one would be called by it.
        return "its names are those of several clients: " + ", ".join(sorted({claim.client for claim in claims})[:4])
    longest = max(claims, key=lambda claim: (claim.ends_at is None, claim.ends_at or now))
    return Proven(longest.client, CredentialKind.SUBJECT, longest.ends_at)


def _pin(snapshot: Snapshot, peer: PeerCertificate, now: datetime) -> Proof | None:
    for key in ((_CERTIFICATE, peer.thumbprint), (_KEY, peer.key)):
        proof = snapshot.pins.get(key)
        if proof is not None and _counts(proof, now):
            return proof
    return None


def _claims(snapshot: Snapshot, peer: PeerCertificate, now: datetime) -> Iterator[Proof]:
    """Every subject that matches: a name in the certificate, and a pinned CA above it on the verified path."""
    authorities = snapshot.authorities.intersection(peer.issuer_keys)
    for form, name in names_to_match(peer.leaf):
        for authority in authorities:
            for proof in snapshot.subjects.get((authority, form, name), ()):
                if _counts(proof, now):
                    yield proof


def _counts(proof: Proof, now: datetime) -> bool:
    return proof.ends_at is None or now <= proof.ends_at

"""Certificates no authority of ours would hand out in the ordinary way."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from mutua import Home
from mutua.home.sealing import Cost
from mutua.pki.draft import Draft, distinguished_name
from mutua.pki.keys import KeyType, PrivateKey
from mutua.pki.names import DnsName, parse_name
from mutua.pki.profiles import CLIENT, Profile
from mutua.pki.randomness import generate_key, new_serial
from mutua.tls.identity import Identity


def present_identities(home: Home, stranger: Path) -> dict[str, Identity | None]:
    """What the clients of the refusal cases show, by case; the registry is set up for them."""
    authority = home.authority
    for name in ("revoked", "suspended"):
        home.clients.add(name, allow=["GET /**"])
    home.clients.add("narrow", allow=["GET /elsewhere/**", "POST /status"])
    revoked = authority.issue_client("revoked")
    home.revocation.revoke(revoked.thumbprint)
    home.clients.suspend("suspended")
    woovi = home.identities.load("woovi")
    now = datetime.now(UTC)
    return {
        "good": woovi,
        "no certificate": None,
        "stranger's CA": strangers_identity(stranger),
        "expired": client_identity(home, from_=now - timedelta(days=2), until=now - timedelta(days=1)),
        "not yet valid": client_identity(home, from_=now + timedelta(days=1), until=now + timedelta(days=2)),
        "wrong purpose": authority.issue_server("woovi.example"),
        "weak key": client_identity(home, key=rsa.generate_private_key(65537, 1024)),
        "revoked": revoked,
        "unregistered": unregistered_identity(home),
        "suspended": authority.issue_client("suspended"),
        "outside the grant": authority.issue_client("narrow"),
        "malformed path": woovi,
    }


def strangers_identity(folder: Path) -> Identity:
    """A client's identity from a CA of the same name, with other keys."""
    with Home.create(folder, name="Acme Payments", sealing_cost=Cost(n=2**10)) as other:
        other.clients.add("woovi")
        return other.authority.issue_client("woovi")


def unregistered_identity(home: Home) -> Identity:
    """A certificate of our own CA that belongs to no client."""
    key = generate_key(KeyType.P256)
    leaf = home.authority.issue(CLIENT, [DnsName("nobody")], key.public_key())
    return Identity(key, (leaf, home.hierarchy.issuing.certificate))


def client_identity(
    home: Home,
    *,
    key: PrivateKey | None = None,
    from_: datetime | None = None,
    until: datetime | None = None,
) -> Identity:
    """A client certificate signed by our CA behind the back of its rules."""
    return end_entity(home, CLIENT, "woovi", key=key, from_=from_, until=until)


def end_entity(
    home: Home,
    profile: Profile,
    name: str,
    *,
    key: PrivateKey | None = None,
    from_: datetime | None = None,
    until: datetime | None = None,
) -> Identity:
    """A certificate of any profile for any time, in no inventory."""
    key = key or generate_key(KeyType.P256)
    now = datetime.now(UTC)
    issuer = home.hierarchy.issuing
    leaf: x509.Certificate = Draft(
        profile=profile,
        subject=distinguished_name(common_name=name),
        names=(parse_name(name),),
        public_key=key.public_key(),
        issuer=issuer.certificate,
        serial=new_serial(),
        not_before=(from_ or now - timedelta(hours=1)).replace(microsecond=0),
        not_after=(until or now + timedelta(days=1)).replace(microsecond=0),
    ).sign(home.keys.of(issuer))
    return _unchecked(key, (leaf, issuer.certificate))


def _unchecked(key: PrivateKey, chain: tuple[x509.Certificate, ...]) -> Identity:
    """An identity whose key mutua would not accept."""
    identity = object.__new__(Identity)
    object.__setattr__(identity, "key", key)
    object.__setattr__(identity, "chain", chain)
    return identity

"""Asking for a renewal, in both ways."""

from mutua import Home, Identity
from mutua.pki.certificates import write_der
from mutua.pki.keys import PrivateKey
from mutua.pki.requests import read_request, write_request
from mutua.pki.statements import write_statement
from mutua.pki.thumbprints import x5t_s256
from mutua.tls.peer import PeerCertificate


def peer_of(identity: Identity) -> PeerCertificate:
    """As whom a door sees it."""
    return PeerCertificate.read(tuple(map(write_der, identity.chain)))


def statement_of(home: Home, identity: Identity, key: PrivateKey | None = None) -> str:
    """A statement with which the identity asks for a certificate for a key; its own when none is given."""
    request = read_request(write_request(key or identity.key, ())).der
    audience = x5t_s256(identity.chain[1])
    return write_statement(identity.key, identity.certificate, request, now=home.now(), audience=audience)


def by_connection(home: Home, identity: Identity, key: PrivateKey | None = None) -> Identity:
    """The successor, for a key or the same."""
    key = key or identity.key
    return Identity(key, home.renewal.by_connection(peer_of(identity), write_request(key, ())).chain)


def by_statement(home: Home, identity: Identity, key: PrivateKey | None = None) -> Identity:
    """The successor, for a key or the same."""
    return Identity(key or identity.key, home.renewal.by_statement(statement_of(home, identity, key)).chain)

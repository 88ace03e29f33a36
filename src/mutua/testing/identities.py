"""Everybody who may come to a server's door: each function makes one, with a certificate that looks like any other."""

from collections.abc import Iterable
from datetime import timedelta

from mutua.errors import ClientExists, UnknownClient
from mutua.home.home import Home
from mutua.pki.keys import KeyType
from mutua.pki.names import DnsName
from mutua.pki.profiles import CLIENT
from mutua.pki.randomness import generate_key
from mutua.testing.foreign import foreign_authority
from mutua.testing.home import UnsafeHome
from mutua.tls.identity import Identity

EVERYTHING = ("* /**",)

# A CA is valid from five minutes before it is made (``mutua.pki.profiles.CLOCK_SKEW``), and nothing it signs before it.
_BACK = timedelta(minutes=-4)
_SOON_OVER = timedelta(minutes=1)
_AHEAD = timedelta(days=1)


def known(home: Home, name: str = "known", *, allow: Iterable[str] | None = None) -> Identity:
    """A client that gets in.

    Args:
        home: whose registry knows it.
        name: 1 to 63 lower-case letters, digits and inner hyphens.
        allow: what it may call, such as ``"POST /webhook/*"``; the client is then new. When not given, it is
            registered with leave to call everything unless it is there already.

    Raises:
        ClientExists: ``allow`` was given, and the registry knows that name.
    """
    if allow is not None:
        home.clients.add(name, allow=allow)
    return home.authority.issue_client(_registered(home, name))


def stranger(home: Home, name: str = "stranger") -> Identity:
    """Somebody with a certificate of a CA of their own, refused in the handshake.

    Args:
        home: has nothing to do with it; here so that all of these are called in the same way.
        name: what the certificate says, even if it is that of a client.
    """
    del home
    return foreign_authority("Somebody Else").issue(CLIENT, name)


def expired(home: UnsafeHome, name: str = "expired") -> Identity:
    """A known client whose certificate ended minutes ago, refused in the handshake."""
    _registered(home, name)
    with home.at(_BACK):
        return home.authority.issue_client(name, lifetime=_SOON_OVER)


def not_yet_valid(home: UnsafeHome, name: str = "not-yet-valid") -> Identity:
    """A known client whose certificate begins tomorrow, refused in the handshake."""
    _registered(home, name)
    with home.at(_AHEAD):
        return home.authority.issue_client(name)


def wrong_purpose(home: Home, name: str = "wrong-purpose") -> Identity:
    """Somebody who shows a server's certificate of the home's own CA, refused in the handshake."""
    return home.authority.issue_server(name)


def revoked(home: Home, name: str = "revoked") -> Identity:
    """A known client with a certificate that was revoked, refused by the gate."""
    identity = home.authority.issue_client(_registered(home, name))
    home.revocation.revoke(identity.thumbprint)
    return identity


def suspended(home: Home, name: str = "suspended") -> Identity:
    """A known client that is suspended, refused by the gate."""
    identity = home.authority.issue_client(_registered(home, name))
    home.clients.suspend(name)
    return identity


def outside_grant(home: Home, name: str = "outside-grant") -> Identity:
    """A client that may call nothing, refused by the gate.

    Raises:
        ClientExists: the client of that name may call something.
    """
    _registered(home, name, allow=())
    if home.clients.get(name).grants:
        raise ClientExists(f"the client {name!r} has grants", hint="take another name")
    return home.authority.issue_client(name)


def unregistered(home: Home, name: str = "unregistered") -> Identity:
    """Somebody with a certificate of the home's own CA that belongs to no client, refused by the gate."""
    key = generate_key(KeyType.P256)
    leaf = home.authority.issue(CLIENT, [DnsName(name)], key.public_key(), common_name=name)
    return Identity(key, (leaf, home.hierarchy.issuing.certificate))


def _registered(home: Home, name: str, *, allow: Iterable[str] = EVERYTHING) -> str:
    try:
        home.clients.require(name)
    except UnknownClient:
        home.clients.add(name, allow=allow)
    return name

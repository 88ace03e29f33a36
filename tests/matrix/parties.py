"""Who takes part: a server for each kind of key, and for each kind everybody who may come to its door."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from mutua.cli.demo.actors import PASSWORD_FILE, PKCS12_FILE, Actor
from mutua.home.files import write_file
from mutua.home.home import CA_FILE
from mutua.pki.keys import KeyType
from mutua.testing.home import UnsafeHome
from mutua.tls.identity import CHAIN_FILE, KEY_FILE, Identity
from tests.outbound.clients.callers import Caller

KEYS = {"P-256": KeyType.P256, "RSA-2048": KeyType.RSA2048, "Ed25519": KeyType.ED25519}
VERSIONS = ("1.2", "1.3")
ROLES = ("good", "none", "stranger", "expired", "revoked", "wrong purpose")

_BACK, _SOON_OVER = timedelta(minutes=-4), timedelta(minutes=1)


@dataclass(frozen=True)
class Parties:
    """Everybody.

    Attributes:
        home: knows the clients; its doors are called, and its CAs and CRLs are what other servers believe.
        folder: with an empty folder in it.
        actors: by role and key; nobody for ``none``.
    """

    home: UnsafeHome
    folder: Path
    actors: dict[tuple[str, str], Actor | None]

    @classmethod
    def make(cls, folder: Path) -> "Parties":
        home = UnsafeHome.make(folder / "home", name="matrix")
        actors: dict[tuple[str, str], Actor | None] = {}
        with UnsafeHome.make(folder / "stranger", name="matrix") as strangers:
            for name in ("good", "revoked"):
                home.clients.add(name, allow=["GET /**"])
            strangers.clients.add("good")
            for key, kind in KEYS.items():
                home.identities.save(server_name(key), home.authority.issue_server("127.0.0.1", key_type=kind))
                for role, identity in _clients(home, strangers, kind).items():
                    actors[role, key] = None if identity is None else _written(folder / f"{role}-{key}", identity)
        home.crls.publish_all()
        (folder / "nothing").mkdir()
        return cls(home, folder, actors)

    @property
    def ca_file(self) -> Path:
        return self.home.path / CA_FILE

    @property
    def nothing(self) -> Path:
        """An empty folder."""
        return self.folder / "nothing"

    def server(self, key: str) -> Identity:
        return self.home.identities.load(server_name(key))

    def callers(self) -> dict[tuple[str, str], Caller]:
        """The same for clients in this process: their contexts are made once."""
        trust = self.home.trust
        return {each: Caller(actor.identity if actor else None, trust) for each, actor in self.actors.items()}


def server_name(key: str) -> str:
    """The server's identity in the home."""
    return f"server-{key.lower()}"


def _clients(home: UnsafeHome, strangers: UnsafeHome, kind: KeyType) -> dict[str, Identity | None]:
    revoked = home.authority.issue_client("revoked", key_type=kind)
    home.revocation.revoke(revoked.thumbprint)
    with home.at(_BACK):
        expired = home.authority.issue_client("good", key_type=kind, lifetime=_SOON_OVER)
    return {
        "good": home.authority.issue_client("good", key_type=kind),
        "none": None,
        "stranger": strangers.authority.issue_client("good", key_type=kind),
        "expired": expired,
        "revoked": revoked,
        "wrong purpose": home.authority.issue_server("good.example", key_type=kind),
    }


def _written(folder: Path, identity: Identity) -> Actor:
    """For clients that read files: PEM, and PKCS#12 with its password beside it."""
    folder.mkdir(mode=0o700)
    password = secrets.token_hex(16).encode()
    leaf, *others = identity.chain
    bundle = pkcs12.serialize_key_and_certificates(
        b"identity", identity.key, leaf, others, BestAvailableEncryption(password)
    )
    files = {
        KEY_FILE: identity.key_pem(),
        CHAIN_FILE: identity.chain_pem(),
        PKCS12_FILE: bundle,
        PASSWORD_FILE: password,
    }
    for name, content in files.items():
        write_file(folder / name, content)
    return Actor(identity, folder)

"""Everyone in the demo: whom clients present themselves as, and whom servers do."""

import os
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from mutua.ca.hierarchy import draft_root
from mutua.ca.issuance import draft_end_entity
from mutua.cli.demo.cases import KNOWN, Role, Site
from mutua.home.home import CA_FILE, Home
from mutua.pki.draft import Draft, distinguished_name
from mutua.pki.keys import PrivateKey
from mutua.pki.names import DnsName, parse_name
from mutua.pki.profiles import CLIENT, SERVER, Profile
from mutua.pki.randomness import generate_key, new_serial
from mutua.tls.identity import CHAIN_FILE, KEY_FILE, Identity
from mutua.tls.trust import Trust

HOST = "127.0.0.1"
WRONG_HOST = "api.elsewhere.example"
PKCS12_FILE = "identity.p12"
PASSWORD_FILE = "identity.password"  # noqa: S105 -- the name of a file


@dataclass(frozen=True, slots=True)
class Actor:
    """An identity, and the folder with its ``key.pem``, ``chain.pem``, ``identity.p12`` and that file's password."""

    identity: Identity
    folder: Path

    @property
    def key_file(self) -> Path:
        return self.folder / KEY_FILE

    @property
    def chain_file(self) -> Path:
        return self.folder / CHAIN_FILE


class Cast:
    """Makes the demo's identities, writes them for programs to read, and remembers who is who.

    Args:
        home: a new home.
        folder: where the clients' files go; keys 0600.
    """

    def __init__(self, home: Home, folder: Path) -> None:
        self._home = home
        self._folder = folder
        self._stranger = Stranger(home.now())
        self._actors: dict[tuple[Role, str], Actor] = {}
        folder.mkdir(mode=0o700)
        self.ca_file = home.path / CA_FILE
        self.no_anchors = folder / "no-anchors"
        self.no_anchors.mkdir(mode=0o700)
        self.trust = home.trust

    def found_sites(self) -> None:
        """Save an identity for each server."""
        issue = self._home.authority.issue_server
        save = self._home.identities.save
        save(Site.API, issue("localhost", HOST))
        save(Site.WRONG_NAME, issue(WRONG_HOST))
        save(Site.STRANGER, self._stranger.server(HOST))

    def trust_in(self, site: Site) -> Trust:
        """Trust that believes this server, even where a client should not."""
        return self._stranger.trust if site is Site.STRANGER else self.trust

    def register_partner(self) -> None:
        """The known client, and one with a certificate whom nobody registered."""
        home = self._home
        home.clients.add(Role.PARTNER, allow=[f"GET /demo/*/{KNOWN.name}"])
        self._enter(Role.PARTNER, "", home.authority.issue_client(Role.PARTNER))
        key = generate_key()
        leaf = home.authority.issue(CLIENT, [DnsName("unregistered.example")], key.public_key())
        self._enter(Role.UNREGISTERED, "", Identity(key, (leaf, home.hierarchy.issuing.certificate)))

    def cast(self, client: str, *, live: bool) -> None:
        """Make what one client shows: certificates of its own, by whose thumbprints the server's lines are found.

        Args:
            client: its name in paths.
            live: whether it takes part in the case of a client that is suspended while connected.
        """
        self._enter(Role.STRANGER, client, self._stranger.client(f"{client}.stranger.example"))
        self._enter(Role.EXPIRED, client, self._expired(f"{client}.expired.example"))
        if live:
            name = self.leaver(client)
            self._home.clients.add(name, allow=[f"GET /demo/{client}/*"])
            self._enter(Role.LEAVER, client, self._home.authority.issue_client(name))

    def leaver(self, client: str) -> str:
        """The name in the registry of the one that is suspended while ``client`` is connected as it."""
        return f"{Role.LEAVER}-{client}"

    def actor(self, role: Role, client: str) -> Actor | None:
        """Whom ``client`` presents itself as; ``None`` for nobody."""
        if role is Role.NOBODY:
            return None
        return self._actors.get((role, client)) or self._actors[role, ""]

    def _enter(self, role: Role, client: str, identity: Identity) -> None:
        folder = self._folder / (f"{role}-{client}" if client else role)
        folder.mkdir(mode=0o700)
        _write_private(folder / KEY_FILE, identity.key_pem())
        _write_private(folder / CHAIN_FILE, identity.chain_pem())
        password = secrets.token_hex(16).encode()
        _write_private(folder / PASSWORD_FILE, password)
        leaf, *others = identity.chain
        bundle = pkcs12.serialize_key_and_certificates(
            b"identity", identity.key, leaf, others, BestAvailableEncryption(password)
        )
        _write_private(folder / PKCS12_FILE, bundle)
        self._actors[role, client] = Actor(identity, folder)

    def _expired(self, name: str) -> Identity:
        """A certificate of the home's own CA that ended yesterday. ``Authority`` would never issue one."""
        issuing = self._home.hierarchy.issuing
        now = self._home.now().replace(microsecond=0)
        key = generate_key()
        draft = Draft(
            profile=CLIENT,
            subject=distinguished_name(common_name=name),
            names=(DnsName(name),),
            public_key=key.public_key(),
            issuer=issuing.certificate,
            serial=new_serial(),
            not_before=now - timedelta(days=31),
            not_after=now - timedelta(days=1),
        )
        leaf = draft.sign(self._home.keys.of(issuing))
        return Identity(key, (leaf, issuing.certificate))


class Stranger:
    """A CA that nobody here trusts."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._key: PrivateKey = generate_key()
        self._root = draft_root("A Stranger", self._key.public_key(), serial=new_serial(), now=now).sign(self._key)

    @property
    def trust(self) -> Trust:
        return Trust((self._root,))

    def client(self, name: str) -> Identity:
        return self._issue(CLIENT, name)

    def server(self, name: str) -> Identity:
        return self._issue(SERVER, name)

    def _issue(self, profile: Profile, name: str) -> Identity:
        key = generate_key()
        draft = draft_end_entity(
            profile, [parse_name(name)], key.public_key(), issuer=self._root, serial=new_serial(), now=self._now
        )
        return Identity(key, (draft.sign(self._key),))


def _write_private(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)

"""Home: the folder with settings, store, passphrase and identities, and the way to everything in it."""

import errno
import logging
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mutua.ca.hierarchy import AuthorityState
from mutua.errors import HomeExists, HomeNotFound, MutuaError, UnreadableFile
from mutua.gate.snapshot import Snapshot
from mutua.home import snapshots
from mutua.home.audit import Audit, make_audit_key
from mutua.home.authority import Authority
from mutua.home.clients import Clients
from mutua.home.credentials import Credentials
from mutua.home.crls import Crls
from mutua.home.files import PUBLIC_FILE, alone, clear_away, require_private, sync_directory, update_file, write_file
from mutua.home.hierarchy import Hierarchy
from mutua.home.identities import Identities
from mutua.home.invitations import Invitations
from mutua.home.keys import Keys
from mutua.home.passphrase import (
    PENDING_FILE,
    accepted_passphrase,
    changed_passphrase,
    find_passphrase,
    finish_change,
    is_change_pending,
    passphrase_for_new_home,
    passphrases,
)
from mutua.home.renewal import Renewal
from mutua.home.requests import Requests
from mutua.home.revocation import Revocation
from mutua.home.sealing import Cost, Sealer
from mutua.home.settings import SETTINGS_FILE, Settings, TokenSettings, read_settings, settings_text
from mutua.pki.certificates import read_certificate, write_pem
from mutua.pki.keys import KeyType
from mutua.registry.credentials import Role
from mutua.store import authorities, credentials, events
from mutua.store.events import Event
from mutua.store.store import Store
from mutua.tls.trust import Trust

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mutua.home.tokens import TokenKeys

STORE_FILE = "store.db"
CA_FILE = "ca.pem"
DEFAULT_FOLDER = Path(".mutua")

log = logging.getLogger("mutua.home")


class Home:
    """An authority with its registry. Made by ``Home.create`` and ``Home.open``.

    Attributes:
        path: the folder.
        settings: what ``mutua.toml`` says.
        store: the database.
        clients: acts on the registry.
        authority: certificates for servers and clients.
        requests: certificates for keys that were made elsewhere.
        invitations: first certificates, for whoever holds a token.
        renewal: certificates that follow one before.
        revocation: certificates taken back.
        hierarchy: the CAs.
        keys: where their private keys are.
        crls: the revocation lists.
        audit: the trail of everything that was done.
        identities: keys and chains on disk.
        actor: who is named in the audit trail.
    """

    def __init__(self, path: Path, settings: Settings, store: Store, actor: str, sealer: Sealer | None) -> None:
        self.path = path
        self.settings = settings
        self.store = store
        self.clients = Clients(self)
        self.credentials = Credentials(self)
        self.authority = Authority(self)
        self.requests = Requests(self)
        self.invitations = Invitations(self)
        self.renewal = Renewal(self)
        self.revocation = Revocation(self)
        self.hierarchy = Hierarchy(self)
        self.keys = Keys(self)
        self.crls = Crls(self)
        self.audit = Audit(self)
        self.identities = Identities(path / "identities")
        self.actor = actor
        self._sealer = sealer
        self._sealer_given = sealer is not None

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str] = DEFAULT_FOLDER,
        *,
        name: str = "mutua",
        key_type: KeyType = KeyType.P256,
        passphrase: str | None = None,
        actor: str | None = None,
        sealing_cost: Cost | None = None,
        store: str | None = None,
        token: TokenSettings | None = None,
        revocation_url: str | None = None,
    ) -> "Home":
        """Make a home: a root CA, an issuing CA below it, and an empty registry.

        Args:
            path: the folder, made with mode 0700; nothing may be there yet, or an empty folder.
            name: the organization in the CA certificates, 1 to 64 characters.
            key_type: the CAs' keys.
            passphrase: seals them; when not given it comes from the environment, or a random one is
                made and kept in the home.
            actor: who is named in the audit trail; the operating system's user when not given.
            sealing_cost: scrypt's parameters; the default takes 128 MiB.
            store: the URL of an empty PostgreSQL database; ``store.db`` in the home when not given.
            token: makes the CA keys in this token instead of sealing them in the store.
            revocation_url: where CRLs and OCSP will be published, for every certificate from the first CA's on.

        Raises:
            HomeExists: something is there already; nothing was touched.
            InvalidName: the organization's name cannot be used. InvalidAddress: an address cannot.
            InvalidInput: the passphrase cannot.
            UnreadableFile: no folder can be made there.
        """
        folder, text = Path(path), settings_text(name, store=store, token=token, revocation_url=revocation_url)
        given = None if passphrase is None else accepted_passphrase(passphrase.encode())
        if os.path.lexists(folder) and not _is_empty_directory(folder):
            raise HomeExists(
                f"there is something at '{folder}' already", hint=f"use it, or look first: ls -la '{folder}'"
            )
        # Built aside and renamed into place, so that a home is there whole or not at all.
        with _refusals_of(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            building = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        made: Store | None = None
        try:
            write_file(building / ".gitignore", b"*\n")
            write_file(building / SETTINGS_FILE, text.encode())
            make_audit_key(building)
            secret = given or passphrase_for_new_home(building)
            settings, sealer = read_settings(building), Sealer(secret, sealing_cost)
            actor = actor or _user()
            made = Store.create(store or building / STORE_FILE)
            with cls(building, settings, made, actor, sealer) as home:
                home.hierarchy.found(key_type)
                home.publish_bundle()
                home.crls.publish_due()
            with _refusals_of(folder):
                building.rename(folder)
        except BaseException:
            if made is not None:
                made.discard()
            shutil.rmtree(building, ignore_errors=True)
            raise
        sync_directory(folder.parent)
        return cls(folder, settings, Store.open(store or folder / STORE_FILE), actor, sealer)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        passphrase: str | None = None,
        actor: str | None = None,
    ) -> "Home":
        """Open a home.

        Args:
            path: the folder; ``MUTUA_HOME`` or ``./.mutua`` when not given.
            passphrase: unseals the CA keys; looked for, when first needed, in the environment and the home.
            actor: who is named in the audit trail; the operating system's user when not given.

        Raises:
            HomeNotFound: there is none. UnsafeHome: another user owns the folder or can write it.
            InvalidSettings, UnreadableStore: it is damaged.
        """
        folder = Path(path or os.environ.get("MUTUA_HOME") or DEFAULT_FOLDER)
        if not (folder / SETTINGS_FILE).is_file():
            raise HomeNotFound(f"there is no home at '{folder}'", hint="mutua init")
        require_private(folder)
        sealer = Sealer(passphrase.encode()) if passphrase is not None else None
        settings = read_settings(folder)
        home = cls(folder, settings, Store.open(settings.store or folder / STORE_FILE), actor or _user(), sealer)
        try:
            home.audit.adopt()
        except BaseException:
            home.close()
            raise
        return home

    def another(self, actor: str) -> "Home":
        """The same home with a store of its own, for a thread that acts under its own name.

        Args:
            actor: who is named in the audit trail.
        """
        made = Home(self.path, self.settings, Store.open(self.settings.store or self.path / STORE_FILE), actor, None)
        made._sealer, made._sealer_given = self._sealer, self._sealer_given
        return made

    @property
    def sealer(self) -> Sealer:
        """Unseals the CA keys; asks for the passphrase on first use, so that serving never needs it."""
        if self._sealer is None:
            if is_change_pending(self.path):
                with alone(self.path):
                    self._finish_change()
            self._sealer = Sealer(find_passphrase(self.path))
        return self._sealer

    def other_sealers(self) -> Iterator[Sealer]:
        """What may open keys that the sealer does not: the passphrase may have been changed since it was read.

        Whoever iterates stops at the one that does, and it is the sealer from then on.
        """
        if not self._sealer_given:
            before = self._sealer
            for passphrase in passphrases(self.path):
                self._sealer = Sealer(passphrase)
                yield self._sealer
            self._sealer = before

    def change_passphrase(self, passphrase: bytes, *, cost: Cost | None = None) -> int:
        """Seal the CA keys under another passphrase; where the home keeps its passphrase, that is replaced too.

        Killed at any moment, the home is left with a passphrase that opens its keys.

        Returns:
            How many keys were sealed anew.

        Raises:
            InvalidInput: it is empty, too long, or ends with a line end.
            MissingPassphrase, WrongPassphrase: the keys stay sealed as they are.
        """
        fresh = Sealer(accepted_passphrase(passphrase), cost)
        self.sealer  # noqa: B018 -- found before anything is written
        with alone(self.path):
            clear_away(self.path, "passphrase", PENDING_FILE)
            self._finish_change()
            with changed_passphrase(self.path, passphrase):
                count = self.keys.reseal(fresh)
        self._sealer = fresh
        return count

    def _finish_change(self) -> None:
        finish_change(self.path, lambda pending: self.keys.are_opened_by(Sealer(pending)))

    @cached_property
    def token(self) -> "TokenKeys":
        """The token that the settings name; asks for its PIN on first use."""
        from mutua.home.tokens import TokenKeys, find_pin  # noqa: PLC0415 -- most homes have none

        assert self.settings.pkcs11 is not None
        return TokenKeys(self.settings.pkcs11.module, self.settings.pkcs11.token, find_pin)

    @property
    def trust(self) -> Trust:
        """Trust in this home's CAs: what its servers and clients verify each other with."""
        return Trust(tuple(record.certificate for record in self.hierarchy.trusted()))

    @property
    def trust_in_clients(self) -> Trust:
        """What a server verifies clients with: this home's CAs, and the CAs and certificates of its partners.

        A path that ends there only gets a client through the handshake: the registry says whether it is known.
        """
        with self.store.read() as connection:
            ours = authorities.everyone(connection)
            anchors, between = (
                tuple(map(read_certificate, credentials.certificates(connection, *roles)))
                for roles in ((Role.LEAF, Role.ANCHOR), (Role.INTERMEDIATE,))
            )
        trusted = (each.certificate for each in ours if each.state is not AuthorityState.RETIRED)
        return Trust(tuple(trusted), partners=anchors, intermediates=between)

    def publish_bundle(self) -> None:
        """Bring ``ca.pem`` in line with the store: every CA that is trusted, old and new ones together.

        Raises:
            DiskFull, UnreadableFile: it cannot be written, and stays as it was.
        """
        with alone(self.path):
            clear_away(self.path, CA_FILE)
            update_file(self.path / CA_FILE, write_pem(self.trust.anchors), mode=PUBLIC_FILE)

    def publish(self) -> None:
        """Bring ``ca.pem`` and the CRLs in line with a change that is in the store already.

        What cannot be published now is told in the log: it does not undo the change, and whichever process of ours
        runs makes it good.
        """
        try:
            self.publish_bundle()
            self.crls.publish_due()
        except MutuaError as error:
            log.warning("the change is made, and what is published lags behind it: %s", error.message)

    def snapshot(self) -> Snapshot:
        """What the registry says now, as the gate wants it."""
        return snapshots.load(self)

    def now(self) -> datetime:
        """The time, UTC."""
        return datetime.now(UTC)

    def event(self, kind: str, subject: str, body: Mapping[str, Any]) -> Event:
        """Something that is being done now, by whoever opened this home."""
        return Event(at=self.now(), actor=self.actor, kind=kind, subject=subject, body=body)

    def record(self, connection: "Connection", *happened: Event) -> int:
        """Add events to the transaction of the changes they tell of; returns the id of the last."""
        return self.record_all(connection, happened)

    def record_all(self, connection: "Connection", happened: Iterable[Event]) -> int:
        """The same of many, of which each is made and forgotten before the next."""
        return events.append(connection, happened, self.audit.sign, self.audit.check_signature)

    def close(self) -> None:
        """Close the store, and log out of the token if it was used."""
        if "token" in vars(self):
            self.token.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Home '{self.path}' of {self.settings.name!r}>"


def _user() -> str:
    try:
        # From the system's own records: LOGNAME and USER say whatever the caller likes.
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


@contextmanager
def _refusals_of(folder: Path) -> Iterator[None]:
    """The system's refusal to make ``folder``, as an error of ours."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOTEMPTY, errno.EEXIST} and folder.is_dir():
            raise HomeExists(f"another process made '{folder}' meanwhile", hint=f"look: ls -la '{folder}'") from None
        # A mount point, the current folder and a link cannot be replaced by the finished home.
        hint = f"take a folder inside it: --home '{folder / 'home'}'" if folder.is_dir() else "give another --home"
        raise UnreadableFile(f"no home can be made at '{folder}': {error.strerror}", hint=hint) from None


def _is_empty_directory(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())

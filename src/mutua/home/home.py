"""Home: the folder with settings, store, passphrase and identities, and the way to everything in it."""

import errno
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mutua.ca.hierarchy import draft_issuing_ca, draft_root
from mutua.errors import HomeExists, HomeNotFound, UnreadableFile
from mutua.gate.snapshot import Snapshot
from mutua.home.authority import Authority
from mutua.home.clients import Clients
from mutua.home.files import PUBLIC_FILE, require_private, sync_directory, write_file
from mutua.home.identities import Identities
from mutua.home.passphrase import find_passphrase, passphrase_for_new_home
from mutua.home.sealing import Cost, Sealer
from mutua.home.settings import SETTINGS_FILE, Settings, read_settings, settings_text
from mutua.pki.certificates import write_pem
from mutua.pki.keys import KeyType
from mutua.pki.randomness import generate_key, new_serial
from mutua.store import authorities, events, inventory, registry
from mutua.store.authorities import AuthorityRecord
from mutua.store.events import Event
from mutua.store.store import Store
from mutua.tls.trust import Trust

if TYPE_CHECKING:
    from sqlalchemy import Connection

STORE_FILE = "store.db"
CA_FILE = "ca.pem"
DEFAULT_FOLDER = Path(".mutua")


class Home:
    """An authority with its registry. Made by ``Home.create`` and ``Home.open``.

    Attributes:
        path: the folder.
        settings: what ``mutua.toml`` says.
        store: the database.
        clients: acts on the registry.
        authority: acts of the CA.
        identities: keys and chains on disk.
    """

    def __init__(self, path: Path, settings: Settings, store: Store, actor: str, sealer: Sealer | None) -> None:
        self.path = path
        self.settings = settings
        self.store = store
        self.clients = Clients(self)
        self.authority = Authority(self)
        self.identities = Identities(path / "identities")
        self._actor = actor
        self._given_sealer = sealer

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

        Raises:
            HomeExists: something is there already; nothing was touched.
            InvalidName: the organization's name cannot be used.
            UnreadableFile: no folder can be made there.
        """
        folder, text = Path(path), settings_text(name)
        if os.path.lexists(folder) and not _is_empty_directory(folder):
            raise HomeExists(
                f"there is something at '{folder}' already", hint=f"use it, or look first: ls -la '{folder}'"
            )
        # Built aside and renamed into place, so that a home is there whole or not at all.
        with _refusals_of(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            building = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            write_file(building / ".gitignore", b"*\n")
            write_file(building / SETTINGS_FILE, text.encode())
            secret = passphrase.encode() if passphrase is not None else passphrase_for_new_home(building)
            sealer = Sealer(secret, sealing_cost)
            actor = actor or _user()
            with cls(building, Settings(name=name), Store.create(building / STORE_FILE), actor, sealer) as home:
                home._found_authority(key_type)
                write_file(building / CA_FILE, write_pem(home.trust.anchors), mode=PUBLIC_FILE)
            with _refusals_of(folder):
                building.rename(folder)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
        sync_directory(folder.parent)
        return cls(folder, Settings(name=name), Store.open(folder / STORE_FILE), actor, sealer)

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
        settings, store = read_settings(folder), Store.open(folder / STORE_FILE)
        return cls(folder, settings, store, actor or _user(), sealer)

    @cached_property
    def sealer(self) -> Sealer:
        """Unseals the CA keys; asks for the passphrase on first use, so that serving never needs it."""
        return self._given_sealer or Sealer(find_passphrase(self.path))

    @property
    def trust(self) -> Trust:
        """Trust in this home's CAs: what its servers and clients verify each other with."""
        return Trust(tuple(record.certificate for record in self.authority.authorities()))

    def snapshot(self) -> Snapshot:
        """What the registry says now, as the gate wants it."""
        with self.store.read() as connection:
            return Snapshot.of(events.last_id(connection), registry.everyone(connection), inventory.revoked(connection))

    def verify_audit(self) -> int:
        """Recompute the whole event chain.

        Returns:
            How many events there are.

        Raises:
            BrokenAudit: an event was changed, removed or added behind mutua's back.
        """
        with self.store.read() as connection:
            return events.verify(connection)

    def now(self) -> datetime:
        """The time, UTC."""
        return datetime.now(UTC)

    def record(self, connection: "Connection", kind: str, subject: str, body: Mapping[str, Any]) -> None:
        """Add an event to the transaction of the change it tells of."""
        events.append(connection, Event(at=self.now(), actor=self._actor, kind=kind, subject=subject, body=body))

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Home '{self.path}' of {self.settings.name!r}>"

    def _found_authority(self, key_type: KeyType) -> None:
        now, organization = self.now(), self.settings.name
        root_key, issuing_key = generate_key(key_type), generate_key(key_type)
        root = draft_root(organization, root_key.public_key(), serial=new_serial(), now=now).sign(root_key)
        issuing = draft_issuing_ca(
            organization, issuing_key.public_key(), root=root, serial=new_serial(), now=now
        ).sign(root_key)
        with self.store.write() as connection:
            for identifier, profile, certificate, key in (
                ("root", "root", root, root_key),
                ("issuing-1", "issuing-ca", issuing, issuing_key),
            ):
                record = AuthorityRecord(
                    id=identifier,
                    profile=profile,
                    certificate=certificate,
                    sealed_key=self.sealer.seal(identifier, key),
                    created_at=now,
                )
                authorities.add(connection, record)
                facts = {"profile": profile, "not_after": certificate.not_valid_after_utc.isoformat()}
                self.record(connection, "authority.created", identifier, facts)


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

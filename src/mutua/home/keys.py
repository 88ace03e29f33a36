"""Where CA keys live: sealed in the store, or in a token. Whoever signs gets an object that signs, and no more."""

import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cryptography import x509

from mutua.errors import AlreadyExists, InvalidAuthority, KeyMismatch, OfflineKey, UnreadableKey, WrongPassphrase
from mutua.home.exported import exported_key, load_exported_key
from mutua.home.files import write_new_file
from mutua.home.sealing import Sealer
from mutua.pki.keys import KeyType, PrivateKey, accepted_public_key, public_key_bytes
from mutua.store import authorities
from mutua.store.authorities import AuthorityRecord

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mutua.home.home import Home

TOKEN_URI = "pkcs11:"  # noqa: S105 -- a URI scheme (RFC 7512)

log = logging.getLogger("mutua.keys")


class KeyMaker(Protocol):
    """Makes CA keys and finds them again.

    The keys are whatever cryptography's builders sign with: those of a token hold a handle and no secret.
    """

    def make(self, authority: str, kind: KeyType) -> tuple[PrivateKey, str]:
        """Make a key for a CA; with it comes what to store, from which ``load`` finds it."""

    def load(self, authority: str, stored: str) -> PrivateKey:
        """Find a CA's key."""


class Keys:
    """The CA keys of a home: ``home.keys``."""

    def __init__(self, home: "Home") -> None:
        self._home = home
        self._loaded: dict[tuple[str, str], PrivateKey] = {}

    def make(self, authority: str, kind: KeyType) -> tuple[PrivateKey, str]:
        """Make a key for a new CA, in the token where the settings name one."""
        maker: KeyMaker = self._home.token if self._home.settings.pkcs11 else self._home.sealer
        key, stored = maker.make(authority, kind)
        self._loaded[authority, stored] = key
        return key, stored

    def is_free(self, authority: str) -> bool:
        """Whether a key can be made for a CA of that name: a token may have one whose CA never came to be."""
        return self._home.settings.pkcs11 is None or not self._home.token.has(authority)

    def seal(self, authority: str, key: PrivateKey) -> str:
        """Seal a key that was made elsewhere, under the passphrase of those that are here.

        Raises:
            MissingPassphrase, WrongPassphrase: they stay sealed.
        """
        if witness := self._witness(self._home.hierarchy.everyone(), authority):
            self.of(witness)
        stored = self._home.sealer.seal(authority, key)
        self._loaded[authority, stored] = key
        return stored

    def of(self, record: AuthorityRecord) -> PrivateKey:
        """The key of a CA.

        Raises:
            OfflineKey: it was exported. MissingPassphrase, WrongPassphrase: it stays sealed.
            TokenUnavailable: its token cannot be used.
        """
        if record.key is None:
            raise OfflineKey(
                f"the key of the CA {record.id!r} was taken out of this store",
                hint=f"bring it back for the moment: mutua ca import --key {record.id} FILE",
            )
        found = self._loaded.get((record.id, record.key))
        if found is None:
            found = self._loaded[record.id, record.key] = self._load(record.id, record.key)
        return found

    def export(self, authority: str, path: Path) -> AuthorityRecord:
        """Move a CA's sealed key out into a file; issuing goes on below the CA, and what needs its key says so.

        Its CRL is made once more before that, to last for as long as a CRL may.

        Args:
            authority: the CA's id.
            path: of the file, which must not be there yet. It needs the passphrase of this day to be of use.

        Raises:
            AlreadyExists: the file is there. OfflineKey: the key was taken out before.
            InvalidAuthority: the key is in a token, and never leaves it; or it was sealed anew at this very moment.
        """
        record = self._home.hierarchy.get(authority)
        if record.key is not None and record.key.startswith(TOKEN_URI):
            raise InvalidAuthority(
                f"the key of the CA {authority!r} is in a token and never leaves it", hint="take the token offline"
            )
        key = self.of(record)
        assert record.key is not None
        if os.path.lexists(path):
            raise AlreadyExists(f"there is something at '{path}' already", hint="give another --out")
        self._home.crls.make_last(record)
        write_new_file(path, exported_key(authority, record.certificate, record.key))
        if not _are_one(key, self._load(authority, load_exported_key(path, authority, record.certificate))):
            raise KeyMismatch(f"'{path}' does not hold what was written", hint="try another disk; nothing was removed")
        exported = self._set(record, None, "authority.key_exported")
        self._scrub()
        return exported

    def restore(self, authority: str, path: Path, *, passphrase: bytes | None = None) -> AuthorityRecord:
        """Bring an exported key back.

        Args:
            authority: the CA's id.
            path: of the file that ``export`` made.
            passphrase: under which it was sealed, where that has been changed since.

        Raises:
            UnreadableFile, UnreadableKey: it is no exported key. WrongPassphrase: it was sealed under another.
            KeyMismatch: it is another CA's. InvalidAuthority: the CA's key is here.
        """
        record = self._home.hierarchy.get(authority)
        if record.key is not None:
            raise InvalidAuthority(f"the key of the CA {authority!r} is here", hint="mutua ca show")
        sealed = load_exported_key(path, authority, record.certificate)
        key = self._load(authority, sealed) if passphrase is None else Sealer(passphrase).load(authority, sealed)
        if not _are_one(key, record.certificate):
            raise KeyMismatch(f"the key in '{path}' is not that of the CA {authority!r}", hint="give its own key")
        restored = self._set(record, self.seal(authority, key), "authority.key_imported")
        self._home.publish()
        return restored

    def reseal(self, fresh: Sealer) -> int:
        """Seal every key in the store under another passphrase, in one transaction.

        Returns:
            How many keys there were.
        """
        with self._home.store.write() as connection:
            sealed = {
                record.id: fresh.seal(record.id, self.of(record))
                for record in authorities.everyone(connection)
                if _is_sealed(record)
            }
            for authority, stored in sealed.items():
                authorities.set_key(connection, authority, stored)
            digests = {authority: self.digest(stored) for authority, stored in sealed.items()}
            self._home.record(connection, self._home.event("keys.resealed", "keys", {"keys": digests}))
        self._home.authority.issuing.forget()
        self._scrub()
        return len(sealed)

    def are_opened_by(self, sealer: Sealer) -> bool:
        """Whether there are sealed keys in the store, and this opens every one."""
        sealed = [record for record in self._home.hierarchy.everyone() if _is_sealed(record)]
        try:
            for record in sealed:
                sealer.load(record.id, record.key or "")
        except WrongPassphrase:
            return False
        return bool(sealed)

    def sealed(self, connection: "Connection", record: AuthorityRecord) -> AuthorityRecord:
        """A CA that is about to be stored, with its key sealed under the passphrase of those that are stored.

        It may have been changed since the key was sealed, by another process.

        Args:
            connection: a writing transaction.
            record: the CA, whose key was made or loaded here.
        """
        if not _is_sealed(record):
            return record
        key, witness = self.of(record), self._witness(authorities.everyone(connection), record.id)
        if witness is None:
            return record
        self.of(witness)
        return replace(record, key=self._home.sealer.seal(record.id, key))

    def digest(self, stored: str | None) -> str | None:
        """What the audit trail keeps of where a key is, so that a change behind its back is seen."""
        return None if stored is None else sha256(stored.encode()).hexdigest()

    def _set(self, record: AuthorityRecord, stored: str | None, kind: str) -> AuthorityRecord:
        with self._home.store.write() as connection:
            current = next(each for each in authorities.everyone(connection) if each.id == record.id)
            if current.key != record.key:
                raise InvalidAuthority(
                    f"the key of the CA {record.id!r} was sealed anew or moved meanwhile; nothing was changed",
                    hint="look, and do it again: mutua ca show",
                )
            changed = self.sealed(connection, replace(current, key=stored))
            authorities.set_key(connection, record.id, changed.key)
            self._home.record(connection, self._home.event(kind, record.id, {"key": self.digest(changed.key)}))
        self._home.authority.issuing.forget()
        return changed

    def _witness(self, known: Iterable[AuthorityRecord], authority: str) -> AuthorityRecord | None:
        """Another CA whose key is sealed in the store; best one that was unsealed before, which takes long."""
        sealed = [each for each in known if each.id != authority and _is_sealed(each)]
        return min(sealed, key=lambda each: (each.id, each.key) not in self._loaded, default=None)

    def _scrub(self) -> None:
        """What was sealed before is to be found nowhere any more, neither by an old passphrase nor beside the file."""
        if not self._home.store.scrub():
            log.warning("the sealed key that was here may be left in the database's files for a while")

    def _load(self, authority: str, stored: str) -> PrivateKey:
        if stored.startswith(TOKEN_URI):
            if self._home.settings.pkcs11 is None:
                raise UnreadableKey(
                    f"the key of the CA {authority!r} is in a token", hint="name it in mutua.toml under [pkcs11]"
                )
            return self._home.token.load(authority, stored)
        try:
            return self._home.sealer.load(authority, stored)
        except WrongPassphrase:
            for sealer in self._home.other_sealers():
                with suppress(WrongPassphrase):
                    return sealer.load(authority, stored)
            raise


def _are_one(key: PrivateKey, other: PrivateKey | x509.Certificate) -> bool:
    public = accepted_public_key(other.public_key())
    return public_key_bytes(key.public_key()) == public_key_bytes(public)


def _is_sealed(record: AuthorityRecord) -> bool:
    return record.key is not None and not record.key.startswith(TOKEN_URI)

"""The audit trail of a home: every event chained to the one before, the end of the chain signed.

The key that signs the end is a file of the home and no part of the store, so that whoever can write the database
alone can neither cut the trail nor write it anew.
"""

from collections.abc import Generator, Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mutua.errors import BrokenAudit, UnreadableKey
from mutua.home.checkpoint import Checkpoint, draw_checkpoint
from mutua.home.files import sync_directory, write_file
from mutua.pki.keys import KeyType, read_private_key, write_private_key
from mutua.pki.randomness import generate_key
from mutua.pki.thumbprints import x5t_s256
from mutua.store import authorities, events
from mutua.store.events import GENESIS, Head, Recorded
from mutua.store.replay import replay
from mutua.tls.files import read_file

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mutua.home.home import Home

AUDIT_KEY_FILE = "audit.key"
PENDING_KEY_FILE = "audit.key.new"
MAX_AUDIT_KEY_BYTES = 4096
PUBLIC_KEY_BYTES = 32
"""Of Ed25519 (RFC 8032 section 5.1.5)."""


def make_audit_key(folder: Path, name: str = AUDIT_KEY_FILE) -> None:
    """Make a home's audit key."""
    write_file(folder / name, write_private_key(generate_key(KeyType.ED25519)))


class Audit:
    """The audit trail of a home: ``home.audit``."""

    def __init__(self, home: "Home") -> None:
        self._home = home
        self._vouched: tuple[bytes, bytes] | None = None

    def sign(self, message: bytes) -> bytes:
        """Sign a head: the public key, so that a wrong key file is told from a changed trail, and the signature."""
        signature = self._public_key + self._key.sign(message)
        self._vouched = message, signature
        return signature

    def verify(self, against: Checkpoint | None = None) -> int:
        """Recompute the chain, check the signature of its end, replay the events and compare every table with them.

        Args:
            against: what was noted of the trail earlier; it must be a part of it.

        Returns:
            How many events there are.

        Raises:
            BrokenAudit: events were changed, removed or added behind mutua's back, or the store is an older copy; or
                rows are not what the events say, and then the error carries the differences.
            UnreadableKey: the audit key is missing.
        """
        _ = self._key  # missing, it is missed at once and not after all has been read
        with self._home.store.read() as connection, events.any_text(connection):
            differences = replay(connection, self._vouched_for(connection, against))
            count = events.last_id(connection)
        if differences.count:
            more = f", and {differences.count - 1} more" if differences.count > 1 else ""
            raise BrokenAudit(
                f"the store is not what its events say: {differences.listed[0]}{more}",
                hint="find out who could write the store; compare with a backup",
                differences=tuple(differences.listed),
                count=differences.count,
            )
        return count

    def check_signature(self, head: Head) -> None:
        """Whether the end of the chain is one that mutua signed, or nothing was ever written.

        Raises:
            BrokenAudit: it is not. UnreadableKey: the audit key is missing.
        """
        if (events.head_bytes(head.count, head.hash), head.signature) == self._vouched:
            return  # signed right here: most transactions follow one of the same process
        if head != Head(0, GENESIS, None):
            self._require_signed(head)

    def checkpoint(self) -> Checkpoint:
        """What there is now, signed, to be kept where nobody who can write the store can write.

        Raises:
            BrokenAudit: the end of the trail is not one that mutua signed.
        """
        with self._home.store.read() as connection:
            head = events.head(connection)
        self._require_signed(head)
        return draw_checkpoint(self._key, count=head.count, digest=head.hash, at=self._home.now())

    def after(self, identifier: int) -> Iterator[Recorded]:
        """The events after one, in order, read as they are iterated; 0 for all. They are not verified."""
        with self._home.store.read() as connection:
            yield from events.after(connection, identifier)

    def newest(self, count: int) -> list[Recorded]:
        """The newest events, at most ``count``, the oldest of them first. They are not verified."""
        with self._home.store.read() as connection:
            return events.newest(connection, count)

    def adopt(self) -> None:
        """Sign the trail of a home from before heads were signed, once it has been verified; else do nothing.

        Only a home without an audit key is one: where there is a key, a signature that is missing was removed.
        """
        path, pending = self._home.path / AUDIT_KEY_FILE, self._home.path / PENDING_KEY_FILE
        if path.exists():
            return
        with self._home.store.read() as connection:
            signed = events.head(connection).signature is not None
        if not signed:
            with self._home.store.write() as connection:
                if events.head(connection).signature is None:
                    events.verify(connection)
                    make_audit_key(self._home.path, PENDING_KEY_FILE)
                    self._key = _read_key(pending)
                    event = self._home.event("audit.signed", "head", {"authorities": self._found(connection)})
                    events.append(connection, [event], self.sign)
        # Only what has signed is the key: whoever is killed before this line has it done by the next.
        with suppress(FileNotFoundError):
            pending.rename(path)
            sync_directory(self._home.path)

    def _vouched_for(self, connection: "Connection", against: Checkpoint | None) -> Generator[Recorded, None, None]:
        """Every event; behind the last one an error unless mutua signed the end of this chain."""
        yield from events.chain(connection)
        head = events.head(connection)
        self._require_signed(head)
        if against is not None:
            self._require_noted(connection, head, against)

    def _found(self, connection: "Connection") -> dict[str, object]:
        """The CAs as they are, for the events of 0.1.0 did not say."""
        return {
            each.id: {"certificate": x5t_s256(each.certificate), "key": self._home.keys.digest(each.key)}
            for each in authorities.everyone(connection)
        }

    def _require_signed(self, head: Head) -> None:
        path = self._home.path / AUDIT_KEY_FILE
        if head.signature is None:
            raise BrokenAudit(
                "the signature of the audit trail's head was removed", hint="compare with a backup of the store"
            )
        signer, signature = head.signature[:PUBLIC_KEY_BYTES], head.signature[PUBLIC_KEY_BYTES:]
        if signer != self._public_key:
            raise BrokenAudit(
                f"the head of the audit trail was signed with another key than '{path}'",
                hint="put this home's own audit.key back; if that is the one, the trail was written anew",
            )
        try:
            self._key.public_key().verify(signature, events.head_bytes(head.count, head.hash))
        except InvalidSignature:
            raise BrokenAudit(
                "the audit trail was cut or written anew: its head is not one that was signed with the audit key",
                hint="compare with a backup of the store",
            ) from None

    def _require_noted(self, connection: "Connection", head: Head, noted: Checkpoint) -> None:
        when = f"{noted.at:%Y-%m-%d %H:%M} UTC"
        if noted.public_key != self._public_key:
            raise BrokenAudit(
                f"the checkpoint of {when} was signed with another audit key than this home's",
                hint="give one of this home; if it is, then the home was made anew, key and all",
            )
        if noted.count > head.count:
            raise BrokenAudit(
                f"the store was rolled back: its trail ends at event {head.count}, and had {noted.count} at {when}",
                hint="find the newer store; suspend and revoke again what the older one has forgotten",
            )
        if events.hash_of(connection, noted.count) != noted.hash:
            raise BrokenAudit(
                f"the audit trail was written anew: event {noted.count} is not the one of the checkpoint of {when}",
                hint="find the store that the checkpoint is of, or a backup from about then",
            )

    @cached_property
    def _key(self) -> Ed25519PrivateKey:
        path = self._home.path / AUDIT_KEY_FILE
        if not path.exists():
            raise UnreadableKey(
                f"the audit key is missing: there is no '{path}'", hint="bring it back from a backup of the home"
            )
        return _read_key(path)

    @cached_property
    def _public_key(self) -> bytes:
        return self._key.public_key().public_bytes_raw()


def _read_key(path: Path) -> Ed25519PrivateKey:
    key = read_private_key(read_file(path, MAX_AUDIT_KEY_BYTES))
    if not isinstance(key, Ed25519PrivateKey):
        raise UnreadableKey(f"'{path}' is not an audit key", hint="restore it from a backup of the home")
    return key

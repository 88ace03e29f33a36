"""The audit trail of a home: every event chained to the one before, the end of the chain signed.

The key that signs the end is a file of the home and no part of the store, so that whoever can write the database
alone can neither cut the trail nor write it anew.
"""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mutua.errors import BrokenAudit, UnreadableKey
from mutua.home.files import write_file
from mutua.pki.keys import KeyType, read_private_key, write_private_key
from mutua.pki.randomness import generate_key
from mutua.store import events
from mutua.store.events import Head
from mutua.tls.files import read_file

if TYPE_CHECKING:
    from mutua.home.home import Home

AUDIT_KEY_FILE = "audit.key"
MAX_AUDIT_KEY_BYTES = 4096


def make_audit_key(folder: Path) -> None:
    """Make a home's audit key."""
    write_file(folder / AUDIT_KEY_FILE, write_private_key(generate_key(KeyType.ED25519)))


class Audit:
    """The audit trail of a home: ``home.audit``."""

    def __init__(self, home: "Home") -> None:
        self._home = home

    def sign(self, message: bytes) -> bytes:
        """Sign a head."""
        return self._key.sign(message)

    def verify(self) -> int:
        """Recompute the whole event chain and check the signature of its end.

        Returns:
            How many events there are.

        Raises:
            BrokenAudit: an event was changed, removed or added behind mutua's back.
        """
        with self._home.store.read() as connection:
            head = events.verify(connection)
        self.check_signature(head)
        return head.count

    def check_signature(self, head: Head) -> None:
        """Whether the end of the chain is the one that mutua signed.

        Raises:
            BrokenAudit: it is not.
        """
        try:
            self._key.public_key().verify(head.signature or b"", events.head_bytes(head.count, head.hash))
        except InvalidSignature:
            raise BrokenAudit(
                "the head of the audit trail is not signed by this home's audit key",
                hint=f"compare with a backup; is '{self._home.path / AUDIT_KEY_FILE}' the right one?",
            ) from None

    def adopt(self) -> None:
        """Sign the trail of a store from before heads were signed, once it has been verified; else do nothing."""
        with self._home.store.read() as connection:
            if events.head(connection).signature is not None:
                return
        if not (self._home.path / AUDIT_KEY_FILE).exists():
            make_audit_key(self._home.path)
        with self._home.store.write() as connection:
            if events.head(connection).signature is None:
                events.verify(connection)
                self._home.record(connection, self._home.event("audit.signed", "head", {}))

    @cached_property
    def _key(self) -> Ed25519PrivateKey:
        path = self._home.path / AUDIT_KEY_FILE
        key = read_private_key(read_file(path, MAX_AUDIT_KEY_BYTES))
        if not isinstance(key, Ed25519PrivateKey):
            raise UnreadableKey(f"'{path}' is not an audit key", hint="restore it from a backup of the home")
        return key

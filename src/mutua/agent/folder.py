"""A folder with an identity that is renewed here: ``key.pem`` and ``chain.pem``, ``trust.pem``, ``enrolment.json``.

The folder is a link to a version that is never changed, as in a home, so that all of it is replaced by one rename. The
key of a certificate that is still to come waits in ``.pending/NAME`` beside it, so that a process that was killed, or
has lost the answer, asks again with the same key.
"""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mutua.agent.enrolment import MAX_ENROLMENT_BYTES, Enrolment, read_enrolment, write_enrolment
from mutua.errors import IdentityBusy, InvalidInput, Unreadable
from mutua.home.files import PRIVATE_DIRECTORY, clear_away, refusals, require_private, write_file
from mutua.home.identities import Identities
from mutua.pki.certificates import write_pem
from mutua.pki.keys import KeyType, PrivateKey, key_type_of, public_key_bytes, read_private_key, write_private_key
from mutua.pki.randomness import generate_key
from mutua.tls.files import read_file
from mutua.tls.identity import KEY_FILE, MAX_IDENTITY_BYTES, Identity
from mutua.tls.trust import Trust

TRUST_FILE = "trust.pem"
ENROLMENT_FILE = "enrolment.json"

_PENDING = ".pending"
_ROOM_FILE = "room"

ROOM_BYTES = 64 * 1024
"""What has to fit on the disk before anybody is asked for a certificate: more than an identity with its CAs takes."""


class IdentityFolder:
    """One identity on disk.

    Args:
        path: of the folder; those above it are made when it is written.

    Raises:
        InvalidInput: it cannot be called so.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(os.path.abspath(path))  # noqa: PTH100 -- resolve would follow the link that this is about
        self._identities = Identities(self.path.parent)
        self._identities.path(self.path.name)
        self._pending = self.path.parent / _PENDING / self.path.name

    @property
    def exists(self) -> bool:
        """Whether something is there."""
        return os.path.lexists(self.path)

    def load(self) -> Identity:
        """The identity. Raises MutuaError: as ``Identity.load``."""
        return Identity.load(self.path)

    def trust(self) -> Trust:
        """What its servers are verified with. Raises Unreadable: there is nothing, or it is damaged."""
        return Trust.load(self.path / TRUST_FILE)

    def enrolment(self) -> Enrolment | None:
        """Where it comes from; ``None`` where nobody has enrolled it.

        Raises:
            UnreadableFile, UnreadableContents: that cannot be read.
        """
        file = self.path / ENROLMENT_FILE
        return read_enrolment(read_file(file, MAX_ENROLMENT_BYTES)) if file.exists() else None

    def save(self, identity: Identity, trust: Trust | None, enrolment: Enrolment | None, *, replace: bool) -> None:
        """Replace everything, or nothing.

        Raises:
            AlreadyExists: something is there and ``replace`` was not given.
            DiskFull, UnreadableFile: it cannot be written; what was there stays.
        """
        beside: dict[str, bytes] = {}
        if trust is not None:
            beside[TRUST_FILE] = write_pem(trust.anchors)
        if enrolment is not None:
            beside[ENROLMENT_FILE] = write_enrolment(enrolment)
        self._identities.save(self.path.name, identity, replace=replace, beside=beside)
        self.forget_pending()

    def require_room(self) -> None:
        """See that there is room: a certificate that cannot be written counts at the authority as one that is lost.

        Call it ``alone``.

        Raises:
            DiskFull, UnreadableFile: there is none.
        """
        room = self._pending / _ROOM_FILE
        try:
            write_file(room, os.urandom(ROOM_BYTES))  # zeros take no room on some file systems
        finally:
            with suppress(OSError):
                room.unlink(missing_ok=True)

    def pending_key(self, kind: KeyType) -> PrivateKey:
        """The key of the certificate that comes next: the one that waits, or a new one. Call it ``alone``.

        Raises:
            DiskFull, UnreadableFile: it cannot be written, and so nothing will be asked for.
        """
        file = self._pending / KEY_FILE
        with suppress(Unreadable):
            waiting = read_private_key(read_file(file, MAX_IDENTITY_BYTES))
            if key_type_of(waiting.public_key()) is kind and not self._is_in_use(waiting):
                return waiting
        fresh = generate_key(kind)
        write_file(file, write_private_key(fresh))
        return fresh

    def _is_in_use(self, key: PrivateKey) -> bool:
        """Killed after the rename, and before the key was forgotten: a successor gets another one."""
        try:
            current = self.load()
        except Unreadable:
            return False
        return public_key_bytes(current.key.public_key()) == public_key_bytes(key.public_key())

    def forget_pending(self) -> None:
        """Remove the key that waits: its certificate is in place. Call it ``alone``."""
        with refusals(self._pending):
            (self._pending / KEY_FILE).unlink(missing_ok=True)

    def _require_private(self) -> None:
        parent = self.path.parent
        # In a folder such as /tmp nobody can rename what is another's; what somebody has made before us is looked at.
        if not parent.stat().st_mode & stat.S_ISVTX:
            require_private(parent)
        versions = self._identities.versions(self.path.name)
        for folder in (self._pending.parent, self._pending, versions.parent, versions):
            if os.path.lexists(folder):
                require_private(folder)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock on the identity, against threads and processes.

        Raises:
            IdentityBusy: somebody else has it; he is not waited for.
            UnsafeHome: somebody else could put a key of his own into the place of ours.
            DiskFull, UnreadableFile: the folder cannot be made.
        """
        with refusals(self._pending):
            if not self.path.parent.is_dir():
                self.path.parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
            for folder in (self._pending.parent, self._pending):
                folder.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
            self._require_private()
            descriptor = os.open(self._pending, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise IdentityBusy(
                    f"another process is renewing '{self.path}' now", hint="wait for it, then: mutua agent status"
                ) from None
            clear_away(self._pending, KEY_FILE, _ROOM_FILE)
            yield
        finally:
            os.close(descriptor)


def folder_for(path: str | os.PathLike[str] | None, client: str) -> IdentityFolder:
    """Where an identity goes: to ``path``, or under the client's name into the folder one is in.

    Raises:
        InvalidInput: no folder can be called so.
    """
    folder = IdentityFolder(client if path is None else path)
    if folder.path == folder.path.parent:
        raise InvalidInput("an identity needs a folder of its own", hint="such as --to /etc/mutua/woovi")
    return folder

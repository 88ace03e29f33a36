"""An identity that is renewed while it is in use: the next connection presents the new one, without a restart."""

import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mutua.errors import InvalidInput
from mutua.outbound.following_context import FollowingContext
from mutua.outbound.watched import Watched
from mutua.pki.unwrapping import contents_of_text
from mutua.tls.identity import CHAIN_FILE, KEY_FILE, Identity
from mutua.tls.identity_parts import is_folder
from mutua.tls.trust import Trust

LOOK_SECONDS = 0.25
"""How often a client that reuses connections looks at the files; each new connection looks anyway."""

log = logging.getLogger("mutua.identity")

Source = str | os.PathLike[str] | bytes


@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """What connections are made with, from one change to the next.

    Attributes:
        identity: what is presented.
        trust: what servers are verified with.
        generation: 1 at first, and one more at each change.
    """

    identity: Identity
    trust: Trust
    generation: int


class FollowedIdentity:
    """An identity and a trust that are looked at again for each new connection.

    The new ones are read completely, and proven to fit, before anything uses them. Until then, and while a file is
    missing, damaged or half-written, connections are made with the last good ones, and the log says so. Safe to share
    between threads, event loops and forked processes.

    What opens with a password is opened on a thread of its own, which ends with it: that takes as long as the password
    is hard to guess, and connections go on with the last identity meanwhile, unless it has expired.

    Args:
        source: a path as for ``Identity.load``, an identity in a home among them. What is in no file stays until
            ``replace``: an ``Identity``, or the contents that ``Identity.load`` takes.
        trust: the path of a PEM bundle, which is followed as well. A ``Trust`` or a bundle's bytes stay.
        key: the private key, where it is apart; followed where it is a path.
        password: opens what is encrypted, now and after each renewal.

    Raises:
        MutuaError: as ``Identity.load`` and ``Trust.load``, for what is there now.
    """

    def __init__(
        self,
        source: Source | Identity,
        trust: Source | Trust,
        *,
        key: Source | None = None,
        password: str | bytes | None = None,
    ) -> None:
        if not isinstance(source, Identity) and not _paths_in(source):
            source = Identity.load(source, key=key, password=password)
        self._news: deque[tuple[int, str]] = deque()
        self._trust = _watched_trust(trust, self._complain)
        self._identity = _watched_identity(source, key, password, lambda: self._trust.value, self._complain)
        self._fixed = isinstance(source, Identity)
        self._version = Version(self._identity.value, self._trust.value, 1)
        self._looked = time.monotonic()
        self._opens_slowly = password is not None and not self._fixed
        self._opening: threading.Thread | None = None
        self.lock = threading.Lock()
        _everyone.add(self)

    def client_context(self) -> FollowingContext:
        """An ``ssl.SSLContext`` whose every handshake is made with the newest identity and trust.

        One for each client, for clients set things such as ALPN on it.
        """
        return FollowingContext(self)

    def newest(self) -> Version:
        """The identity and trust for a new connection, after a look at the files."""
        if self._opens_slowly and self._version.identity.not_after > datetime.now(UTC):
            self._look_beside()
            return self._version
        return self._look_now()

    def glance(self) -> Version:
        """The same, with a look at the files no more than every ``LOOK_SECONDS``."""
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = time.monotonic()
            if self._opens_slowly:
                self._look_beside()
            elif self.lock.acquire(blocking=False):
                try:
                    self._look()
                finally:
                    self.lock.release()
                self._tell()
        return self._version

    @property
    def identity(self) -> Identity:
        """What a connection made now presents."""
        return self.newest().identity

    @property
    def trust(self) -> Trust:
        """What a connection made now believes."""
        return self.newest().trust

    def replace(self, identity: Identity) -> None:
        """Present ``identity`` from the next connection on: for one that comes from elsewhere than files.

        Raises:
            InvalidInput: the identity here comes from a path.
            UnreadableCertificate: OpenSSL refuses its chain.
        """
        if not self._fixed:
            raise InvalidInput(
                "this identity follows its files and cannot be replaced",
                hint="replace the files, or give an Identity to FollowedIdentity",
            )
        identity.client_context(self._trust.value)
        with self.lock:
            self._identity.value = identity
            self._swap()
        self._tell()

    def _look_beside(self) -> None:
        """Look on a thread, if there is something to load and no thread does already."""
        if (self._opening is None or not self._opening.is_alive()) and (
            self._trust.is_due() or self._identity.is_due()
        ):
            self._opening = threading.Thread(target=self._look_now, name="mutua-identity", daemon=True)
            self._opening.start()

    def _look_now(self) -> Version:
        with self.lock:
            self._look()
        self._tell()
        return self._version

    def _look(self) -> None:
        try:
            # Trust first: an identity is tried with the trust it will be used with.
            self._trust.look()
            self._identity.look()
        finally:
            # Whatever interrupts it, a time limit or Ctrl-C: a trust that was taken away is believed no longer.
            self._swap()
        self._looked = time.monotonic()

    def _swap(self) -> None:
        before, identity, trust = self._version, self._identity.value, self._trust.value
        if identity is before.identity and trust is before.trust:
            return
        if identity.chain == before.identity.chain and trust == before.trust:
            return  # written anew, and the same
        self._version = Version(identity, trust, before.generation + 1)
        if identity.thumbprint != before.identity.thumbprint:
            line = f"identity renewed: {identity.thumbprint} until {identity.not_after.isoformat()}"
            self._news.append((logging.INFO, line))

    def _complain(self, line: str) -> None:
        self._news.append((logging.WARNING, line))

    def _tell(self) -> None:
        """Log what has happened. Never under the lock: a handler may send its lines with this very identity."""
        while self._news:
            with suppress(IndexError):  # another thread was faster
                log.log(*self._news.popleft())

    def __repr__(self) -> str:
        return f"<FollowedIdentity {self._version.identity!r}, generation {self._version.generation}>"

    def __reduce__(self) -> str:
        raise TypeError("a FollowedIdentity holds a private key and cannot be pickled")


_everyone: "weakref.WeakSet[FollowedIdentity]" = weakref.WeakSet()


def _free_locks() -> None:
    """In a forked child: a thread of the parent may have held a lock, and is not there to release it."""
    for each in _everyone:
        each.lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # pragma: no branch -- everywhere but on Windows
    os.register_at_fork(after_in_child=_free_locks)


def _paths_in(source: Source) -> tuple[Path, ...]:
    """The path that was given; none if it was contents, which may be a key and are never shown."""
    if isinstance(source, bytes) or (isinstance(source, str) and contents_of_text(source) is not None):
        return ()
    return (Path(source),)


def _watched_trust(trust: Source | Trust, complain: Callable[[str], object]) -> Watched[Trust]:
    if isinstance(trust, bytes):
        trust = Trust.load(trust)
    if isinstance(trust, Trust):
        return Watched("trust", lambda: trust, tuple, complain)

    def load() -> Trust:
        loaded = Trust.load(trust)
        loaded.client_context()
        return loaded

    return Watched(f"trust at {os.fspath(trust)!r}", load, lambda: (Path(trust),), complain)


def _watched_identity(
    source: Source | Identity,
    key: Source | None,
    password: str | bytes | None,
    trust: Callable[[], Trust],
    complain: Callable[[str], object],
) -> Watched[Identity]:
    def load() -> Identity:
        loaded = source if isinstance(source, Identity) else Identity.load(source, key=key, password=password)
        loaded.client_context(trust())
        return loaded

    if isinstance(source, Identity):
        return Watched("identity", load, tuple, complain)
    (path,), beside = _paths_in(source), () if key is None else _paths_in(key)

    def paths() -> tuple[Path, ...]:
        return (path / CHAIN_FILE, path / KEY_FILE, *beside) if is_folder(path) else (path, *beside)

    return Watched(f"identity at {os.fspath(path)!r}", load, paths, complain)

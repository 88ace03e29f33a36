"""A server's TLS context that follows its identity and trust: built anew on a change, then swapped.

A context in use is never touched: reloading one breaks handshakes that are under way. Connections that
are open keep the context they began with.
"""

import logging
import ssl
from collections.abc import Callable
from pathlib import Path

from mutua.errors import MutuaError
from mutua.home.watching import Watcher
from mutua.tls.identity import CHAIN_FILE, KEY_FILE, Identity
from mutua.tls.trust import Trust

POLL_SECONDS = 0.25
"""How often the identity's files are looked at; a renewal is in use within half a second."""

log = logging.getLogger("mutua.identity")

_Stamp = tuple[tuple[int, int, int], ...]


class LiveIdentity:
    """The context for the next connection.

    Args:
        source: an identity, which stays as it is, or a path as for ``Identity.load``, which is watched.
        trust: gives the trust in force; asked at every look.
        alpn: the protocols that the door speaks, the one it likes best first.
        certificate_optional: as the gate says that asks about each request.

    Raises:
        MutuaError: the identity cannot be loaded now.
    """

    def __init__(
        self,
        source: Identity | Path,
        trust: Callable[[], Trust],
        alpn: tuple[str, ...] = ("http/1.1",),
        *,
        certificate_optional: bool = False,
    ) -> None:
        self._source = source
        self._alpn = alpn
        self._certificate_optional = certificate_optional
        self._current_trust = trust
        self._stamp = self._files()
        self._trust = trust()
        self._complaint: tuple[_Stamp, str] | None = None
        self.identity = Identity.load(source) if isinstance(source, Path) else source
        self.context = self._made(self.identity, self._trust)
        self._watcher = Watcher("mutua-identity", POLL_SECONDS, self.look)
        self._watcher.start()

    def look(self) -> None:
        """Swap in a new context if the identity's files or the trust have changed."""
        stamp, trust = self._files(), self._current_trust()
        if stamp == self._stamp and trust is self._trust:
            return
        try:
            identity = Identity.load(self._source) if isinstance(self._source, Path) else self._source
            context = self._made(identity, trust)
        except (MutuaError, ssl.SSLError, OSError) as error:
            self._serve_on(stamp, trust, error)
            return
        before, self.identity = self.identity, identity
        self.context, self._trust, self._stamp = context, trust, stamp
        if identity.thumbprint != before.thumbprint:
            log.info("identity renewed: %s until %s", identity.thumbprint, identity.not_after.isoformat())

    def _serve_on(self, stamp: _Stamp, trust: Trust, error: Exception) -> None:
        """Half of a renewal, or a bad file: the last good identity serves on, and the next look tries again."""
        if (complaint := (stamp, str(error))) != self._complaint:
            log.warning("the identity at %s cannot be loaded, serving on with the last: %s", self._source, error)
            self._complaint = complaint
        if trust is not self._trust:
            self.context, self._trust = self._made(self.identity, trust), trust

    def close(self) -> None:
        """Stop watching."""
        self._watcher.stop()

    def _made(self, identity: Identity, trust: Trust) -> ssl.SSLContext:
        context = identity.server_context(trust, certificate_optional=self._certificate_optional)
        context.set_alpn_protocols(list(self._alpn))
        return context

    def _files(self) -> _Stamp:
        """What changes whenever the identity is replaced, by rename or in place."""
        if not isinstance(self._source, Path):
            return ()
        names = (CHAIN_FILE, KEY_FILE) if self._source.is_dir() else (".",)
        stamps = []
        for name in names:
            try:
                status = (self._source / name).stat()
            except OSError:
                stamps.append((0, 0, 0))
            else:
                stamps.append((status.st_ino, status.st_mtime_ns, status.st_size))
        return tuple(stamps)

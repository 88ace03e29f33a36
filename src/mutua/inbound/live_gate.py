"""The gate at work in a process: the newest snapshot, swapped whenever the store changes."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Lock

from sqlalchemy.exc import SQLAlchemyError

from mutua.errors import MutuaError
from mutua.gate.decision import Decision, Identified, Refusal, Request, examine, identify, judge, recognize
from mutua.gate.foreign import WARN_AGAIN
from mutua.gate.snapshot import Snapshot, rules_of
from mutua.home.foreign_crls import ForeignCrls
from mutua.home.home import Home
from mutua.home.snapshots import follow, load
from mutua.home.watching import Watcher
from mutua.inbound.callers import Callers
from mutua.registry.clients import KnownClient
from mutua.registry.grants import Grant
from mutua.tls.peer import PeerCertificate
from mutua.tls.trust import Trust

POLL_SECONDS = 0.025
"""A suspension is refused within 100 ms (promise 2); a look is a wake-up of about 100 microseconds."""

MOST_IDENTIFIED = 65_536
"""Peers that are remembered until something changes, 200 bytes each; to identify one again takes 5 microseconds."""

FOREIGN_SECONDS = 0.1
"""How soon a partner's CRL that was fetched is asked."""

MOST_ADMITTED = 8192
"""Requests that are remembered likewise, a kilobyte each at the most, from a peer's second one on."""

MOST_PATH = 200
"""Characters of a path that is remembered; longer ones are rarely asked for twice."""

MOST_WARNED = 1024
"""Warnings that are remembered, so that each is given once a minute."""

log = logging.getLogger("mutua.gate")


@dataclass(frozen=True, slots=True)
class _View:
    """A snapshot, and what was decided by it so far: swapped together, so that neither outlives the other.

    Attributes:
        snapshot: what the registry says; ``None`` where that has been out of reach for too long.
        identified: by thumbprint.
        admitted: by thumbprint and request, who was let in with it; it counts for exactly him, for somebody who is
            identified anew may be known as another.
    """

    snapshot: Snapshot | None
    identified: dict[str, Identified] = field(default_factory=dict)
    admitted: dict[tuple[str, Request], Identified] = field(default_factory=dict)


class LiveGate:
    """Decides with the newest snapshot of a home's registry.

    Nothing on the way of a request reads the store: a thread watches the change feed, loads a new snapshot
    when something was committed, and swaps it in. When the store is lost, the gate goes on with what it knows
    for ``max_stale`` seconds, and then refuses everyone.

    Args:
        home: whose registry; the gate opens a store of its own.

    Attributes:
        watching: who is told of each decision, and has no say in it; nobody, as long as ``mutua gate check`` does not
            ask.

    Raises:
        UnreadableStore: the registry cannot be read now; a gate never starts without one.
    """

    def __init__(self, home: Home) -> None:
        self._home = Home.open(home.path)
        self._max_stale = home.settings.max_stale
        self._public = rules_of(home.settings.public)
        self._feed = self._home.store.feed()
        self._loading = Lock()
        self._lost = False
        self._callers = Callers()
        self._warned: dict[str, float] = {}
        self._fetched = True
        self._snapshot: Snapshot | None = None
        self.watching: tuple[Callable[[Decision, Request], object], ...] = ()
        try:
            self._trust = self._home.trust_in_clients
            self._feed.changed()
            self._load()
        except BaseException:
            self._feed.close()
            self._home.close()
            raise
        self._watcher = Watcher("mutua-gate", POLL_SECONDS, self._look)
        self._watcher.start()
        # With a store of its own: the other look must never wait for a connection.
        self._abroad = self._home.another("gate")
        self._foreign = ForeignCrls(self._abroad)
        self._foreign_watcher = Watcher("mutua-gate-crls", FOREIGN_SECONDS, self._look_abroad)
        self._foreign_watcher.start()

    @property
    def trust(self) -> Trust:
        """What clients are verified with, as of the newest snapshot."""
        return self._trust

    @property
    def max_stale(self) -> float:
        """From which age of its knowledge it refuses everybody, in seconds."""
        return self._max_stale

    @property
    def age(self) -> float:
        """How long ago its knowledge was last seen to be the store's, in seconds."""
        return time.monotonic() - self._confirmed

    @property
    def version(self) -> int:
        """The last event that its snapshot knows of."""
        snapshot = self._view.snapshot
        return snapshot.version if snapshot is not None else 0

    @property
    def public(self) -> tuple[Grant, ...]:
        """What may be called without a certificate, and by every known client: as the settings said at its start."""
        return self._public.grants

    @property
    def certificate_optional(self) -> bool:
        """Whether something may be called without a certificate, so that a handshake must not demand one."""
        return bool(self.public)

    def decide(self, peer: PeerCertificate | None, request: Request) -> Decision:
        """Admit or refuse a request now.

        Args:
            peer: what was shown on the connection, verified; ``None`` where nothing was, and never for a bad one.
            request: what is asked for.
        """
        view, at = self._fresh(), time.time()
        who = view.identified.get(peer.thumbprint) if peer is not None else None
        decision: Decision
        if who is not None and at <= who.expires:
            self._note(who.known)
            decision = self._again(view, who, request)
        else:
            decision = judge(self._identified(view, peer, at), request, self._public)
        for watch in self.watching:
            watch(decision, request)
        return decision

    def _again(self, view: _View, who: Identified, request: Request) -> Decision:
        """What becomes of a request of somebody who has made others."""
        asked = who.known.thumbprint, request
        if view.admitted.get(asked) is who:
            return who.known
        decision = judge(who, request, self._public)
        if decision is who.known and len(request.path) <= MOST_PATH:
            if len(view.admitted) >= MOST_ADMITTED:
                view.admitted.clear()
            view.admitted[asked] = who
        return decision

    def identify(self, peer: PeerCertificate | None) -> Identified | Refusal:
        """Who a peer is now, whatever it may call."""
        view, at = self._fresh(), time.time()
        who = view.identified.get(peer.thumbprint) if peer is not None else None
        if who is not None and at <= who.expires:
            self._note(who.known)
            return who
        return self._identified(view, peer, at)

    def _fresh(self) -> _View:
        """What is known now, unless that is too old to go by."""
        return self._view if time.monotonic() - self._confirmed <= self._max_stale else _View(None)

    def _identified(self, view: _View, peer: PeerCertificate | None, at: float) -> Identified | Refusal:
        """Who a peer is that is not remembered."""
        snapshot = view.snapshot
        if snapshot is None or peer is None:
            return identify(snapshot, peer, datetime.now(UTC))
        found = recognize(snapshot, peer, at)
        if found is None:
            examined = examine(snapshot, peer, datetime.now(UTC))
            if isinstance(examined, Refusal):
                return examined
            found = examined
            for warning in found.warnings:
                self._warn(warning)
        if len(view.identified) >= MOST_IDENTIFIED:
            view.identified.clear()
        view.identified[found.known.thumbprint] = found
        self._note(found.known)
        return found

    def _note(self, known: KnownClient) -> None:
        if known.thumbprint not in self._callers.noted:
            self._callers.note(known.thumbprint, known.name)

    def sighted(self) -> dict[str, datetime]:
        """Which clients have called, and with which certificate, for ``store.sightings``: each once a minute."""
        return self._callers.fresh()

    def close(self) -> None:
        """Stop watching and close the store."""
        self._watcher.stop()
        self._foreign_watcher.stop()
        self._abroad.close()
        self._feed.close()
        self._home.close()

    def _look(self) -> None:
        try:
            if self._feed.changed() or self._lost:
                if self._lost:  # else the pool sees to it: to connect anew takes PostgreSQL longer than all the rest
                    self._home.store.close()
                self._load()
                self._fetched = True
        except (MutuaError, SQLAlchemyError) as error:
            if not self._lost:
                log.warning(
                    "the store is lost; going on with what is known for %d s, then refusing: %s",
                    self._max_stale,
                    error,
                )
            self._lost = True
            return
        if self._lost:
            log.warning("the store is back")
            self._lost = False
        self._confirmed = time.monotonic()

    def _look_abroad(self) -> None:
        """Take over CRLs of partners that were fetched: aside, for a large one takes longer than a suspension may."""
        before = self._snapshot
        if before is None or not self._fetched:
            return
        self._fetched = False
        try:
            fresh = self._foreign.refreshed(before.foreign)
        except (MutuaError, SQLAlchemyError):
            self._fetched = True  # the other look tells that the store is lost
            self._abroad.store.close()
            return
        if fresh is not before.foreign:
            with self._loading:
                now = self._snapshot or before
                self._snapshot = replace(now, foreign=fresh.with_sources(now.foreign.sources, now.foreign.issuers))
                self._view = _View(self._snapshot)

    def _warn(self, warning: str) -> None:
        """Say it in the log, though not for each of a CA's clients."""
        if len(self._warned) >= MOST_WARNED:
            self._warned.clear()
        if time.monotonic() - self._warned.get(warning, float("-inf")) >= WARN_AGAIN.total_seconds():
            self._warned[warning] = time.monotonic()
            log.warning("clients are let in though they may be revoked: %s", warning)

    def _load(self) -> None:
        with self._loading:
            confirmed = time.monotonic()
            before = self._snapshot
            self._snapshot = follow(self._home, before) if before is not None else load(self._home)
            self._view = _View(self._snapshot)
            self._confirmed = confirmed
            if before is None or before.trust != self._snapshot.trust:
                trust = self._home.trust_in_clients
                # The same object as long as it says the same: contexts are built anew when it is another.
                self._trust = self._trust if self._trust == trust else trust

"""What whichever process runs does from time to time: fresh CRLs, partners' too, an end for superseded certificates."""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from itertools import islice
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from mutua.errors import MutuaError
from mutua.home.client_crls import ClientCrls
from mutua.home.foreign_crls import ForeignCrls
from mutua.home.home import Home
from mutua.home.watching import Watcher
from mutua.store import sightings

LOOK_SECONDS = 0.25
"""How soon a revocation elsewhere is on a CRL that this process makes, and a new CRL in this machine's files."""

ROUND_SECONDS = 60.0
"""How often time alone is looked at: half of the shortest life of a CRL is five minutes."""

RETRY_SECONDS = 1.0
"""How soon it is tried again after a failure: a store that was busy, a disk that was full."""

SIGHTING_SECONDS = 10.0
"""How soon the store learns that a certificate is in use, so that the one before it cannot be renewed any more."""

FOREIGN_SECONDS = 2.0
"""How soon the CRL of a partner that was just registered is fetched: until then it is refused."""

MAX_TOLD = 1000
"""Sightings written in one transaction."""

log = logging.getLogger("mutua.upkeep")


class Upkeep:
    """Keeps a home in order while a process runs.

    Args:
        home: which, or its path; it is opened once more, for a thread of its own.
        sighted: tells which clients a door has seen since it was last asked, and when, as ``store.sightings`` has it.
    """

    def __init__(self, home: Home | Path, sighted: Callable[[], Mapping[str, datetime]] = dict) -> None:
        self._home = home.another("upkeep") if isinstance(home, Home) else Home.open(home, actor="upkeep")
        self._feed = self._home.store.feed()
        self._written: dict[tuple[str, int], int] = {}
        self._sighted = sighted
        self._untold: dict[str, datetime] = {}
        self._told = time.monotonic()
        self._round = float("-inf")
        self._complaint = ""
        self._watcher = Watcher("mutua-upkeep", LOOK_SECONDS, self.look)
        # On a thread and with a store of its own: a partner's server may take a minute to answer.
        self._abroad = self._home.another("upkeep")
        self._ending = False
        self._foreign = ForeignCrls(self._abroad, stopping=lambda: self._ending)
        self._foreign_complaint = ""
        self._client_crls = ClientCrls(self._abroad)
        self._looked_abroad = float("-inf")
        self._fetcher = Watcher("mutua-foreign-crls", LOOK_SECONDS, self._fetch)

    def start(self) -> None:
        """Begin; the first look is at once, on this thread."""
        self.look()
        self._watcher.start()
        self._fetcher.start()

    def close(self) -> None:
        """Stop, and close the home. A CRL that is being fetched is let go."""
        self._ending = True
        self._watcher.stop()
        self._fetcher.stop()
        with suppress(MutuaError, SQLAlchemyError):
            self._tell()
        self._feed.close()
        self._abroad.close()
        self._home.close()

    def look(self) -> None:
        """Do what is due."""
        try:
            if time.monotonic() - self._told >= SIGHTING_SECONDS:
                self._tell()
            if time.monotonic() - self._round >= ROUND_SECONDS:
                self._home.renewal.revoke_superseded()
                self._publish()
                self._round = time.monotonic()
            elif self._feed.changed():
                self._publish()
        except (MutuaError, SQLAlchemyError, OSError) as error:
            self._round = time.monotonic() - ROUND_SECONDS + RETRY_SECONDS
            if str(error) != self._complaint:
                log.warning("upkeep waits: %s", error)
            self._complaint = str(error)
        else:
            self._complaint = ""

    def _fetch(self) -> None:
        """Fetch those CRLs of partners' CAs that are due, and give all of them to the proxies in front."""
        if time.monotonic() - self._looked_abroad < FOREIGN_SECONDS:
            return
        try:
            self._foreign.fetch_due()
            self._client_crls.write()
        except (MutuaError, SQLAlchemyError, OSError) as error:
            if str(error) != self._foreign_complaint:
                log.warning("CRLs of partners are not fetched now: %s", error)
            self._foreign_complaint = str(error)
        else:
            self._foreign_complaint = ""
        self._looked_abroad = time.monotonic()

    def _tell(self) -> None:
        """Note who was seen here, and with which certificates."""
        self._told = time.monotonic()
        self._untold |= self._sighted()
        while self._untold:
            fresh = dict(islice(self._untold.items(), MAX_TOLD))
            with self._home.store.write() as connection:
                sightings.put(connection, fresh)
            for name in fresh:
                del self._untold[name]

    def _publish(self) -> None:
        self._home.crls.publish_due()
        published = {place: record.number for place, record in self._home.crls.everything().items()}
        # Another process, or another machine on the same store, may have made them, or withdrawn one.
        behind = {place for place, _ in self._written.items() ^ published.items()}
        if behind:
            self._home.crls.write_files(behind if self._written else None)
        self._written = published
        self._home.publish_bundle()

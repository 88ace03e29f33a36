"""The CRLs of partners' CAs: fetched when they are due, kept in the store, and verified whenever they are read."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from cryptography import x509

from mutua.errors import NetworkError, UnreadableCrl
from mutua.gate.foreign import ForeignRevocations, Loaded, key_of
from mutua.pki.certificates import read_certificate
from mutua.pki.foreign_crl import MAX_FOREIGN_CRL_BYTES, ForeignCrl, as_der, read_foreign_crl
from mutua.pki.thumbprints import base64url
from mutua.registry.credentials import CrlSource, StalePolicy
from mutua.store import credentials, foreign_crls
from mutua.store.foreign_crls import Fetched

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mutua.home.fetching import Fetch
    from mutua.home.home import Home

RETRY = timedelta(minutes=2)
"""How soon an address is tried again that failed, whose CRL has ended, or that a process was fetching when it died; one
fetch takes a minute at most."""

MAX_ERROR = 200
"""Characters of why it failed, as they are kept."""

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)

log = logging.getLogger("mutua.foreign_crls")


class CrlCondition(StrEnum):
    """How an address is doing."""

    CURRENT = "current"
    STALE = "stale"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class CrlState:
    """An address, for a person.

    Attributes:
        source: the address, and what becomes of clients while it is stale.
        condition: ``missing`` if nothing was ever fetched there, ``stale`` if what was has ended.
        fetched: when, what and with what error; ``None`` before the first attempt.
    """

    source: CrlSource
    condition: CrlCondition
    fetched: Fetched | None


class ForeignCrls:
    """The CRLs that a home's credentials name.

    Args:
        home: whose.
        fetch: gets what is at an address; as the home's settings say when not given.
        stopping: whether what is being fetched is to be let go.
    """

    def __init__(self, home: "Home", fetch: "Fetch | None" = None, *, stopping: Callable[[], bool] = bool) -> None:
        self._home = home
        self._given = fetch
        self._stopping = stopping

    def states(self, client: str | None = None) -> list[CrlState]:
        """How each address is doing, or each of a client's; the strictest policy where credentials differ."""
        now = self._home.now()
        with self._home.store.read() as connection:
            asked = {source.url for source in credentials.crl_sources(connection, client=client)}
            sources = [each for each in credentials.crl_sources(connection) if each.url in asked]
            fetched = foreign_crls.everything(connection)
        strict: dict[str, CrlSource] = {}
        for source in sources:
            if source.url not in strict or source.stale is StalePolicy.REFUSE:
                strict[source.url] = source
        return [
            CrlState(each, _condition(fetched.get(each.url), now), fetched.get(each.url)) for each in strict.values()
        ]

    def fetch_due(self, *, anyway: bool = False) -> int:
        """Fetch whatever is due, each address by one process at a time.

        Args:
            anyway: fetch all of them.

        Returns:
            How many were fetched and could be believed.

        Raises:
            MutuaError: the store cannot be read or written. What is wrong with an address is kept with it.
        """
        with self._home.store.read() as connection:
            asked = {source.url for source in credentials.crl_sources(connection)}
            known = foreign_crls.everything(connection)
        if known.keys() - asked:
            with self._home.store.write() as connection:
                foreign_crls.keep_only(connection, asked)
        due = [url for url in sorted(asked) if anyway or self._is_due(known.get(url))]
        return sum(self._fetch_one(url, anyway=anyway) for url in due if not self._stopping())

    def load(self, connection: "Connection", before: ForeignRevocations | None = None) -> ForeignRevocations:
        """Everything that is there, verified.

        Args:
            connection: a reading transaction.
            before: what was read earlier; what has not changed since is taken from it.
        """
        sources, issuers = sources_of(connection)
        known = before.loaded if before is not None else {}
        loaded: dict[str, Loaded] = {}
        asked = {source.url for source in sources}
        for url, digest in foreign_crls.digests(connection).items():
            if url not in asked:
                continue
            had = known.get(url)
            loaded[url] = had if had and had.digest == digest else self._loaded(connection, url, digest, issuers, had)
        if before is not None and loaded == known:
            return before.with_sources(sources, issuers)
        return ForeignRevocations(sources, issuers, loaded)

    def refreshed(self, before: ForeignRevocations) -> ForeignRevocations:
        """The same after what was fetched since; itself where nothing was. It takes seconds for a million entries."""
        if not before.sources:
            return before
        asked = {source.url for source in before.sources}
        with self._home.store.read() as connection:
            there = {url: digest for url, digest in foreign_crls.digests(connection).items() if url in asked}
            if there == {url: each.digest for url, each in before.loaded.items()}:
                return before
            return self.load(connection, before)

    def _loaded(
        self,
        connection: "Connection",
        url: str,
        digest: str,
        issuers: tuple[x509.Certificate, ...],
        had: Loaded | None,
    ) -> Loaded:
        """A CRL out of its row, if its CA has signed it; an older one than before is not believed either."""
        try:
            crl = read_foreign_crl(foreign_crls.der(connection, url) or b"", issuers, now=self._home.now())
        except UnreadableCrl as error:
            log.warning("the CRL from %s in the store is not believed: %s", url, error.message)
            return Loaded(digest, had.crl if had else None)
        if had and had.crl and crl.scope == had.crl.scope and crl.is_older_than(had.crl):
            log.warning("the CRL from %s in the store is older than the one before it, which still counts", url)
            return Loaded(digest, had.crl)
        return Loaded(digest, crl)

    @property
    def _fetch(self) -> "Fetch":
        if self._given is not None:
            return self._given
        from mutua.home.fetching import Fetcher  # noqa: PLC0415 -- an HTTP client, which most commands do without

        allow_private = self._home.settings.foreign_crls.allow_private
        return Fetcher(max_bytes=MAX_FOREIGN_CRL_BYTES, allow_private=allow_private, stopping=self._stopping)

    def _is_due(self, known: Fetched | None) -> bool:
        if known is None:
            return True
        now = self._home.now()
        wait = self._home.settings.foreign_crls.refresh
        if known.error is not None or known.next_update is None or known.fetched_at is None:
            wait = min(wait, RETRY)
        else:
            # At half of what is left to it, as it was when it was fetched.
            wait = min(wait, max(RETRY, (known.next_update - known.fetched_at) / 2))
        return not known.tried_at <= now < known.tried_at + wait

    def _fetch_one(self, url: str, *, anyway: bool) -> bool:
        with self._home.store.write() as connection:
            # Somebody else may have begun meanwhile.
            if not (anyway or self._is_due(foreign_crls.everything(connection).get(url))):
                return False
            foreign_crls.begin(connection, url, self._home.now())
            issuers = _signers(connection, url)
        try:
            data = self._fetch(url)
            crl = read_foreign_crl(data, issuers, now=self._home.now())
        except (NetworkError, UnreadableCrl) as error:
            return self._failed(url, error.message)
        return self._keep(url, crl, as_der(data), issuers)

    def _keep(self, url: str, crl: ForeignCrl, der: bytes, issuers: tuple[x509.Certificate, ...]) -> bool:
        now = self._home.now()
        with self._home.store.read() as connection:
            stored = foreign_crls.der(connection, url)
        if stored == der:
            with self._home.store.write() as connection:
                foreign_crls.confirm(connection, url, now)
            return True
        if older := self._why_older(crl, stored or b"", issuers):
            return self._failed(url, older)
        fetched = Fetched(
            url=url,
            tried_at=now,
            fetched_at=now,
            authority=crl.authority,
            number=None if crl.number is None else str(crl.number),
            this_update=crl.this_update,
            next_update=crl.next_update,
            entries=len(crl.serials),
            digest=base64url(hashlib.sha256(der).digest()),
        )
        with self._home.store.write() as connection:
            foreign_crls.put(connection, fetched, der)
        log.info("the CRL from %s lists %d certificates, good until %s", url, len(crl.serials), crl.next_update)
        return True

    def _why_older(self, crl: ForeignCrl, stored: bytes, issuers: tuple[x509.Certificate, ...]) -> str:
        try:
            had = read_foreign_crl(stored, issuers, now=self._home.now())
        except UnreadableCrl:
            return ""
        if had.scope != crl.scope or not crl.is_older_than(had):
            return ""
        return f"it is CRL {crl.number} of {crl.this_update:%Y-%m-%d %H:%M} UTC, and {had.number} was there before"

    def _failed(self, url: str, why: str) -> bool:
        if self._stopping():
            with self._home.store.write() as connection:
                foreign_crls.begin(connection, url, _NEVER)  # for whoever comes next
            return False
        log.warning("the CRL from %s is not taken: %s", url, why)
        with self._home.store.write() as connection:
            # Its server may have had a part in the text, and PostgreSQL takes no NUL.
            told = "".join(each if each.isprintable() else "?" for each in why[:MAX_ERROR])
            foreign_crls.fail(connection, url, self._home.now(), told)
        return False


def sources_of(connection: "Connection") -> tuple[tuple[CrlSource, ...], tuple[x509.Certificate, ...]]:
    """Where the CRLs of partners' CAs are, and those CAs."""
    sources = tuple(credentials.crl_sources(connection))
    return sources, _certificates(connection) if sources else ()


def _certificates(connection: "Connection") -> tuple[x509.Certificate, ...]:
    return tuple(map(read_certificate, credentials.crl_issuers(connection)))


def _signers(connection: "Connection", url: str) -> tuple[x509.Certificate, ...]:
    """The CAs that may have signed what is at an address, as the credentials say that name it."""
    keys = {key for source in credentials.crl_sources(connection) if source.url == url for key in source.authorities}
    return tuple(each for each in _certificates(connection) if key_of(each) in keys)


def _condition(fetched: Fetched | None, now: datetime) -> CrlCondition:
    if fetched is None or fetched.next_update is None:
        return CrlCondition.MISSING
    return CrlCondition.CURRENT if now <= fetched.next_update else CrlCondition.STALE

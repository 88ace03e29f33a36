"""The revocation lists of a home: made when they are due, kept in the store, and published as files.

``crl/NAME.crl`` is a CA's CRL in DER, ``crl/NAME/7.crl`` the seventh part of one, and ``crl/all.pem`` every CRL in
PEM, as nginx's ``ssl_crl`` and haproxy's ``crl-file`` want them; there is none once CRLs are cut into parts.
"""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from ssl import DER_cert_to_PEM_cert
from typing import TYPE_CHECKING

from mutua.ca.hierarchy import AuthorityState
from mutua.ca.revocation import MAX_CRL_LIFE, addresses, is_due, is_listed, next_update, this_update
from mutua.errors import DiskFull, InvalidSettings, MutuaError, StoreUnreachable, UnreadableStore
from mutua.home.files import PRIVATE_DIRECTORY, PUBLIC_FILE, alone, clear_away, refusals, update_file
from mutua.pki.crl import CrlDraft, RevocationReason, RevokedEntry
from mutua.pki.profiles import ROOT
from mutua.store import crls, events, inventory, revocations
from mutua.store.authorities import AuthorityRecord
from mutua.store.crls import WHOLE, CrlRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from mutua.home.home import Home

BUNDLE_FILE = "all.pem"

TOUCHING = frozenset({"certificate.revoked", "certificate.released"})
"""The events after which a CRL is out of date."""

log = logging.getLogger("mutua.crls")

Place = tuple[str, int]
"""A CA's id, and the part of its CRL; 0 for the whole."""


class Crls:
    """The revocation lists of a home: ``home.crls``."""

    def __init__(self, home: "Home") -> None:
        self._home = home
        self._complained: set[str] = set()

    @property
    def folder(self) -> Path:
        """Where they are published."""
        return self._home.path / "crl"

    def everything(self) -> dict[Place, CrlRecord]:
        """What is published, by CA and part."""
        with self._home.store.read() as connection:
            return crls.everything(connection)

    def find(self, authority: str, shard: int = WHOLE) -> CrlRecord | None:
        """What is published of one CRL, or ``None``."""
        with self._home.store.read() as connection:
            return crls.find(connection, authority, shard)

    def der(self, authority: str, shard: int = WHOLE) -> bytes | None:
        """A CRL as it is published, or ``None``."""
        with self._home.store.read() as connection:
            return crls.der(connection, authority, shard)

    def due(self) -> list[tuple[AuthorityRecord, int]]:
        """The CRLs that have to be made anew: something was revoked, half their life has passed, or there is none."""
        published = self.everything()
        return [
            (authority, shard)
            # Also a retired CA's: who trusts the CA above goes on asking, and a stale list looks like a fault.
            for authority in self._home.hierarchy.everyone()
            for shard in sorted(self._shards(authority, published))
            if self._is_due(published.get((authority.id, shard)))
        ]

    def publish_due(self) -> list[CrlRecord]:
        """Make the CRLs that are due, as far as their CAs' keys can be used here; the rest is told of in the log.

        Raises:
            DiskFull, UnreadableFile: what is in the store by now has files that lag behind.
        """
        due = self.due()
        needless = self._needless(due)
        made = self._make((each for each in due if (each[0].id, each[1]) not in needless), only_if_due=True)
        withdrawn = self._withdraw(needless)
        if made or withdrawn:
            self.write_files({*withdrawn, *((each.authority, each.shard) for each in made)})
        return made

    def publish_all(self) -> None:
        """Make every CRL anew, due or not; otherwise as ``publish_due``."""
        published, everyone = self.everything(), self._home.hierarchy.everyone()
        self._make((each, shard) for each in everyone for shard in sorted(self._shards(each, published)))
        self.write_files()

    def _make(self, wanted: "Iterable[tuple[AuthorityRecord, int]]", *, only_if_due: bool = False) -> list[CrlRecord]:
        made = []
        for authority, shard in wanted:
            if only_if_due and not self._is_due(self.find(authority.id, shard)):
                continue  # another process has made it while this one made those before it
            try:
                made.append(self.publish(authority, shard))
            except (DiskFull, StoreUnreachable, UnreadableStore):
                raise  # so it would be for every other
            except MutuaError as error:
                if authority.id not in self._complained:
                    self._complained.add(authority.id)
                    log.warning("the CRL of %s cannot be made here: %s", authority.id, error)
            else:
                self._complained.discard(authority.id)
        return made

    def publish(self, authority: AuthorityRecord, shard: int = WHOLE, *, life: timedelta | None = None) -> CrlRecord:
        """Make one CRL anew, now.

        Args:
            authority: the CA that signs it.
            shard: which part; 0 for the whole.
            life: until its next update; the settings' ``crl_days`` when not given.

        Raises:
            OfflineKey, MissingPassphrase, TokenUnavailable: the CA's key cannot be used here.
            InvalidSettings: it is a part, and this process has not been told of the address that is to stand in it.
        """
        point = self._distribution_point(authority.id, shard)
        key = self._home.keys.of(authority)
        while True:
            # Signed outside the transaction that stores it: a long list takes seconds, and others go on writing.
            with self._home.store.read() as connection:
                previous = crls.find(connection, authority.id, shard)
                event = events.last_id(connection)
                first = event if crls.has_any(connection, authority.id) else 1
                entries = list(self._entries(connection, authority, shard, previous))
            now = self._home.now()
            draft = CrlDraft(
                issuer=authority.certificate,
                # One that is made anew after it was withdrawn: each number before took an event.
                number=first if previous is None else previous.number + 1,
                this_update=this_update(now, None if previous is None else previous.this_update),
                next_update=next_update(now, life or self._home.settings.crl_life),
                entries=entries,
                distribution_point=point,
            )
            der = draft.sign(key)
            record = CrlRecord(
                authority=authority.id,
                shard=shard,
                number=draft.number,
                this_update=draft.this_update,
                next_update=draft.next_update,
                event=event,
                touched=0,
            )
            if stored := self._store(record, der, len(entries), previous):
                return stored
            current = self.find(authority.id, shard)
            if current is not None and current.event >= event and life is None:
                return current  # another process has made what this one was to make

    def make_last(self, authority: AuthorityRecord) -> None:
        """Make a CA's CRLs once more, to last: its key is about to leave."""
        places = [place for place in self.everything() if place[0] == authority.id] or [(authority.id, WHOLE)]
        for _, shard in places:
            self.publish(authority, shard, life=MAX_CRL_LIFE)
        self.write_files(places)

    def write_files(self, places: "Iterable[Place] | None" = None) -> None:
        """Bring the published files up to date with the store; all of them when none is named.

        Raises:
            DiskFull, UnreadableFile: one cannot be written, and stays as it was.
        """
        with refusals(self.folder):
            self.folder.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
        # Alone, so that the one who writes last has read the store last.
        with refusals(self.folder), alone(self.folder):
            published = self.everything()
            wanted = sorted(published if places is None else places)
            for folder in {self.folder, *(self.path(*place).parent for place in wanted)}:
                clear_away(folder, "*.crl", BUNDLE_FILE)
            for place in wanted:
                path, der = self.path(*place), self.der(*place)
                if der is None:
                    path.unlink(missing_ok=True)
                    continue
                path.parent.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
                update_file(path, der, mode=PUBLIC_FILE)
            if places is None:
                for stray in set(self.folder.rglob("*.crl")) - {self.path(*place) for place in published}:
                    stray.unlink()
            if all(shard == WHOLE for _, shard in published):
                update_file(self.folder / BUNDLE_FILE, self.bundle(), mode=PUBLIC_FILE)
            else:
                (self.folder / BUNDLE_FILE).unlink(missing_ok=True)

    def bundle(self) -> bytes:
        """Every CRL in PEM, one after the other."""
        found = (self.der(*place) for place in sorted(self.everything()))
        return b"".join(_pem(der) for der in found if der is not None)

    def path(self, authority: str, shard: int = WHOLE) -> Path:
        """Where a CRL is published."""
        return self.folder / authority / f"{shard}.crl" if shard else self.folder / f"{authority}.crl"

    def _is_due(self, found: CrlRecord | None) -> bool:
        return found is None or is_due(
            this_update=found.this_update,
            next_update=found.next_update,
            event=found.event,
            touched=found.touched,
            now=self._home.now(),
        )

    def _shards(self, authority: AuthorityRecord, published: dict[Place, CrlRecord]) -> set[int]:
        """Which CRLs a CA has: what was published once is kept up, for certificates name it."""
        parts = self._home.settings.crl_shards
        wanted = {WHOLE} if parts == 1 or authority.profile == ROOT.name else set(range(1, parts + 1))
        if authority.state is not AuthorityState.ACTIVE:
            wanted = set()
        return wanted | {shard for identifier, shard in published if identifier == authority.id}

    def _distribution_point(self, authority: str, shard: int) -> str | None:
        if shard == WHOLE:
            return None
        base = self._home.settings.revocation_url
        if base is None:
            raise InvalidSettings(
                "a part of a CRL needs the address that certificates name it by",
                hint="set revocation_url in mutua.toml, and start again what runs since before that",
            )
        return addresses(base, authority, shard).crl

    def _entries(
        self, connection: "Connection", authority: AuthorityRecord, shard: int, previous: CrlRecord | None
    ) -> Iterator[RevokedEntry]:
        before = None if previous is None else previous.this_update
        for each in revocations.of_shard(connection, authority.id, shard):
            if is_listed(each.not_after, previous=before):
                yield RevokedEntry(
                    int(each.serial, 16), each.revoked_at, RevocationReason(each.reason), each.invalid_since
                )

    def _needless(self, due: "list[tuple[AuthorityRecord, int]]") -> set[Place]:
        """The whole CRLs that are due and that no certificate names any more, for all name a part."""
        if self._home.settings.crl_shards == 1:
            return set()
        with self._home.store.read() as connection:
            return {
                (each.id, WHOLE)
                for each, shard in due
                if shard == WHOLE
                and each.profile != ROOT.name
                and not crls.is_whole_needed(connection, each.id, self._home.now())
            }

    def _withdraw(self, needless: set[Place]) -> set[Place]:
        """Take CRLs back once there are the parts of each: a CA without any would count from 1 again."""
        if not needless:
            return set()
        with self._home.store.write() as connection:
            published = crls.everything(connection).keys()
            cut = {authority for authority, shard in published if shard != WHOLE}
            gone = {place for place in needless & published if place[0] in cut}
            for authority, shard in sorted(gone):
                crls.remove(connection, authority, shard)
                self._home.record(connection, self._home.event("crl.withdrawn", f"{authority}/{shard}", {}))
        return gone

    def _store(self, record: CrlRecord, der: bytes, entries: int, previous: CrlRecord | None) -> CrlRecord | None:
        """Store a CRL unless another process was faster: the numbers of CRLs only grow."""
        with self._home.store.write() as connection:
            current = crls.find(connection, record.authority, record.shard)
            if (current and current.number) != (previous and previous.number):
                return None
            if current is None and self._is_outdated(connection, record):
                return None
            facts = {
                "entries": entries,
                "event": record.event,
                "next_update": record.next_update.isoformat(),
                "number": record.number,
                "sha256": sha256(der).hexdigest(),
                "this_update": record.this_update.isoformat(),
            }
            happened = self._home.event("crl.published", f"{record.authority}/{record.shard}", facts)
            self._home.record(connection, happened)
            stored = replace(record, touched=current.touched if current else 0)
            crls.put(connection, stored, der)
        return stored

    def _is_outdated(self, connection: "Connection", record: CrlRecord) -> bool:
        """Whether something was revoked while the first CRL was made: there was no row yet that would tell."""
        changed = [each for each in events.since(connection, record.event) if each.kind in TOUCHING]
        found = (inventory.by_thumbprint(connection, each.subject) for each in changed)
        here = [each for each in found if each is not None and each.authority == record.authority]
        return any(record.shard in {WHOLE, each.shard} for each in here)


def _pem(der: bytes) -> bytes:
    return DER_cert_to_PEM_cert(der).replace(" CERTIFICATE-----", " X509 CRL-----").encode("ascii")

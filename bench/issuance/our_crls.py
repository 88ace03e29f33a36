"""mutua's CRLs, from the rows in its store to the published list."""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import islice

from cryptography import x509
from sqlalchemy import insert

from bench.issuance.crl_process import Maker, revocations
from bench.issuance.issuer import now
from mutua import Home
from mutua.home.settings import SETTINGS_FILE
from mutua.pki.profiles import SERVER
from mutua.store import schema

_FIRST_ID = 1 << 40
"""Far above the events' ids: the rows are written without events, for a million revocations would take an hour."""

_ROWS_AT_ONCE = 10_000


class WholeCrl(Maker):
    """One list for the whole CA: read, build, sign, commit."""

    def prepare(self) -> None:
        path = self.folder / "home"
        Home.create(path, name="Benchmark").close()
        with (path / SETTINGS_FILE).open("a") as settings:
            settings.write(f'revocation_url = "http://pki.bench.example"\ncrl_shards = {self.parts}\n')
        with Home.open(path) as home:
            self._fill(home)
            home.crls.publish_all()

    def ready(self) -> Callable[[], bytes]:
        home = Home.open(self.folder / "home")
        authority = home.hierarchy.issuing
        home.keys.of(authority)  # unsealed before the clock starts

        def make() -> bytes:
            home.crls.publish(authority)
            return home.crls.der(authority.id) or b""

        return make

    def _fill(self, home: Home) -> None:
        authority, revoked = home.hierarchy.issuing.id, enumerate(revocations(self.revoked))
        while some := list(islice(revoked, _ROWS_AT_ONCE)):
            with home.store.write() as connection:
                connection.execute(
                    insert(schema.certificates),
                    [self._certificate(authority, number, each[0]) for number, each in some],
                )
                connection.execute(
                    insert(schema.revocations), [self._revocation(authority, number, *each) for number, each in some]
                )

    def _certificate(self, authority: str, number: int, serial: int) -> dict[str, object]:
        moment = now()
        return {
            "id": _FIRST_ID + number,
            "thumbprint": secrets.token_urlsafe(32),
            "authority": authority,
            "serial": f"{serial:032x}",
            "profile": SERVER.name,
            "subject": "",
            "names": "",
            "not_before": moment,
            "not_after": moment + timedelta(days=90),
            "issued_at": moment,
            "shard": self._shard(number) or None,
            "der": b"",
        }

    def _revocation(self, authority: str, number: int, _serial: int, at: datetime, reason: str) -> dict[str, object]:
        return {
            "certificate": _FIRST_ID + number,
            "authority": authority,
            "shard": self._shard(number),
            "event": 1,
            "reason": reason,
            "revoked_at": at,
        }

    def _shard(self, number: int) -> int:
        return number % self.parts + 1 if self.parts > 1 else 0


class OnePart(WholeCrl):
    """The list is cut into parts: revoke one more certificate, and its part is published anew."""

    def ready(self) -> Callable[[], bytes]:
        home = Home.open(self.folder / "home")
        home.keys.of(home.hierarchy.issuing)
        home.authority.issue_server("one-more.bench.example")
        one_more = next(home.authority.certificates(profile=SERVER.name, name="one-more.bench.example"))
        self._serial = int(one_more.serial, 16)

        def make() -> bytes:
            home.revocation.revoke(one_more.thumbprint)
            return home.crls.path(one_more.authority, one_more.shard or 0).read_bytes()

        return make

    def is_whole(self, crl: x509.CertificateRevocationList) -> bool:
        listed = crl.get_revoked_certificate_by_serial_number(self._serial)
        return listed is not None and len(crl) > self.revoked // self.parts // 2

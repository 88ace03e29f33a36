"""A registry with many in it. The rows of the many are written without events, which would take an hour."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path

from sqlalchemy import insert

from mutua import Home
from mutua.pki.profiles import CLIENT
from mutua.registry.credentials import Form
from mutua.registry.partners import Introduction, by_certificate, by_subject
from mutua.store import schema
from tests.pki.hierarchy import Authority, issue, key_of, make_root

FIRST_ID = 1 << 40
"""Far above the events' ids."""

_AT_ONCE = 20_000


@dataclass(frozen=True)
class Population:
    """How many there are.

    Attributes:
        clients: each with one certificate that was issued to it.
        revoked: certificates, beside those.
        pins: certificates of partners.
        authorities: pinned CAs, each with one name below it.
    """

    clients: int
    revoked: int
    pins: int
    authorities: int


def make_home(folder: Path, population: Population) -> Home:
    """A home with so many in its registry."""
    Home.create(folder, name="Benchmark").close()
    home = Home.open(folder)
    _fill(home, population)
    home.clients.add("partner", allow=["GET /**"])
    for introduction in _introductions(home, population):
        home.credentials.add("partner", introduction)
    return home


def thumbprints(folder: Path, count: int) -> list[str]:
    """Those of the first clients' certificates."""
    with Home.open(folder) as home, home.store.read() as connection:
        columns = schema.certificates.c
        query = (
            schema.certificates.select()
            .with_only_columns(columns.thumbprint)
            .where(columns.id >= FIRST_ID, columns.client.is_not(None))
        )
        return list(connection.execute(query.order_by(columns.id).limit(count)).scalars())


def authority_of(number: int) -> Authority:
    """A partner's CA."""
    return make_root(key_of(f"bench-ca-{number % 8}"), organization=f"Partner {number}")


def _introductions(home: Home, population: Population) -> Iterator[Introduction]:
    now = home.now()
    for number in range(population.pins):
        leaf = issue(authority_of(number), names=[f"pin-{number}.bench.example"], key=key_of("bench-leaf"))
        yield by_certificate([leaf.certificate], now=now)
    for number in range(population.authorities):
        yield by_subject([make_root().certificate], Form.DNS, f"name-{number}.bench.example", now=now)


def _fill(home: Home, population: Population) -> None:
    authority, now = home.hierarchy.issuing.id, home.now()

    def certificate(number: int, client: str | None) -> dict[str, object]:
        return {
            "id": FIRST_ID + number,
            "thumbprint": secrets.token_urlsafe(32),
            "authority": authority,
            "serial": f"{number:032x}",
            "profile": CLIENT.name,
            "client": client,
            "subject": "",
            "names": "",
            "not_before": now,
            "not_after": now + timedelta(days=90),
            "issued_at": now,
            "der": b"",
        }

    numbers = iter(range(population.clients))
    while some := list(islice(numbers, _AT_ONCE)):
        with home.store.write() as connection:
            clients = [{"name": f"client-{number}", "state": "active", "created_at": now} for number in some]
            grants = [{"client": f"client-{number}", "methods": "GET", "pattern": "/**"} for number in some]
            connection.execute(insert(schema.clients), clients)
            connection.execute(insert(schema.grants), grants)
            made = [certificate(number, f"client-{number}") for number in some]
            connection.execute(insert(schema.certificates), made)
    numbers = iter(range(population.clients, population.clients + population.revoked))
    while some := list(islice(numbers, _AT_ONCE)):
        with home.store.write() as connection:
            connection.execute(insert(schema.certificates), [certificate(number, None) for number in some])
            place = {"authority": authority, "shard": 0, "event": 1, "reason": "unspecified", "revoked_at": now}
            connection.execute(insert(schema.revocations), [{"certificate": FIRST_ID + n, **place} for n in some])

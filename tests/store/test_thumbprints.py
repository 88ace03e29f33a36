"""A certificate is found by its thumbprint, however many there are, without reading them all."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert

from mutua.store import inventory, sightings
from mutua.store.inventory import CertificateRecord
from mutua.store.schema import BLOCK_IDS, authorities
from mutua.store.store import Store

Ask = Callable[[Connection, str], object]

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
IDS = [1, BLOCK_IDS - 1, BLOCK_IDS, 5 * BLOCK_IDS + 7, 1 << 62]
"""In the first block, on both sides of an edge, in one in between and in the newest, with empty ones between them."""


def thumbprint(identifier: int) -> str:
    return f"{identifier:_>20}{'Aa-_' * 9}"[:43]


def put(connection: Connection, identifier: int) -> None:
    record = CertificateRecord(
        thumbprint=thumbprint(identifier),
        authority="issuing-1",
        serial=f"{identifier:032x}",
        profile="server",
        client=None,
        subject="CN=api.acme.example",
        names=("api.acme.example",),
        not_before=NOW,
        not_after=NOW,
        issued_at=NOW,
        der=b"0",
    )
    inventory.add(connection, [record], first=identifier)


@pytest.fixture
def begun(store: Store) -> Store:
    """A store with one certificate."""
    with store.write() as connection:
        row = {"id": "issuing-1", "profile": "issuing-ca", "certificate": b"0", "created_at": NOW}
        connection.execute(insert(authorities).values(row))
        put(connection, IDS[0])
    return store


@pytest.fixture
def filled(begun: Store) -> Store:
    """A store with a certificate of each of these ids."""
    with begun.write() as connection:
        for identifier in IDS[1:]:
            put(connection, identifier)
    return begun


@pytest.mark.parametrize("identifier", IDS)
def test_a_certificate_is_found_in_every_block(filled: Store, identifier: int) -> None:
    text = thumbprint(identifier)
    with filled.read() as connection:
        record = inventory.by_thumbprint(connection, text)
        assert record is not None
        assert record.id == identifier
        assert [each.id for each in inventory.find(connection, text[:24])] == [identifier]
        assert [each.id for each in inventory.find(connection, f"{identifier:032x}")] == [identifier]


def test_one_that_is_not_there_is_not_found(filled: Store) -> None:
    with filled.read() as connection:
        assert inventory.by_thumbprint(connection, thumbprint(2)) is None
        assert inventory.find(connection, "zzzzzz") == []


def test_nothing_is_found_in_an_empty_store(store: Store) -> None:
    with store.read() as connection:
        assert inventory.by_thumbprint(connection, thumbprint(1)) is None
        assert inventory.find(connection, thumbprint(1)[:8]) == []


def test_what_was_seen_is_put_down_for_each_block_at_once(filled: Store) -> None:
    with filled.write() as connection:
        sightings.put(connection, {thumbprint(identifier): NOW for identifier in [*IDS, 2]})
    with filled.read() as connection:
        assert [sightings.first_seen(connection, identifier) for identifier in [*IDS, 2]] == [NOW] * len(IDS) + [None]


@pytest.mark.parametrize("ask", [inventory.by_thumbprint, inventory.find])
def test_the_index_answers(begun: Store, ask: Ask) -> None:
    """The database says so itself: the plan of what was asked names the index, and reads no table from end to end."""
    with begun.write() as connection:
        put_many(connection, BLOCK_IDS)  # PostgreSQL reads a small table whole
        plan = plans(connection, ask)
    assert "ix_certificates_thumbprint" in plan
    assert "SCAN certificates" not in plan
    assert "Seq Scan on certificates" not in plan


def put_many(connection: Connection, count: int) -> None:
    """More certificates, which the database makes itself; and it looks at what it has."""
    series = "WITH RECURSIVE series (id) AS (SELECT 2 UNION ALL SELECT id + 1 FROM series WHERE id < {count})"
    columns = "authority, profile, subject, names, not_before, not_after, issued_at, der"
    connection.exec_driver_sql(
        f"{series.format(count=count)} INSERT INTO certificates (id, thumbprint, serial, {columns})"
        f" SELECT series.id, 'many' || series.id, 'many' || series.id, {columns}"
        f" FROM series CROSS JOIN certificates WHERE certificates.id = 1"
    )
    connection.exec_driver_sql("ANALYZE certificates")


def plans(connection: Connection, ask: Ask) -> str:
    """What the database would do for a question."""
    asked: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, parameters: object, *___: object) -> None:
        asked.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    ask(connection, thumbprint(1))
    event.remove(connection, "before_cursor_execute", note)
    statement, parameters = asked[-1]
    explain = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    rows = connection.exec_driver_sql(f"{explain} {statement}", parameters)
    return "\n".join(str(row[-1]) for row in rows)

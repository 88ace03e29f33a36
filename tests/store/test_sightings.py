"""Sightings on either database: of certificates and of clients, however many processes tell of them."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import insert, select

from mutua.store import sightings
from mutua.store.schema import client_sightings, clients
from mutua.store.sightings import LAG
from mutua.store.store import Store

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def see(store: Store, *clients: str, at: datetime = NOW) -> None:
    with store.write() as connection:
        sightings.put(connection, {f"{number:043} {client}": at for number, client in enumerate(clients)})


def seen(store: Store) -> dict[str, datetime]:
    with store.read() as connection:
        rows = connection.execute(select(client_sightings.c.client, client_sightings.c.last_seen))
        return {client: at for client, at in rows}  # noqa: C416 -- rows are no pairs to dict()


def add(store: Store, *names: str) -> None:
    with store.write() as connection:
        rows = [{"name": name, "state": "active", "created_at": NOW - timedelta(days=1)} for name in names]
        connection.execute(insert(clients), rows)


def test_clients_are_seen_and_strangers_are_not(store: Store) -> None:
    add(store, "bank", "shop")
    see(store, "bank", "bank", "nobody")
    assert seen(store) == {"bank": NOW}


def test_a_row_is_written_again_only_when_it_lags_behind(store: Store) -> None:
    add(store, "bank")
    for moment in (NOW, NOW - timedelta(hours=1), NOW + LAG):
        see(store, "bank", at=moment)
        assert seen(store) == {"bank": NOW}
    see(store, "bank", at=NOW + LAG * 2)
    assert seen(store) == {"bank": NOW + LAG * 2}


def test_of_two_certificates_of_a_client_the_later_call_counts(store: Store) -> None:
    add(store, "bank")
    with store.write() as connection:
        sightings.put(connection, {"a bank": NOW, "b bank": NOW + timedelta(minutes=5), "c bank": NOW})
    assert seen(store) == {"bank": NOW + timedelta(minutes=5)}


def test_a_call_from_before_the_client_was_there_is_another_ones(store: Store) -> None:
    add(store, "bank")
    see(store, "bank", at=NOW - timedelta(days=2))
    assert seen(store) == {}

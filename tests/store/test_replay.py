"""Every row of the registry and the inventory, changed past mutua in every way, is named."""

import json
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, PrimaryKeyConstraint, Table, UniqueConstraint

import mutua
from mutua import Home
from mutua.errors import BrokenAudit
from mutua.home.audit import AUDIT_KEY_FILE
from mutua.store.replay import Difference
from mutua.store.replay.difference import MAX_LISTED
from mutua.store.schema import certificates, clients, credentials, event_head, metadata, revocations
from tests.conftest import CHEAP_SEALING
from tests.home.history import eventful, every_event
from tests.postgresql import Cluster
from tests.store.tampering import COMPARED, OUTSIDE, Intruder, Value, other_values

COLUMNS = [(table, column) for table in COMPARED for column in table.c]


@pytest.fixture(scope="module")
def eventful_template(home_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with an event of every kind."""
    folder = tmp_path_factory.mktemp("eventful") / "home"
    shutil.copytree(home_template, folder, symlinks=True)
    with Home.open(folder) as home:
        eventful(home)
    return folder


@pytest.fixture
def home(eventful_template: Path, tmp_path: Path) -> Iterator[Home]:
    """A copy of it."""
    folder = tmp_path / "home"
    shutil.copytree(eventful_template, folder, symlinks=True)
    with Home.open(folder) as opened:
        yield opened


@pytest.fixture
def intruder(home: Home) -> Iterator[Intruder]:
    """Somebody who writes into its store."""
    somebody = Intruder(home.store.path)
    yield somebody
    somebody.close()


def told(home: Home) -> list[Difference]:
    """What the audit finds."""
    with pytest.raises(BrokenAudit) as broken:
        home.audit.verify()
    assert broken.value.count >= len(broken.value.differences) > 0
    assert str(broken.value.differences[0]) in broken.value.message
    assert "\n" not in broken.value.message
    return list(broken.value.differences)


def test_what_nobody_touched_is_what_the_events_say(home: Home) -> None:
    assert home.audit.verify() == len(every_event(home)) > 60


def test_the_history_has_an_event_of_every_kind_that_is_written(home: Home) -> None:
    kinds = re.compile(r'"((?:client|credential|certificate|authority|crl|invitation|keys|request|audit)\.[a-z_]+)"')
    folder = Path(mutua.__file__).parent / "home"
    written = {kind for file in folder.glob("**/*.py") for kind in kinds.findall(file.read_text())}
    adopted_only = {"audit.signed"}  # see tests/home/test_audit.py
    assert written - {AUDIT_KEY_FILE} == {event.kind for event in every_event(home)} | adopted_only


def test_every_table_is_compared_or_said_to_be_outside(home: Home, intruder: Intruder) -> None:
    assert {table.name for table in COMPARED} | OUTSIDE == set(metadata.tables)
    assert all(intruder.rows(table) for table in COMPARED)


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=lambda each: each.name)
def test_any_cell_changed_is_found(home: Home, intruder: Intruder, table: Table, column: Column[object]) -> None:
    rows = intruder.rows(table)
    tried = 0
    for place in sorted({0, len(rows) - 1}) if rows else ():
        for value in other_values(table, column, rows, place):
            try:
                with intruder.changed(table, rows[place], column, value):
                    found = told_of(home, table)
                    assert column.primary_key or table is event_head or column.name in {each.column for each in found}
            except sqlite3.IntegrityError:
                continue  # the database itself does not take it
            tried += 1
    assert tried
    home.audit.verify()


def told_of(home: Home, table: Table) -> list[Difference]:
    """What the audit finds, and in this table; of a head that is not the chain's or not signed it finds no more."""
    with pytest.raises(BrokenAudit) as broken:
        home.audit.verify()
    found = list(broken.value.differences)
    assert table is event_head or table.name in {each.table for each in found}, broken.value.message
    return found


@pytest.mark.parametrize("table", COMPARED, ids=lambda table: table.name)
def test_any_row_deleted_is_found(home: Home, intruder: Intruder, table: Table) -> None:
    for row in intruder.rows(table):
        with intruder.without(table, row):
            found = told_of(home, table)
        if table is not event_head:
            assert [each for each in found if each.table == table.name and each.row is None], row
    home.audit.verify()


@pytest.mark.parametrize("table", COMPARED, ids=lambda table: table.name)
def test_a_row_added_is_found(home: Home, intruder: Intruder, table: Table) -> None:
    """A copy of one, with keys of its own."""
    row = intruder.rows(table)[0]
    keys = [each.columns for each in table.constraints if isinstance(each, PrimaryKeyConstraint | UniqueConstraint)]
    own = {column for columns in keys for column in columns}
    cells = zip(table.c, row, strict=True)
    fresh = tuple(_another(cell) if column in own else cell for column, cell in cells)
    with intruder.with_another(table, fresh):
        found = told(home)
    assert [each for each in found if each.table == table.name and each.events is None]


def _another(cell: Value) -> Value:
    return cell + 7000 if isinstance(cell, int) else f"{str(cell)[:-4]}zzzz"


def test_a_credential_that_nobody_gave_is_found(home: Home, intruder: Intruder) -> None:
    with intruder.with_another(credentials, (99, "woovi", "pin", "x5t#S256", "A" * 43, "A" * 43, "", None)):
        (found,) = told(home)
    assert str(found) == "credentials 99 is there, and no event tells of it"


def test_two_certificates_that_changed_places_are_both_named(home: Home, intruder: Intruder) -> None:
    (one, other) = intruder.rows(certificates)[-2:]
    intruder.run("UPDATE certificates SET der = ? WHERE id = ?", other[-1], one[0])
    intruder.run("UPDATE certificates SET der = ? WHERE id = ?", one[-1], other[0])
    found = told(home)
    assert [(each.table, each.key, each.column) for each in found] == [
        ("certificates", str(one[0]), "der"),
        ("certificates", str(other[0]), "der"),
    ]
    assert found[0].row == found[1].events


def test_a_revocation_removed_is_named_by_its_certificate(home: Home, intruder: Intruder) -> None:
    row = next(each for each in intruder.rows(revocations) if "key_compromise" in each)
    intruder.run("DELETE FROM revocations WHERE certificate = ?", row[0])
    (found,) = told(home)
    assert (found.table, found.key, found.row) == ("revocations", str(row[0]), None)
    assert "key_compromise" in str(found)


def test_a_revocation_moved_to_another_certificate_is_named_twice(home: Home, intruder: Intruder) -> None:
    row = intruder.rows(revocations)[0]
    intruder.run("UPDATE revocations SET certificate = 1 WHERE certificate = ?", row[0])
    assert {(each.key, each.row is None) for each in told(home)} == {(str(row[0]), True), ("1", False)}


def test_a_final_revocation_turned_back_into_a_hold_is_found(home: Home, intruder: Intruder) -> None:
    row = intruder.rows(revocations)[0]
    held = next(each for each in every_event(home) if each.kind == "certificate.revoked" and "hold" in each.body)
    intruder.run("UPDATE revocations SET reason = 'certificate_hold', event = ? WHERE certificate = ?", held.id, row[0])
    assert {each.column for each in told(home)} == {"reason", "event"}


def test_a_certificate_put_back_on_hold_after_its_release_is_found(home: Home, intruder: Intruder) -> None:
    released = next(each for each in every_event(home) if each.kind == "certificate.released")
    (certificate,) = [row[0] for row in intruder.rows(certificates) if row[1] == released.subject]
    row = intruder.rows(revocations)[0]
    with intruder.with_another(revocations, (certificate, *row[1:])):
        (found,) = told(home)
    assert (found.key, found.events) == (str(certificate), None)


def test_a_suspended_client_set_active_is_named(home: Home, intruder: Intruder) -> None:
    intruder.run("UPDATE clients SET state = 'active' WHERE name = 'bank'")
    (found,) = told(home)
    assert str(found) == "clients 'bank': state is 'active', and the events say 'suspended'"


def test_a_grant_added_or_widened_is_named(home: Home, intruder: Intruder) -> None:
    intruder.run("INSERT INTO grants (client, methods, pattern) VALUES ('woovi', '*', '/**')")
    intruder.run("UPDATE grants SET pattern = '/**' WHERE pattern = '/status'")
    found = [str(each) for each in told(home)]
    assert len(found) == 2
    assert any("'/**', and the events say '/status'" in each for each in found)
    assert any("no event tells of it" in each for each in found)


def test_grants_that_changed_places_are_found(home: Home, intruder: Intruder) -> None:
    intruder.run("UPDATE grants SET id = -1 WHERE id = 2")
    (found,) = told(home)
    assert (found.table, found.column) == ("grants", "id")


def test_a_certificate_given_to_another_client_is_named(home: Home, intruder: Intruder) -> None:
    intruder.run("UPDATE certificates SET client = 'bank' WHERE client = 'woovi'")
    assert {(each.column, each.row, each.events) for each in told(home)} == {("client", "'bank'", "'woovi'")}


def test_another_ca_behind_the_name_of_ours_is_named(home: Home, intruder: Intruder) -> None:
    intruder.run(
        "UPDATE authorities SET certificate = (SELECT certificate FROM authorities WHERE id = 'alone')"
        " WHERE id = 'root'"
    )
    (found,) = told(home)
    assert (found.table, found.key, found.column) == ("authorities", "'root'", "certificate")


def test_an_older_crl_put_back_is_found(home: Home, intruder: Intruder) -> None:
    before = home.crls.der("issuing-2", 1)
    intruder.run("UPDATE crls SET number = number - 1 WHERE authority = 'issuing-2' AND shard = 1")
    intruder.run("UPDATE crls SET der = (SELECT der FROM crls WHERE authority = 'root') WHERE authority = 'issuing-2'")
    assert before != home.crls.der("issuing-2", 1)
    assert {each.column for each in told(home)} == {"number", "der"}


def test_everything_is_counted_and_a_bounded_part_listed(home: Home, intruder: Intruder) -> None:
    row = intruder.rows(clients)[0]
    for number in range(MAX_LISTED + 50):
        intruder.run("INSERT INTO clients VALUES (?, ?, ?)", f"stranger-{number}", *row[1:])
    with pytest.raises(BrokenAudit) as broken:
        home.audit.verify()
    assert broken.value.count == MAX_LISTED + 50
    assert len(broken.value.differences) == MAX_LISTED
    assert broken.value.message.endswith(f"and {MAX_LISTED + 49} more")


def test_what_is_shown_of_a_value_is_bounded_and_printable(home: Home, intruder: Intruder) -> None:
    intruder.run("UPDATE certificates SET subject = ? WHERE id = 1", "\x1b[2J\n" * 100_000)
    (found,) = told(home)
    assert found.row is not None
    assert len(str(found)) < 400
    assert str(found).isprintable()


def test_keys_are_named_by_their_digest_only(home: Home, intruder: Intruder) -> None:
    intruder.run("UPDATE authorities SET key = '{\"sealed\": \"secret\"}' WHERE id = 'root'")
    (found,) = told(home)
    assert "secret" not in str(found)
    assert re.fullmatch(r"'[0-9a-f]{64}'", str(found.row))


def test_seeing_a_certificate_in_use_is_outside_the_trail(home: Home, intruder: Intruder) -> None:
    intruder.run("DELETE FROM sightings")
    intruder.run("INSERT INTO sightings VALUES (1, 1, 1)")
    home.audit.verify()


def test_a_certificate_that_its_ca_did_not_sign_is_found_even_if_it_was_recorded(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken signer, or a token that lies."""
    from mutua.pki.draft import Draft
    from mutua.pki.randomness import generate_key

    sign: Callable[..., object] = Draft.sign
    with monkeypatch.context() as patch:
        patch.setattr(Draft, "sign", lambda draft, _key: sign(draft, generate_key()))
        home.authority.issue_server("b.example")
    (found,) = told(home)
    assert (found.table, found.column) == ("certificates", "der")
    assert "without its CA's signature" in str(found)


@pytest.mark.parametrize(
    ("kind", "subject", "body"),
    [
        ("client.added", "x", {}),
        ("client.added", "x", {"grants": [1]}),
        ("client.suspended", "nobody", {}),
        ("certificate.issued", "A" * 43, {}),
        ("certificate.revoked", "A" * 43, {"reason": "unspecified"}),
        ("authority.retired", "nothing", {}),
        ("keys.resealed", "keys", {"keys": 1}),
        ("crl.published", "root/0", {"number": "many"}),
    ],
)
def test_an_event_that_makes_no_sense_is_named(home: Home, kind: str, subject: str, body: dict[str, object]) -> None:
    with home.store.write() as connection:
        last = home.record(connection, home.event(kind, subject, body))
    with pytest.raises(BrokenAudit, match=f"the event {last} is of no form that mutua writes"):
        home.audit.verify()


def test_an_event_of_a_kind_of_its_own_changes_nothing(home: Home) -> None:
    with home.store.write() as connection:
        last = home.record(connection, home.event("moon.landed", "moon", {}))
    assert home.audit.verify() == last


def test_a_crl_number_that_does_not_grow_is_found(home: Home) -> None:
    published = [each for each in every_event(home) if each.kind == "crl.published" and each.subject == "root/0"]
    body = json.loads(published[0].body)
    with home.store.write() as connection:
        last = home.record(connection, home.event("crl.published", "root/0", body))
    first = told(home)[0]
    assert (first.table, first.key, first.column) == ("crls", "'root/0'", "number")
    assert f"at event {last}" in str(first)


def test_what_was_found_is_forgotten_by_the_next_look(home: Home, intruder: Intruder) -> None:
    """The error holds the frames of what was being read; SQLite would go on showing that moment."""
    with intruder.without(event_head, intruder.rows(event_head)[0]), pytest.raises(BrokenAudit) as broken:
        home.audit.verify()
    assert broken.value.__traceback__ is not None
    home.audit.verify()


def test_on_postgresql_a_history_verifies_and_a_changed_row_is_named(cluster: Cluster, tmp_path: Path) -> None:
    with (
        cluster.database() as name,
        Home.create(tmp_path / "home", sealing_cost=CHEAP_SEALING, store=cluster.url(name)) as home,
    ):
        home.clients.add("woovi", allow=["GET /**", "POST /webhook/*"])
        eventful(home)
        assert home.audit.verify(home.audit.checkpoint()) == len(every_event(home))
        for statement, named in {
            "UPDATE clients SET state = 'active' WHERE name = 'bank'": "clients 'bank': state",
            "UPDATE certificates SET not_after = not_after + 1 WHERE id = 1": "certificates 1: not_after",
            "UPDATE revocations SET reason = 'unspecified' WHERE reason = 'key_compromise'": "reason is 'unspecified'",
            "UPDATE crls SET der = certificate FROM authorities WHERE id = 'root'": "der is",
        }.items():
            with home.store.write() as connection:
                connection.exec_driver_sql(statement)
            with pytest.raises(BrokenAudit) as broken:
                home.audit.verify()
            assert named in " ".join(map(str, broken.value.differences))
        assert broken.value.count > 10

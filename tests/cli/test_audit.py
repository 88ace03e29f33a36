"""``mutua audit``: what it prints, for a person and for a program, and how it ends."""

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from mutua import Home
from tests.cli.conftest import Run

UNREADABLE, NOT_ALLOWED, USAGE = 3, 4, 2
CHECKPOINT = {"kind", "count", "hash", "at", "public_key", "signature"}
EVENT = {"id", "at", "actor", "kind", "subject", "facts", "hash"}
LINE = {"id", "at", "actor", "kind", "subject", "body", "hash", "previous"}


def tamper(home: Home, statement: str, *values: object) -> None:
    with sqlite3.connect(home.store.path) as connection:
        connection.execute(statement, values)
    connection.close()


def test_rows_that_are_not_what_the_events_say_are_listed(mutua: Run, home: Home) -> None:
    tamper(home, "UPDATE clients SET state = 'suspended'")
    tamper(home, "UPDATE grants SET pattern = '/**'")
    result = mutua("audit", "verify")
    assert result.code == NOT_ALLOWED
    assert result.out.splitlines() == [
        "clients 'woovi': state is 'suspended', and the events say 'active'",
        "grants 2: pattern is '/**', and the events say '/webhook/*'",
    ]
    lines = result.err.splitlines()
    assert lines[0] == f"error: the store is not what its events say: {result.out.splitlines()[0]}, and 1 more"
    assert lines[2] == "docs:  docs/errors.md#broken_audit"


def test_rows_that_are_not_what_the_events_say_as_json(mutua: Run, home: Home) -> None:
    tamper(home, "UPDATE clients SET state = 'suspended'")
    tamper(home, "DELETE FROM grants WHERE id = 1")
    result = mutua("audit", "verify", "--json")
    assert result.code == NOT_ALLOWED
    assert set(result.json) == {"ok", "why", "differences", "count"}
    assert (result.json["ok"], result.json["count"]) == (False, 2)
    assert result.json["differences"] == [
        {"table": "clients", "key": "'woovi'", "column": "state", "row": "'suspended'", "events": "'active'"},
        {
            "table": "grants",
            "key": "'woovi'",
            "column": None,
            "row": None,
            "events": "the client may 'GET /**'",
        },
    ]


def test_more_differences_than_are_listed_are_counted(mutua: Run, home: Home) -> None:
    for number in range(130):
        tamper(home, "INSERT INTO clients VALUES (?, 'active', 0)", f"stranger-{number}")
    result = mutua("audit", "verify")
    assert len(result.out.splitlines()) == 101
    assert result.out.splitlines()[-1] == "and 30 more"


def test_a_broken_chain_as_json_says_why(mutua: Run, home: Home) -> None:
    tamper(home, "UPDATE events SET actor = 'eva' WHERE id = 2")
    result = mutua("audit", "verify", "--json")
    assert result.code == NOT_ALLOWED
    assert result.json == {"ok": False, "why": "the audit trail is broken at event 2", "differences": [], "count": 0}


def test_what_was_put_into_a_row_moves_no_cursor(mutua: Run, home: Home) -> None:
    tamper(home, "UPDATE clients SET name = ?", "\x1b[2Jwoovi\u202e")
    tamper(home, "UPDATE certificates SET subject = ?", "\x1b]0;title\x07")
    for name in ("verify", "tail", "export"):
        result = mutua("audit", name)
        assert all(line.isprintable() for line in (result.out + result.err).splitlines())


def test_a_checkpoint_is_written_and_verified_against(mutua: Run, home: Home) -> None:
    count = home.audit.verify()
    written = mutua("audit", "checkpoint", "--out", "noted.json")
    assert written.code == 0
    assert written.out == f"noted.json holds the trail to event {count}\n"
    assert "mutua audit verify --against noted.json" in written.err
    assert set(mutua("audit", "checkpoint", "--out", "again.json", "--json").json) == CHECKPOINT | {"file"}
    home.clients.add("bank")
    result = mutua("audit", "verify", "--against", "noted.json")
    assert result.out.splitlines()[0] == f"{count + 1} events, the chain is whole"
    assert result.out.splitlines()[1].endswith(f"is part of it: {count} events then")
    assert mutua("audit", "verify", "--against", "noted.json", "--json").json == {"events": count + 1, "ok": True}


def test_a_checkpoint_on_stdout_is_the_same(mutua: Run, home: Home) -> None:
    shown = mutua("audit", "checkpoint").json
    assert set(shown) == CHECKPOINT
    assert (shown["count"], shown["kind"]) == (home.audit.verify(), "mutua audit checkpoint")


def test_a_checkpoint_that_is_there_is_not_overwritten(mutua: Run, home: Home) -> None:
    path = home.path.parent / "noted.json"
    path.write_text("what was noted before")
    assert mutua("audit", "checkpoint", "--out", "noted.json").code == NOT_ALLOWED
    assert path.read_text() == "what was noted before"


@pytest.mark.parametrize(("out", "told"), [("nowhere/x.json", "cannot be written"), ("home", "is there already")])
def test_a_checkpoint_that_cannot_be_written(mutua: Run, out: str, told: str) -> None:
    result = mutua("audit", "checkpoint", "--out", out)
    assert told in result.error()


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "cannot be read"), (b"", "not a checkpoint"), (b"[]", "not a checkpoint"), (b" " * 5000, "larger than")],
)
def test_what_is_no_checkpoint(mutua: Run, home: Home, content: bytes | None, told: str) -> None:
    if content is not None:
        (home.path.parent / "noted.json").write_bytes(content)
    result = mutua("audit", "verify", "--against", "noted.json")
    assert told in result.error()
    assert result.code == UNREADABLE


def test_a_store_that_was_rolled_back(mutua: Run, home: Home) -> None:
    home.clients.add("bank")
    mutua("audit", "checkpoint", "--out", "noted.json")
    last = home.audit.verify()
    tamper(home, "DELETE FROM events WHERE id = ?", last)
    result = mutua("audit", "verify", "--against", "noted.json")
    assert result.code == NOT_ALLOWED
    assert "ends at event" in result.error()


def test_the_chain_is_verified_from_the_export_alone(mutua: Run, home: Home) -> None:
    home.clients.add("bank", allow=["GET /b\u00fccher"])
    lines = [json.loads(line) for line in mutua("audit", "export").out.splitlines()]
    checkpoint = mutua("audit", "checkpoint").json
    previous = "0" * 64
    for number, line in enumerate(lines, 1):
        assert set(line) == LINE
        assert (line["id"], line["previous"]) == (number, previous)
        previous = digest(line)
        assert line["hash"] == previous
    assert (len(lines), previous) == (checkpoint["count"], checkpoint["hash"])


def digest(line: dict[str, Any]) -> str:
    fields = [line[name] for name in ("id", "at", "actor", "kind", "subject", "body", "previous")]
    return hashlib.sha256(json.dumps(fields, separators=(",", ":")).encode()).hexdigest()


def test_an_export_can_go_on_where_the_last_one_ended(mutua: Run, home: Home) -> None:
    whole = mutua("audit", "export").out.splitlines()
    assert mutua("audit", "export", "--since", "3", "--json").out.splitlines() == whole[3:]
    assert mutua("audit", "export", "--since", str(len(whole))).out == ""
    assert mutua("audit", "export", "--since", "-1").code == USAGE


def test_a_broken_trail_is_exported_as_it_stands(mutua: Run, home: Home) -> None:
    tamper(home, "UPDATE events SET actor = ?, body = '{' WHERE id = 2", "\u00e9va")
    lines = [json.loads(line) for line in mutua("audit", "export").out.splitlines()]
    assert (lines[1]["actor"], lines[1]["body"]) == ("\u00e9va", "{")
    assert digest(lines[1]) != lines[1]["hash"]
    assert mutua("audit", "tail").code == 0
    assert mutua("audit", "tail", "--json").json[1]["facts"] == {"body": "{"}


def test_an_event_that_cannot_be_read_at_all_is_named(mutua: Run, home: Home) -> None:
    tamper(home, "UPDATE events SET at = 'never' WHERE id = 2")
    for name in ("export", "tail"):
        result = mutua("audit", name)
        assert result.code == NOT_ALLOWED
        assert "the event 2 cannot be read" in result.err


def test_the_newest_events_are_shown_the_newest_last(mutua: Run, home: Home) -> None:
    home.clients.add("bank", allow=["GET /status"])
    home.clients.suspend("bank")
    lines = mutua("audit", "tail", "-n", "2").out.splitlines()
    assert lines[0].split() == ["EVENT", "WHEN", "WHO", "WHAT", "OF", "FACTS"]
    assert [line.split()[5:] for line in lines[1:]] == [
        ["client.added", "bank", "grants", "GET", "/status"],
        ["client.suspended", "bank", "-"],
    ]
    assert len(mutua("audit", "tail").out.splitlines()) == 1 + min(10, home.audit.verify())


def test_the_newest_events_as_json(mutua: Run, home: Home) -> None:
    home.clients.add("bank", allow=["GET /status"])
    shown = mutua("audit", "tail", "--json", "-n", "1").json
    assert [set(event) for event in shown] == [EVENT]
    assert (shown[0]["kind"], shown[0]["facts"]) == ("client.added", {"grants": ["GET /status"]})
    assert len(mutua("audit", "tail", "--json", "-n", "10000").json) == home.audit.verify()
    assert mutua("audit", "tail", "-n", "0").code == USAGE


@pytest.mark.parametrize("name", ["verify", "checkpoint", "export", "tail"])
def test_a_trail_without_a_head(mutua: Run, home: Home, name: str, tmp_path: Path) -> None:
    tamper(home, "DELETE FROM event_head")
    result = mutua("audit", name)
    assert result.code == (0 if name in {"export", "tail"} else NOT_ALLOWED)

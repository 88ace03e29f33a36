"""What was noted of a trail elsewhere shows a store that was rolled back, or written anew."""

import json
import shutil
import sqlite3
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings

from mutua import Home
from mutua.errors import BrokenAudit, UnreadableCheckpoint
from mutua.home.audit import PUBLIC_KEY_BYTES
from mutua.home.checkpoint import MAX_CHECKPOINT_BYTES, Checkpoint, draw_checkpoint, read_checkpoint
from mutua.store import events
from tests.conftest import CHEAP_SEALING
from tests.pki.mutations import foreign


def broken(home: Home, against: Checkpoint) -> str:
    with pytest.raises(BrokenAudit) as found:
        home.audit.verify(against)
    return found.value.message


def test_a_trail_holds_its_own_checkpoints(home: Home) -> None:
    first = home.audit.checkpoint()
    home.clients.add("bank")
    second = home.audit.checkpoint()
    for checkpoint in (first, second):
        assert home.audit.verify(checkpoint) == home.audit.verify() == second.count == first.count + 1
    assert read_checkpoint(json.dumps(first.json()).encode()) == first


def test_a_store_put_back_from_an_old_copy_is_found_by_a_checkpoint(home: Home, tmp_path: Path) -> None:
    copy, path = tmp_path / "copy.db", home.store.path
    with sqlite3.connect(path) as connection:
        connection.execute("VACUUM INTO ?", (str(copy),))
    connection.close()
    before = home.audit.verify()
    home.clients.suspend("woovi")
    home.clients.add("bank")
    noted = home.audit.checkpoint()
    home.close()
    for name in (f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink(missing_ok=True)
    shutil.copy(copy, path)
    with Home.open(home.path) as back:
        assert back.audit.verify() == before  # whole, as it once was
        assert f"rolled back: its trail ends at event {before}, and had {before + 2}" in broken(back, noted)
        back.clients.add("one")
        assert "rolled back" in broken(back, noted)
        for name in ("two", "three"):
            back.clients.add(name)
            assert f"written anew: event {before + 2} is not the one of the checkpoint" in broken(back, noted)
        back.audit.verify()


def test_a_checkpoint_of_another_home_is_told_from_a_rolled_back_store(home: Home, tmp_path: Path) -> None:
    with Home.create(tmp_path / "other", sealing_cost=CHEAP_SEALING) as other:
        noted = other.audit.checkpoint()
    assert "signed with another audit key" in broken(home, noted)


def test_a_checkpoint_forged_with_another_key_does_not_pass_for_ours(home: Home) -> None:
    mine = home.audit.checkpoint()
    forged = draw_checkpoint(Ed25519PrivateKey.generate(), count=mine.count, digest=mine.hash, at=mine.at)
    assert "signed with another audit key" in broken(home, forged)


@pytest.mark.parametrize("name", ["kind", "count", "hash", "at", "public_key", "signature"])
def test_a_changed_checkpoint_cannot_be_read(home: Home, name: str) -> None:
    content = home.audit.checkpoint().json()
    home.clients.add("bank")
    other = home.audit.checkpoint().json()
    changed = {"kind": "mutua audit head", "public_key": "A" * 43 + "="}.get(name, other[name])
    for altered in ({**content, name: changed}, {**content, name: None}, {**content, name: [1]}):
        with pytest.raises(UnreadableCheckpoint):
            read_checkpoint(json.dumps(altered).encode())
    del content[name]
    with pytest.raises(UnreadableCheckpoint):
        read_checkpoint(json.dumps(content).encode())


@pytest.mark.parametrize("count", [-1, 2**63, True, 1.0, "1", 10**4000])
def test_a_checkpoint_counts_in_whole_numbers(home: Home, count: object) -> None:
    with pytest.raises(UnreadableCheckpoint):
        read_checkpoint(json.dumps({**home.audit.checkpoint().json(), "count": count}).encode())


def test_a_large_file_is_no_checkpoint(home: Home) -> None:
    data = json.dumps(home.audit.checkpoint().json()).encode()
    assert read_checkpoint(data.ljust(MAX_CHECKPOINT_BYTES))
    with pytest.raises(UnreadableCheckpoint, match="too many"):
        read_checkpoint(data.ljust(MAX_CHECKPOINT_BYTES + 1))


_NOTED = json.dumps(
    draw_checkpoint(Ed25519PrivateKey.generate(), count=7, digest="a" * 64, at=datetime(2026, 1, 2, tzinfo=UTC)).json()
).encode()


@given(data=foreign([_NOTED]))
@settings(max_examples=500, deadline=None)
def test_whatever_is_given_as_a_checkpoint_is_refused_in_our_words(data: bytes) -> None:
    with suppress(UnreadableCheckpoint):
        assert read_checkpoint(data).count == 7


def test_the_signature_of_a_head_is_none_of_a_checkpoint_though_one_key_makes_both(home: Home) -> None:
    noted = home.audit.checkpoint()
    of_head = home.audit.sign(events.head_bytes(noted.count, noted.hash))[PUBLIC_KEY_BYTES:]
    with pytest.raises(UnreadableCheckpoint, match="never was"):
        read_checkpoint(json.dumps(replace(noted, signature=of_head).json()).encode())

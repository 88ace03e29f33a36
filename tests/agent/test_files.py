"""What the agent writes for itself: read back as it was, and from anybody else only a MutuaError."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutua.agent.enrolment import Enrolment, read_enrolment, write_enrolment
from mutua.agent.memory import Memories, Memory
from mutua.agent.schedule import Failures
from mutua.errors import UnreadableContents

MOMENT = datetime(2026, 11, 23, 12, tzinfo=UTC)
ENROLMENT = Enrolment(url="https://pki.acme.example", client="woovi", invitation="a" * 43, obtained_at=MOMENT)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below, max_size=3),
    max_leaves=5,
)


def test_an_enrolment_is_read_as_it_was_written() -> None:
    assert read_enrolment(write_enrolment(ENROLMENT)) == ENROLMENT


@given(st.binary(max_size=200))
def test_of_any_bytes_there_is_an_enrolment_or_our_error(data: bytes) -> None:
    with pytest.raises(UnreadableContents):
        read_enrolment(data)


@given(st.sampled_from(["v", "url", "client", "invitation", "obtained_at"]), json_values)
def test_any_value_in_an_enrolment_is_one_or_our_error(name: str, value: object) -> None:
    told = {**json.loads(write_enrolment(ENROLMENT)), name: value}
    try:
        read_enrolment(json.dumps(told).encode())
    except UnreadableContents:
        return


def test_an_enrolment_names_no_server_without_tls() -> None:
    told = {**json.loads(write_enrolment(ENROLMENT)), "url": "http://pki.acme.example"}
    with pytest.raises(UnreadableContents):
        read_enrolment(json.dumps(told).encode())


def test_a_large_enrolment_is_none() -> None:
    with pytest.raises(UnreadableContents):
        read_enrolment(write_enrolment(ENROLMENT) + b" " * 5000)


def test_a_memory_is_recalled_as_it_was_kept(tmp_path: Path) -> None:
    kept = Memory(
        thumbprint="a",
        trust="b",
        succeeded_at=MOMENT,
        trust_at=MOMENT,
        renewal=Failures(3, MOMENT),
        renewals=2,
        failed=9,
        hooks=Failures(1, MOMENT),
        error="why",
        told_of="a",
        told={"log": 7},
    )
    memories = Memories(tmp_path / "state")
    memories.keep(Path("/etc/mutua/woovi"), kept)
    assert memories.recall(Path("/etc/mutua/woovi")) == kept
    assert memories.recall(Path("/etc/mutua/other")) == Memory()
    assert (tmp_path / "state").stat().st_mode & 0o077 == 0


@given(
    st.binary(max_size=100)
    | st.dictionaries(
        st.sampled_from(["thumbprint", "renewal", "told", "trust_at", "failed", "error", "hooks"]), json_values
    ).map(lambda told: json.dumps(told).encode())
)
def test_a_memory_that_was_damaged_is_none(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("state")
    memories = Memories(folder)
    memories.keep(Path("/x"), Memory())
    (file,) = folder.iterdir()
    file.write_bytes(data)
    assert isinstance(memories.recall(Path("/x")), Memory)

"""The runner of the pages notices what is wrong."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import Block
from tests.docs.ports import Ports
from tests.docs.session import Mismatch, Session, matches


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Ports() as ports, Session(tmp_path, ports) as started:
        yield started


def block(language: str, text: str, *, is_output: bool = False) -> Block:
    return Block(language, text, 1, None, is_output)


def test_output_that_differs_from_the_page_fails(session: Session) -> None:
    with pytest.raises(Mismatch, match="on the machine\ntwo"):
        session.run(block("console", "$ echo two\none\n"))


def test_a_command_that_fails_without_the_page_saying_so_fails(session: Session) -> None:
    with pytest.raises(Mismatch, match="ended with 3"):
        session.run(block("console", "$ exit 3\n"))


def test_a_shown_failure_and_its_status_pass(session: Session) -> None:
    session.run(block("console", "$ echo refused; exit 4\nrefused\n$ echo $?\n4\n"))


def test_python_that_prints_something_else_fails(session: Session) -> None:
    session.run(block("python", "print(1 + 1)\n"))
    session.run(block("text", "2\n", is_output=True))

    with pytest.raises(Mismatch):
        session.run(block("text", "3\n", is_output=True))


def test_python_blocks_share_their_names_and_their_folder(session: Session, tmp_path: Path) -> None:
    session.run(block("python", "from pathlib import Path\nhere = Path('x')\n"))
    session.run(block("python", "here.write_text('there')\n"))

    assert (tmp_path / "x").read_text() == "there"


def test_a_block_that_begins_with_a_file_name_becomes_that_file(session: Session, tmp_path: Path) -> None:
    session.run(block("python", "# main.py\nraise SystemExit(0)\n"))

    assert (tmp_path / "main.py").read_text().startswith("# main.py\n")


def test_an_exported_variable_holds_for_the_next_command(session: Session) -> None:
    session.run(block("console", "$ export COLOUR=blue\n$ echo $COLOUR\nblue\n"))


def test_a_server_that_ends_before_it_is_ready_fails(session: Session) -> None:
    with pytest.raises(Mismatch, match="did not get ready"):
        session.run(block("console", "$ false &\n"))


def test_a_call_beyond_loopback_is_never_made(session: Session) -> None:
    with pytest.raises(Mismatch, match="only loopback"):
        session.run(block("console", "$ echo https://api.acme.example/\n"))


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        ("until ...\n", "until 2027-01-01\n", True),
        ("a\n...\nz\n", "a\nb\nc\nz\n", True),
        ("a\n...\nz\n", "a\nz\n", True),
        ("a\n", "a\nb\n", False),
        ("a.c\n", "abc\n", False),
        ("", "anything\n", False),
    ],
)
def test_dots_stand_for_any_text_and_nothing_else_does(expected: str, actual: str, *, same: bool) -> None:
    assert matches(expected, actual) is same

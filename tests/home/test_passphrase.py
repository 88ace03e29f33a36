import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutua import Home
from mutua.errors import InvalidInput, MissingPassphrase, MutuaError, UnreadableFile, WrongPassphrase
from mutua.home.passphrase import (
    COMMAND_VARIABLE,
    FILE_VARIABLE,
    MAX_PASSPHRASE_BYTES,
    PENDING_FILE,
    VARIABLE,
    accepted_passphrase,
    find_passphrase,
    passphrase_for_new_home,
    passphrases,
)
from tests.conftest import CHEAP_SEALING


@pytest.fixture(autouse=True)
def _no_passphrase_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (VARIABLE, FILE_VARIABLE, COMMAND_VARIABLE):
        monkeypatch.delenv(variable, raising=False)


def test_the_sources_are_asked_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text("from the home\n")
    (tmp_path / "given").write_text("from the file\r\n")
    environment = {
        VARIABLE: "from the variable",
        FILE_VARIABLE: str(tmp_path / "given"),
        COMMAND_VARIABLE: "echo 'from the command'",
    }
    found = [find_passphrase(tmp_path, environment)]
    for variable in (VARIABLE, FILE_VARIABLE, COMMAND_VARIABLE):
        del environment[variable]
        found.append(find_passphrase(tmp_path, environment))
    assert found == [b"from the variable", b"from the file", b"from the command", b"from the home"]


@pytest.mark.parametrize("variable", [VARIABLE, FILE_VARIABLE, COMMAND_VARIABLE])
def test_an_empty_variable_is_as_good_as_none(tmp_path: Path, variable: str) -> None:
    (tmp_path / "passphrase").write_text("from the home")
    assert find_passphrase(tmp_path, {variable: ""}) == b"from the home"


def test_only_line_ends_are_cut_off(tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_bytes(b" two words \xff \r\n\n")
    assert find_passphrase(tmp_path, {}) == b" two words \xff "


def test_a_variable_that_is_not_unicode_is_taken_byte_for_byte(tmp_path: Path) -> None:
    assert find_passphrase(tmp_path, {VARIABLE: os.fsdecode(b"caf\xe9")}) == b"caf\xe9"


def test_without_any_source_the_hint_names_them_all(tmp_path: Path) -> None:
    with pytest.raises(MissingPassphrase) as missing:
        find_passphrase(tmp_path, {})
    assert all(variable in missing.value.hint for variable in (VARIABLE, FILE_VARIABLE, COMMAND_VARIABLE))


@pytest.mark.parametrize(
    "command",
    [
        "false",
        "true",
        "sh -c 'exit 3'",
        "sh -c 'echo; echo'",
        "/nowhere/at/all",
        "sh -c 'unbalanced",
        "sh -c 'kill -9 $$'",
    ],
)
def test_a_command_that_gives_nothing_is_told_and_nothing_else_is_tried(tmp_path: Path, command: str) -> None:
    (tmp_path / "passphrase").write_text("from the home")
    with pytest.raises(MissingPassphrase, match="command"):
        find_passphrase(tmp_path, {COMMAND_VARIABLE: command})


def test_what_a_failing_command_wrote_is_in_no_message(tmp_path: Path) -> None:
    with pytest.raises(MissingPassphrase) as missing:
        find_passphrase(tmp_path, {COMMAND_VARIABLE: "sh -c 'echo hunter2; echo hunter2 >&2; exit 1'"})
    assert "hunter2" not in missing.value.message + missing.value.hint


def test_a_command_cannot_wait_for_the_terminal(tmp_path: Path) -> None:
    with pytest.raises(MissingPassphrase, match="gives no passphrase"):
        find_passphrase(tmp_path, {COMMAND_VARIABLE: "cat"})


def test_empty_and_missing_and_huge_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "huge").write_text("x" * (MAX_PASSPHRASE_BYTES + 1))
    with pytest.raises(MissingPassphrase, match="empty"):
        find_passphrase(tmp_path, {FILE_VARIABLE: str(tmp_path / "empty")})
    for name in ("missing", "huge"):
        with pytest.raises(UnreadableFile):
            find_passphrase(tmp_path, {FILE_VARIABLE: str(tmp_path / name)})


def test_a_new_home_keeps_a_random_passphrase_only_when_none_is_named(tmp_path: Path) -> None:
    assert passphrase_for_new_home(tmp_path, {VARIABLE: "given"}) == b"given"
    assert not (tmp_path / "passphrase").exists()
    made = passphrase_for_new_home(tmp_path, {})
    assert len(made) >= 43
    assert (tmp_path / "passphrase").read_bytes() == made + b"\n"
    assert find_passphrase(tmp_path, {}) == made


@pytest.mark.parametrize("environment", [{COMMAND_VARIABLE: "false"}, {FILE_VARIABLE: "/nowhere/at/all"}])
def test_no_home_is_made_when_the_passphrase_that_was_named_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(MutuaError):
        Home.create(tmp_path / "home", sealing_cost=CHEAP_SEALING)
    assert list(tmp_path.iterdir()) == []


def test_a_home_sealed_with_a_given_passphrase_keeps_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Home.create(tmp_path / "home", passphrase="correct horse", sealing_cost=CHEAP_SEALING).close()
    assert not (tmp_path / "home" / "passphrase").exists()
    with Home.open(tmp_path / "home") as home, pytest.raises(MissingPassphrase):
        home.authority.issue_server("localhost")
    with Home.open(tmp_path / "home", passphrase="correct horse") as home:
        assert home.authority.issue_server("localhost")
    monkeypatch.setenv(VARIABLE, "correct horse")
    with Home.open(tmp_path / "home") as home:
        assert home.authority.issue_server("localhost")


def test_a_wrong_passphrase_signs_nothing_and_stores_nothing(home: Home) -> None:
    events = home.audit.verify()
    with Home.open(home.path, passphrase="wrong") as other, pytest.raises(WrongPassphrase) as refused:
        other.authority.issue_client("woovi")
    assert "wrong" not in refused.value.message
    assert home.audit.verify() == events


def test_opening_reading_and_verifying_never_ask_for_the_passphrase(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home.path / "passphrase").unlink()
    monkeypatch.setenv(COMMAND_VARIABLE, f"touch {tmp_path / 'asked'}")
    with Home.open(home.path) as opened:
        assert opened.snapshot().issued
        assert opened.trust.anchors
        assert opened.identities.load("api").server_context(opened.trust)
        opened.clients.suspend("woovi")
        opened.clients.add("bank")
        thumbprint = next(opened.authority.certificates(client="woovi")).thumbprint
        opened.audit.verify()
        assert not (tmp_path / "asked").exists()
        opened.revocation.revoke(thumbprint)
        assert thumbprint in opened.snapshot().revoked
        assert opened.crls.due(), "the revocation list waits for whoever has the passphrase"
        (tmp_path / "asked").unlink()
        with pytest.raises(MissingPassphrase):
            opened.authority.issue_client("bank")
        assert (tmp_path / "asked").exists()


def test_an_authority_that_has_signed_once_does_not_ask_again(home: Home) -> None:
    home.authority.issue_client("woovi")
    shutil.move(home.path / "passphrase", home.path / "away")
    assert home.authority.issue_client("woovi")


@pytest.mark.parametrize("passphrase", ["", "x" * MAX_PASSPHRASE_BYTES, "line\n"])
def test_no_home_is_made_with_a_passphrase_that_no_file_can_hold(tmp_path: Path, passphrase: str) -> None:
    with pytest.raises(InvalidInput):
        Home.create(tmp_path / "home", passphrase=passphrase, sealing_cost=CHEAP_SEALING)
    assert list(tmp_path.iterdir()) == []


@given(st.binary(max_size=40))
def test_whatever_is_accepted_comes_back_from_a_file(passphrase: bytes) -> None:
    try:
        accepted = accepted_passphrase(passphrase)
    except InvalidInput:
        assert passphrase == b"" or passphrase.endswith((b"\r", b"\n"))
        return
    assert (accepted + b"\n").rstrip(b"\r\n") == passphrase


def test_the_one_that_is_about_to_be_is_tried_behind_the_one_that_is(tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text("old\n")
    assert list(passphrases(tmp_path)) == [b"old"]
    (tmp_path / PENDING_FILE).write_text("new\n")
    assert list(passphrases(tmp_path)) == [b"old", b"new"]
    (tmp_path / PENDING_FILE).write_text("")
    assert list(passphrases(tmp_path)) == [b"old"]


def test_a_change_that_is_done_while_the_old_one_is_tried_is_seen(tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text("old\n")
    (tmp_path / PENDING_FILE).write_text("new\n")
    trying = passphrases(tmp_path)
    assert next(trying) == b"old"
    (tmp_path / PENDING_FILE).rename(tmp_path / "passphrase")
    assert list(trying) == [b"new"]

import json
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutua import Home
from mutua.cli.output import day, facts, json_data, printable, table
from tests.cli.conftest import Run

HOSTILE = "evil\x1b[2J\r\n\u202ename\x00"


@given(text=st.text(st.characters()))
def test_printable_text_moves_no_cursor_and_is_one_line(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1
    shown.encode()


@given(text=st.text().filter(str.isprintable))
def test_printable_leaves_alone_what_is_harmless(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", "\\x1b[31m"),
        ("a\nb", "a\\nb"),
        ("\u202e", "\\u202e"),
        ("\udcff", "\\udcff"),
        ("\U000e0001", "\\U000e0001"),
    ],
)
def test_what_is_escaped_can_be_read(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(cells=st.lists(st.text(), min_size=2, max_size=2))
def test_columns_and_facts_show_nothing_raw(cells: list[str]) -> None:
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mutua.cli.output.data", lines.append)
        table(["ONE", "TWO"], [cells])
        facts([(name, value) for name, value in zip(("one", "two"), cells, strict=True)])
    assert len(lines) == 4
    assert all(line.isprintable() for line in lines)


def test_columns_line_up(capsys: pytest.CaptureFixture[str]) -> None:
    table(["A", "LONG"], [["wide cell", "x"], ["y", "z"]])
    assert capsys.readouterr().out == "A          LONG\nwide cell  x\ny          z\n"


def test_json_is_ascii_with_times_in_iso_form(capsys: pytest.CaptureFixture[str]) -> None:
    json_data({"at": datetime(2026, 1, 2, tzinfo=UTC), "path": Path("/x"), "text": HOSTILE})
    out = capsys.readouterr().out
    assert json.loads(out) == {"at": "2026-01-02T00:00:00+00:00", "path": "/x", "text": HOSTILE}
    assert out.replace("\n", "").isprintable()
    assert out.isascii()


def test_a_day_is_told_in_utc() -> None:
    assert day(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02 03:04 UTC"


def test_names_in_certificates_reach_the_terminal_escaped(mutua: Run, home: Home) -> None:
    with home.store.write() as connection:
        connection.exec_driver_sql("UPDATE certificates SET subject = ?, names = ?", (HOSTILE, HOSTILE))
    thumbprint = home.identities.load("woovi").thumbprint
    for arguments in (("list",), ("show", thumbprint), ("list", "--json"), ("show", thumbprint, "--json")):
        out = mutua("cert", *arguments).out
        assert "evil" in out
        assert out.replace("\n", "").isprintable()


@pytest.fixture
def hostile_server(home: Home) -> Iterator[Callable[[bytes], int]]:
    """A TLS server that answers one request with the given bytes, whatever they are."""
    threads = []

    def start(answer: bytes) -> int:
        context = home.identities.load("api").server_context(home.trust)
        listener = __import__("socket").create_server(("127.0.0.1", 0))

        def run() -> None:
            with listener:
                plain, _ = listener.accept()
                with context.wrap_socket(plain, server_side=True) as tls:
                    tls.recv(65536)
                    tls.sendall(answer)

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        port: int = listener.getsockname()[1]
        return port

    yield start
    for thread in threads:
        thread.join()


def test_what_a_server_says_of_itself_is_escaped(mutua: Run, hostile_server: Callable[[bytes], int]) -> None:
    answer = b"HTTP/1.1 403 no\x1b[2Jway\r\nX-Evil: \x1b]0;x\x07\r\nContent-Length: 4\r\n\r\nbody"
    result = mutua("call", f"https://127.0.0.1:{hostile_server(answer)}/", "--identity", "woovi")
    assert result.code == 1
    assert result.out == "body"
    assert "403 no\\x1b[2Jway" in result.err
    assert result.err.replace("\n", "").isprintable()


@pytest.mark.parametrize("arguments", [("cert", "list"), ("cert", "list", "--json"), ("--help",)])
def test_a_reader_that_has_enough_is_no_failure(mutua_process: Run, home: Home, arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        result = mutua_process(*arguments, stdout=writing, env={**os.environ, "MUTUA_HOME": str(home.path)})
    finally:
        os.close(writing)
    assert (result.code, result.err) == (0, "")


def test_a_context_of_the_home_is_a_plain_one(home: Home) -> None:
    assert type(home.identities.load("woovi").client_context(home.trust)) is ssl.SSLContext

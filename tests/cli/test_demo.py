"""``mutua demo``: its whole run, the table it judges by, and how it reads what clients say."""

import json
import os
import ssl
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mutua import Home
from mutua.cli import main
from mutua.cli.demo import exit_code_of, home_folder
from mutua.cli.demo.cases import CASES, CLOSED, KNOWN, NOTHING, UNKNOWN_ISSUER, WRONG_NAME, Case, Row, expected_sights
from mutua.cli.demo.clients.python import SESSIONS, installed, requests_session
from mutua.cli.demo.drawing import PlainDrawing, drawing
from mutua.cli.demo.seeing import in_exception, in_words
from mutua.cli.demo.story import ANOTHER_CONNECTION, logged
from mutua.cli.demo.summary import complain_of, say_what_was_proved
from tests.missing import missing
from tests.serving import Serving

BY_NAME = {case.name: case for case in CASES}
REFUSED_BY_ALERT = [BY_NAME[name] for name in ("no-certificate", "stranger", "expired")]
SUSPENDED = BY_NAME["suspended"]


def run_demo(*arguments: str, environment: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "mutua", "demo", *arguments],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def as_expected(case: Case, client: str = "curl") -> Row:
    return Row(client=client, case=case, saw=case.sees[0], logged=case.logs[0])


def test_every_client_on_this_machine_sees_what_the_table_says(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    done = run_demo("--json", "--keep", str(kept))
    rows = json.loads(done.stdout)
    assert [row for row in rows if not row["ok"]] == [], done.stderr
    assert done.returncode == 0, done.stderr
    assert {tuple(row) for row in rows} == {("client", "case", "expected", "client_saw", "server_reason", "ok")}
    clients = {row["client"] for row in rows}
    assert {name for name in SESSIONS if installed(name)} <= clients
    for client in clients:
        names = [row["case"] for row in rows if row["client"] == client]
        assert names == [case.name for case in CASES if client in SESSIONS or not case.live]
    absent = [line for line in done.stderr.splitlines() if line.startswith("not installed: ")]
    assert len(clients) + len(absent) == len(SESSIONS) + 6
    assert {row["server_reason"] for row in rows if row["case"] == "suspended"} == {"suspended"}
    check_what_was_kept(kept)
    if len(clients) < 8:
        missing(f"fewer than 8 clients are installed: {absent}")


def check_what_was_kept(kept: Path) -> None:
    keys = [path for pattern in ("key.pem", "*.p12", "*.password") for path in (kept / "demo").rglob(pattern)]
    assert keys
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (kept, kept / "demo")} == {0o700}
    lines = [json.loads(line) for line in (kept / "demo/server-api.jsonl").read_text().splitlines()]
    assert {"no_certificate", "unknown_issuer", "expired"} <= {line.get("reason") for line in lines}
    with Home.open(kept) as home:
        assert home.audit.verify() > 0


def test_a_client_that_is_let_in_by_nobody_but_says_so_makes_the_exit_code_1(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    liar = programs / "curl"
    liar.write_text("#!/bin/sh\necho 'HTTP/1.1 200 OK'\n")
    liar.chmod(0o755)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    done = run_demo("--json", environment={"PATH": str(programs), "TMPDIR": str(temporary)})
    assert done.returncode == 1
    rows = json.loads(done.stdout)
    assert {row["client"] for row in rows if not row["ok"]} == {"curl"}
    assert [row["ok"] for row in rows if row["client"] == "curl"] == [False] * 8
    assert "unexpected: curl, known client" in done.stderr
    for name in ("wget", "openssl", "Node https", "Node fetch (undici)", "Java (a JDK)"):
        assert f"not installed: {name}" in done.stderr
        assert name not in {row["client"] for row in rows}
    assert list(temporary.iterdir()) == []


def test_the_exit_code_is_0_only_when_there_are_rows_and_every_one_is_as_expected() -> None:
    good = [as_expected(case) for case in CASES]
    assert exit_code_of(good) == 0
    assert exit_code_of([*good, Row(client="curl", case=KNOWN, saw="403", logged="admitted")]) == 1
    assert exit_code_of([*good, Row(client="curl", case=KNOWN, saw="200", logged=NOTHING)]) == 1
    assert exit_code_of([]) == 1


@pytest.mark.parametrize("client", [*SESSIONS, "curl", "wget", "openssl", "Java", "Node https", "Node fetch"])
def test_a_lost_alert_is_accepted_only_from_the_clients_known_to_lose_it(client: str) -> None:
    for case in REFUSED_BY_ALERT:
        lost = Row(client=client, case=case, saw=CLOSED, logged=case.logs[0])
        assert lost.ok is (client in {"requests", "urllib3"})


def test_no_client_may_lose_anything_but_an_alert() -> None:
    for case in (case for case in CASES if case not in REFUSED_BY_ALERT):
        assert CLOSED not in expected_sights(case, "requests")


def test_only_wget_may_see_the_alert_of_tls_1_2() -> None:
    no_certificate = BY_NAME["no-certificate"]
    older = [
        Row(client=client, case=no_certificate, saw="alert handshake_failure", logged="no_certificate").ok
        for client in ("wget", "curl")
    ]
    assert older == [True, False]


def test_a_row_in_json_tells_a_refusal_from_what_needs_no_reason() -> None:
    refused, admitted = as_expected(BY_NAME["expired"]).as_json(), as_expected(KNOWN).as_json()
    assert (refused["server_reason"], admitted["server_reason"]) == ("expired", None)
    assert admitted["expected"] == {"client_saw": ("200",), "server_logged": ("admitted",)}


def test_a_suspension_counts_only_on_the_connection_that_was_let_in_before() -> None:
    first = {"event": "admitted", "path": "/x", "peer": "127.0.0.1:1"}
    second = {"event": "refused", "path": "/x", "peer": "127.0.0.1:1", "reason": "suspended"}
    assert logged([first, second], SUSPENDED) == "suspended"
    assert logged([first, {**second, "peer": "127.0.0.1:2"}], SUSPENDED) == ANOTHER_CONNECTION
    assert logged([second], SUSPENDED) == "one request: suspended"
    assert logged([first, first], SUSPENDED) == "admitted, admitted"
    for text in (ANOTHER_CONNECTION, "one request: suspended", "admitted, admitted"):
        assert not Row(client="httpx", case=SUSPENDED, saw=SUSPENDED.sees[0], logged=text).ok


def test_a_request_that_reached_a_server_the_client_must_refuse_is_unexpected() -> None:
    case = BY_NAME["server-stranger"]
    reached = logged([{"event": "admitted", "path": "/x", "peer": "127.0.0.1:1"}], case)
    assert not Row(client="curl", case=case, saw=UNKNOWN_ISSUER, logged=reached).ok
    assert Row(client="curl", case=case, saw=UNKNOWN_ISSUER, logged=logged([], case)).ok


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        ("curl: (56) OpenSSL SSL_read: tlsv13 alert certificate required, errno 0", "alert certificate_required"),
        ("error:0A000418:SSL routines:ssl3_read_bytes:tlsv1 alert unknown ca:SSL alert number 48", "alert unknown_ca"),
        ("javax.net.ssl.SSLHandshakeException: Received fatal alert: certificate_expired", "alert certificate_expired"),
        ("GnuTLS: received alert [40]: Handshake failed", "alert handshake_failure"),
        ("SSL alert number 200", "alert 200"),
        ("verify error:num=64:IP address mismatch", WRONG_NAME),
        ("Error ERR_TLS_CERT_ALTNAME_INVALID IP: 127.0.0.1 is not in the cert's list", WRONG_NAME),
        ("curl: (60) SSL: no alternative certificate subject name matches target host name '127.0.0.1'", WRONG_NAME),
        ("CertificateException: No subject alternative names matching IP address 127.0.0.1 found", WRONG_NAME),
        ("ERROR: no certificate subject alternative name matches requested host name '127.0.0.1'", WRONG_NAME),
        ("curl: (60) SSL certificate problem: unable to get local issuer certificate", UNKNOWN_ISSUER),
        ("Error UNABLE_TO_VERIFY_LEAF_SIGNATURE unable to verify the first certificate", UNKNOWN_ISSUER),
        ("PKIX path building failed: unable to find valid certification path to requested target", UNKNOWN_ISSUER),
        ("ERROR: The certificate of '127.0.0.1' is not trusted.", UNKNOWN_ISSUER),
        ("Error ECONNRESET socket hang up", CLOSED),
        ("curl: (7) Failed to connect", "error"),
    ],
)
def test_words_of_programs_are_read(words: str, seen: str) -> None:
    sight = in_words(words)
    assert (sight.text, sight.detail) == (seen, words)


def test_an_alert_is_found_however_deep_a_library_has_wrapped_it() -> None:
    alert = ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required")
    alert.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    by_argument = OSError("read failed", RuntimeError(alert))
    by_cause = RuntimeError("no answer")
    by_cause.__cause__ = by_argument
    assert in_exception(by_cause).text == "alert certificate_required"


def test_a_closed_connection_is_not_taken_for_an_alert_nor_for_any_error() -> None:
    assert in_exception(ConnectionResetError("reset")).text == CLOSED
    assert in_exception(ssl.SSLEOFError(8, "EOF occurred in violation of protocol")).text == CLOSED
    assert in_exception(TimeoutError("timed out")).text == "error"


def test_an_exception_that_goes_round_in_a_circle_is_read_all_the_same() -> None:
    one, other = RuntimeError("one"), RuntimeError("other")
    one.__cause__, other.__cause__ = other, one
    assert in_exception(one).text == "error"


def test_requests_believes_no_more_than_it_is_given(home: Home, serve: Callable[..., Serving]) -> None:
    serving = serve()
    context = home.identities.load("woovi").client_context(home.trust)
    before = context.cert_store_stats()
    with requests_session(context, serving.url) as get:
        assert get(f"{serving.url}/orders") == 200
    assert context.cert_store_stats() == before


def test_without_the_server_the_demo_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["demo"]) == 3
    assert "hint:  pip install 'mutua[demo]'" in capsys.readouterr().err


def test_without_rich_the_table_is_plain_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "mutua.cli.demo.colours", raising=False)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with drawing(1, quiet=False) as picture:
        assert isinstance(picture, PlainDrawing)
        picture.begun("curl", KNOWN.summary)
        picture.ended(as_expected(KNOWN))
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["client", "case", "client", "saw", "server", "logged", "ok"]
    assert row.split() == ["curl", "known", "client", "200", "admitted", "yes"]


def test_with_rich_each_row_is_one_line_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with drawing(len(CASES), quiet=False) as picture:
        assert not isinstance(picture, PlainDrawing)
        for case in CASES:
            picture.begun("http.client", case.summary)
            picture.ended(as_expected(case, "http.client"))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines] == ["ok", *["yes"] * len(CASES)]


def test_the_progress_line_never_mixes_with_json(capsys: pytest.CaptureFixture[str]) -> None:
    with drawing(1, quiet=True) as picture:
        picture.begun("curl", KNOWN.summary)
        picture.ended(as_expected(KNOWN))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("kept", [None, Path("kept home")])
def test_the_end_names_what_was_proved_what_is_missing_and_three_commands(
    kept: Path | None, capsys: pytest.CaptureFixture[str]
) -> None:
    say_what_was_proved([as_expected(case) for case in CASES], ["wget"], kept=kept)
    said = capsys.readouterr().out
    assert f"{len(CASES)} of {len(CASES)} rows as expected, with 1 client: curl" in said
    assert "not installed, not counted: wget" in said
    assert ("kept home" in said) is (kept is not None)
    commands = said.partition("Next:\n")[2].splitlines()
    assert len(commands) == 3
    assert all(command.startswith("  mutua ") for command in commands)
    assert all(("--home 'kept home'" in command) is (kept is not None) for command in commands)


def test_an_unexpected_row_is_told_of_in_the_clients_own_words(capsys: pytest.CaptureFixture[str]) -> None:
    complain_of([as_expected(KNOWN), Row(client="curl", case=KNOWN, saw="error", logged=NOTHING, detail="bad\x1b[2J")])
    said = capsys.readouterr().err
    assert said.count("unexpected:") == 1
    assert "bad\\x1b[2J" in said


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").write_text("mine")
    assert main(["demo", "--keep", str(tmp_path)]) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert "hint:" in capsys.readouterr().err


def test_a_temporary_home_goes_when_the_demo_fails() -> None:
    def fail() -> Path:
        with home_folder(None) as path:
            path.mkdir()
            seen.append(path)
            raise RuntimeError

    seen: list[Path] = []
    with pytest.raises(RuntimeError):
        fail()
    assert not seen[0].parent.exists()

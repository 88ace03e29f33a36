"""``mutua call`` against a real ``mutua serve``."""

import io
import json
import re
import ssl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from mutua import Home
from mutua.cli import main
from mutua.pki.thumbprints import x5t_s256
from tests.cli.conftest import Result, Run
from tests.outbound.echoing import echo
from tests.outbound.servers import served
from tests.serving import Serving

KEYS = {
    *("status", "http_version", "headers", "body", "truncated", "timing"),
    *("tls_version", "cipher_suite", "alpn", "certificate_requested"),
    *("server_chain", "verified_chain", "client_chain"),
    *("stage", "alert", "verify_code", "error", "findings"),
}
FINDING = {"code", "refused_by", "summary", "cause", "remedy"}


@pytest.fixture
def url(serve: Callable[..., Serving]) -> str:
    return f"{serve().url}/status"


def test_a_known_client_gets_the_answer_on_stdout(mutua: Run, home: Home, url: str) -> None:
    result = mutua("call", url, "--identity", "woovi")
    assert result.code == 0
    assert '"client": "woovi"' in result.out
    assert f"200 OK  TLSv1.3 as {home.identities.load('woovi').thumbprint}\n" in result.err


def test_an_answer_as_json_has_stable_keys(mutua: Run, url: str) -> None:
    result = mutua("call", url, "--identity", "woovi", "--json")
    assert result.code == 0
    assert set(result.json) == KEYS
    assert result.json["status"] == 200
    assert result.json["findings"] == []
    assert result.err == ""


def test_a_refusal_is_explained_and_a_negative_answer(mutua: Run, url: str) -> None:
    result = mutua("call", url, "-X", "delete", "--identity", "woovi", "--json")
    assert result.code == 1
    assert result.json["status"] == 403
    assert set(result.json) == KEYS
    assert all(set(finding) == FINDING for finding in result.json["findings"])


def test_a_call_without_a_certificate_is_refused_with_cause_and_remedy(mutua: Run, url: str) -> None:
    result = mutua("call", url, "--trust", "home")
    assert result.code == 1
    assert result.out == ""
    for line in ("refused by server: ", "  cause:  ", "  remedy: "):
        assert line in result.err
    findings = mutua("call", url, "--trust", "home", "--json").json["findings"]
    assert findings
    assert all(set(finding) == FINDING for finding in findings)


def test_a_server_of_a_stranger_is_refused_by_us(mutua: Run, home: Home, url: str, tmp_path: Path) -> None:
    with Home.create(tmp_path / "stranger") as stranger:
        bundle = stranger.path / "ca.pem"
    result = mutua("call", url, "--identity", "woovi", "--trust", str(bundle))
    assert result.code == 1
    assert "refused by us: " in result.err


def test_files_work_as_well_as_names(mutua: Run, home: Home, url: str) -> None:
    folder = home.identities.path("woovi")
    files = ("--identity", str(folder / "chain.pem"), "--key", str(folder / "key.pem"))
    assert mutua("call", url, *files, "--trust", str(home.path / "ca.pem")).code == 0


def test_an_encrypted_key_opens_with_its_password_file(mutua: Run, home: Home, url: str, tmp_path: Path) -> None:
    woovi = home.identities.load("woovi")
    (tmp_path / "sealed.pem").write_bytes(woovi.chain_pem() + woovi.key_pem(b"secret"))
    (tmp_path / "password").write_text("secret\nsecond line\n")
    arguments = ("--identity", str(tmp_path / "sealed.pem"), "--password-file", str(tmp_path / "password"))
    assert mutua("call", url, *arguments, "--trust", "home").code == 0


@pytest.fixture
def echoing(home: Home) -> Iterator[str]:
    """A server that tells what it was asked."""
    context = home.identities.load("api").server_context(home.trust)
    context.sslobject_class = ssl.SSLObject

    def answer(line: str) -> bytes | None:
        return ANSWERS.get(line.split(" ")[1])

    with served(echo(context, answer)) as url:
        yield url


ANSWERS = {
    "/refused": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
    "/moved": b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example/\x1b[2J\r\nContent-Length: 0\r\n\r\n",
    "/latin": b"HTTP/1.1 200 OK\r\nX-Name: \xe9\r\nContent-Length: 1\r\n\r\n\xe9",
    "/hostile": b"HTTP/1.1 200 \x1b[31mOK\r\nX-Name: a\x1b[2J\r\nContent-Length: 9\r\n\r\n\x1b[2Jhello",
}


def told(result: Result) -> dict[str, Any]:
    assert result.code == 0, result.err
    answer: dict[str, Any] = json.loads(result.out)
    return answer


def test_method_headers_and_body_arrive(mutua: Run, echoing: str) -> None:
    headers = ("-H", "X-Name: one", "-H", "Content-Type:text/plain")
    answer = told(mutua("call", f"{echoing}/pix?a=1", "--identity", "woovi", "-X", "patch", *headers, "-d", "hello"))
    assert answer["line"] == "PATCH /pix?a=1 HTTP/1.1"
    assert answer["body"] == "hello"
    assert {"X-Name: one", "Content-Type: text/plain", "Content-Length: 5"} <= {*answer["headers"]}


def test_a_body_makes_it_a_post_and_nothing_is_guessed_about_its_type(mutua: Run, echoing: str) -> None:
    answer = told(mutua("call", echoing, "--identity", "woovi", "-d", ""))
    assert answer["line"].startswith("POST ")
    assert not [line for line in answer["headers"] if line.lower().startswith("content-type")]


def test_json_says_its_type_unless_that_is_given(mutua: Run, echoing: str, tmp_path: Path) -> None:
    (tmp_path / "pix.json").write_text('{"valor": "10.00"}')
    answer = told(mutua("call", echoing, "--identity", "woovi", "--data-json", f"@{tmp_path / 'pix.json'}"))
    assert (answer["body"], answer["line"]) == ('{"valor": "10.00"}', "POST / HTTP/1.1")
    assert "Content-Type: application/json" in answer["headers"]
    given = ("-H", "Content-Type: application/scim+json")
    again = told(mutua("call", echoing, "--identity", "woovi", "--data-json", "[1]", *given))
    assert [line for line in again["headers"] if "ontent-" in line and "ype" in line] == [
        "Content-Type: application/scim+json"
    ]


def test_a_body_comes_from_stdin(mutua: Run, echoing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"from a pipe")))
    assert told(mutua("call", echoing, "--identity", "woovi", "-d", "-"))["body"] == "from a pipe"


def test_headers_come_from_a_file_where_nobody_reads_them_along(mutua: Run, echoing: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("Authorization: Bearer s3cret-token\r\nX-Api-Key: s3cret-key\n\n")
    result = mutua("call", echoing, "--identity", "woovi", "-v", "-H", f"@{tmp_path / 'token'}")
    assert {"Authorization: Bearer s3cret-token", "X-Api-Key: s3cret-key"} <= {*told(result)["headers"]}
    assert "header: Authorization: (not shown)\nheader: X-Api-Key: (not shown)\n" in result.err
    assert "s3cret" not in result.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-H", "X-Name: a\r\nEvil: b"), "cannot carry"),
        (("-H", "no colon"), "no colon"),
        (("-H", "Content-Length: 0"), "frames the message"),
        (("-X", "GET /x HTTP/1.1\r\nEvil:"), "not a method"),
        (("-d", "a", "--data-json", "1"), "one body"),
        (("--data-json", "{"), "not JSON"),
        (("-o", ""), "name of a file"),
        (("--key", "key.pem"), "need --identity"),
    ],
    ids=["crlf", "colon", "framing", "method", "bodies", "json", "out", "key"],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_sent(
    mutua: Run, arguments: tuple[str, ...], words: str
) -> None:
    result = mutua("call", "https://nobody.invalid/", *arguments)
    assert result.code == 2
    assert words in result.error()


def test_the_answers_headers_come_before_its_body(mutua: Run, echoing: str) -> None:
    result = mutua("call", f"{echoing}/refused", "--identity", "woovi", "-i")
    assert result.code == 1
    assert result.out.replace("\r", "") == "HTTP/1.1 403 Forbidden\nContent-Length: 2\n\nno"


def test_a_pipe_gets_the_bytes_that_came(home: Home, echoing: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["call", f"{echoing}/latin", "--identity", "woovi", "-i", "--home", str(home.path)]) == 0
    assert capfdbinary.readouterr().out == b"HTTP/1.1 200 OK\r\nX-Name: \xe9\r\nContent-Length: 1\r\n\r\n\xe9"


def test_fail_prints_nothing_of_a_refusal(mutua: Run, echoing: str, tmp_path: Path) -> None:
    out = tmp_path / "answer"
    result = mutua("call", f"{echoing}/refused", "--identity", "woovi", "--fail", "-i", "-o", str(out))
    assert (result.code, result.out, out.exists()) == (1, "", False)
    assert "refused by server: " in result.err


def test_an_answer_goes_into_a_file_of_ones_own_and_replaces_none(mutua: Run, echoing: str, tmp_path: Path) -> None:
    out = tmp_path / "answer"
    arguments = ("call", f"{echoing}/hostile", "--identity", "woovi", "-o", str(out))
    assert (mutua(*arguments).out, out.read_bytes(), out.stat().st_mode & 0o777) == ("", b"\x1b[2Jhello", 0o600)
    again = mutua(*arguments)
    assert (again.code, "nothing was sent" in again.error()) == (4, True)
    assert mutua(*arguments, "--force", "-i").code == 0
    assert out.read_bytes().startswith(b"HTTP/1.1 200 ")
    assert mutua("call", f"{echoing}/hostile", "--identity", "woovi", "-o", "-").out == "\x1b[2Jhello"


def test_a_redirect_is_told_of_and_not_followed(mutua: Run, echoing: str) -> None:
    result = mutua("call", f"{echoing}/moved", "--identity", "woovi")
    assert result.code == 0
    assert "not followed, for an identity should not wander: https://elsewhere.example/\\x1b[2J\n" in result.err


def test_a_terminal_gets_nothing_that_moves_its_cursor_and_a_pipe_gets_what_came(
    mutua: Run, echoing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("call", f"{echoing}/hostile", "--identity", "woovi", "-i")
    assert "\x1b[2Jhello" in mutua(*arguments).out
    monkeypatch.setattr("mutua.cli.call.saying._is_terminal", lambda: True)
    result = mutua(*arguments)
    assert "\x1b" not in result.out + result.err
    assert result.out.endswith("X-Name: a\\x1b[2J\nContent-Length: 9\n\n\\x1b[2Jhello\n")


def test_verbose_shows_tls_timing_and_the_certificates_that_went_either_way(
    mutua: Run, home: Home, echoing: str
) -> None:
    result = mutua("call", echoing, "--identity", "woovi", "-v")
    api, woovi = (home.identities.load(name) for name in ("api", "woovi"))
    lines = result.err.splitlines()
    assert any(re.fullmatch(r"tls:    TLSv1\.3, TLS_\w+, no ALPN", line) for line in lines)
    assert any(
        re.fullmatch(r"timing: DNS .* ms, TCP .*, TLS .*, verdict .*, first byte .*, total .* ms", line)
        for line in lines
    )
    sent, up_to, ours = (lines.index(f"{each}:") for each in ("the server sent", "verified up to", "we sent"))
    assert api.thumbprint in lines[sent + 1]
    assert x5t_s256(home.trust.anchors[0]) in lines[up_to + 1]
    assert woovi.thumbprint in lines[ours + 1]


def test_what_a_server_sent_is_shown_when_we_refuse_it(mutua: Run, home: Home, echoing: str, tmp_path: Path) -> None:
    with Home.create(tmp_path / "stranger") as stranger:
        bundle = stranger.path / "ca.pem"
    result = mutua("call", echoing, "--identity", "woovi", "--trust", str(bundle), "-v")
    assert result.code == 1
    assert home.identities.load("api").thumbprint in result.err
    assert "verified up to" not in result.err
    found = mutua("call", echoing, "--identity", "woovi", "--trust", str(bundle), "--json").json
    assert found["server_chain"][0]["thumbprint"] == home.identities.load("api").thumbprint
    assert (found["verified_chain"], found["client_chain"]) == ([], [])


def test_who_shows_no_certificate_learns_that_one_was_asked_for(mutua: Run, echoing: str) -> None:
    result = mutua("call", echoing, "--trust", "home", "-v")
    assert result.code == 1
    assert "we sent: none; the server asked for a certificate\n" in result.err


def test_timing_alone(mutua: Run, echoing: str) -> None:
    result = mutua("call", echoing, "--identity", "woovi", "--timing")
    assert result.err.startswith("timing: DNS ")
    assert "the server sent" not in result.err
    timing = mutua("call", echoing, "--identity", "woovi", "--json").json["timing"]
    assert set(timing) == {"resolve", "connect", "tls", "verdict", "first_byte", "total"}
    assert all(0 <= seconds <= timing["total"] for seconds in timing.values())


def test_http2_is_spoken_where_the_server_does(mutua: Run, url: str, echoing: str) -> None:
    result = mutua("call", url, "--identity", "woovi", "--http2", "-i")
    assert result.code == 0
    assert result.out.startswith("HTTP/2 200\r\n") or result.out.startswith("HTTP/2 200\n")
    refused = mutua("call", echoing, "--identity", "woovi", "--http2")
    assert (refused.code, "does not speak HTTP/2" in refused.error()) == (5, True)


def p12(home: Home, path: Path) -> Path:
    woovi = home.identities.load("woovi")
    sealed = BestAvailableEncryption(b"secret")
    leaf, *others = woovi.chain
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"woovi", woovi.key, leaf, others, sealed))
    return path


def test_the_password_of_a_file_is_asked_for_where_somebody_is_there(
    mutua: Run, home: Home, echoing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = p12(home, tmp_path / "bank.p12")
    arguments = ("call", echoing, "--identity", str(file), "--trust", "home")
    refused = mutua(*arguments)
    assert (refused.code, "password" in refused.error()) == (3, True)
    monkeypatch.setattr("mutua.cli.call.who.asked_password", lambda _: b"secret")
    assert mutua(*arguments).code == 0


def test_a_folder_is_an_identity(mutua: Run, home: Home, echoing: str) -> None:
    folder = str(home.identities.path("woovi").resolve())
    assert mutua("call", echoing, "--identity", folder, "--trust", "home").code == 0

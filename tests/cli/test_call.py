"""``mutua call`` against a real ``mutua serve``."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mutua import Home
from tests.cli.conftest import Run
from tests.serving import Serving

KEYS = {"status", "headers", "body", "tls_version", "stage", "alert", "verify_code", "error", "findings"}
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

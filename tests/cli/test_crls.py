"""``mutua client trust --crl`` and ``mutua client crls``: where partners' CRLs are, and how old they are."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from mutua import Home
from mutua.pki.certificates import write_pem
from mutua.registry.credentials import StalePolicy
from mutua.store import credentials
from tests.cli.conftest import Run
from tests.home.crl_server import CrlServer, body, serving
from tests.pki.hierarchy import NOW, issue, make_issuing_ca, make_root
from tests.pki.revocation_lists import crl, with_points

ROOT = make_root(organization="Partner")
CA = make_issuing_ca(ROOT)


@pytest.fixture
def partner() -> Iterator[CrlServer]:
    with serving(body(crl(CA, [1, 2, 3], number=7))) as made:
        yield made


@pytest.fixture
def files(tmp_path: Path, mutua: Run, home: Home) -> Path:
    (tmp_path / "ca.pem").write_bytes(write_pem([CA.certificate]))
    settings = home.path / "mutua.toml"
    settings.write_text(settings.read_text() + "\n[foreign_crls]\nallow_private = true\n")
    assert mutua("client", "add", "bank", "--allow", "GET /status").code == 0
    return tmp_path


def trust(mutua: Run, files: Path, *options: str) -> None:
    result = mutua("client", "trust", "bank", "--ca", str(files / "ca.pem"), "--san-dns", "a.example", *options)
    assert result.code == 0, result.err


def test_what_is_fetched_is_shown(mutua: Run, files: Path, partner: CrlServer) -> None:
    trust(mutua, files, "--crl", partner.url())
    before = mutua("client", "crls")
    assert (before.code, before.out.splitlines()[1].split()) == (1, [partner.url(), "missing", "refuse"])
    after = mutua("client", "crls", "--fetch")
    assert after.code == 0, after.err
    assert after.out.splitlines()[1].split()[:4] == [partner.url(), "current", "7", "3"]
    (found,) = mutua("client", "crls", "--json").json
    assert (found["condition"], found["stale_crl"], found["number"], found["entries"]) == ("current", "refuse", "7", 3)
    assert found["error"] is None


def test_what_is_wrong_is_told(mutua: Run, files: Path, partner: CrlServer) -> None:
    partner.answer = body(crl(ROOT))
    trust(mutua, files, "--crl", partner.url())
    result = mutua("client", "crls", "--fetch")
    assert result.code == 1
    assert "not signed by the CA that was registered" in result.err


def test_one_that_has_ended_is_stale(mutua: Run, files: Path, partner: CrlServer) -> None:
    partner.answer = body(crl(CA, this_update=NOW - timedelta(days=9)))
    trust(mutua, files, "--crl", partner.url(), "--stale-crl", "admit")
    result = mutua("client", "crls", "--fetch")
    assert (result.code, result.out.splitlines()[1].split()[1]) == (1, "stale")
    assert result.out.splitlines()[1].endswith("admit")


def test_without_any_it_says_so(mutua: Run, files: Path) -> None:
    trust(mutua, files)
    result = mutua("client", "crls")
    assert (result.code, result.out) == (0, "")
    assert "--crl URL" in result.err


def test_the_addresses_in_certificates_are_shown_before_they_count(mutua: Run, files: Path) -> None:
    leaf = with_points(issue(CA).certificate, CA, "http://crl.bank.example/ca.crl")
    (files / "both.pem").write_bytes(write_pem([leaf, CA.certificate]))
    result = mutua("client", "trust", "bank", "--cert", str(files / "both.pem"), "--stale-crl", "admit", "--dry-run")
    assert result.code == 0, result.err
    assert "http://crl.bank.example/ca.crl: while it is stale, whoever it is about is let in" in result.out


@pytest.mark.parametrize("url", ["ldap://crl.bank.example/", "file:///etc/passwd", "http://a:b@crl.bank.example/"])
def test_an_address_that_is_none_changes_nothing(home: Home, mutua: Run, files: Path, url: str) -> None:
    result = mutua("client", "trust", "bank", "--ca", str(files / "ca.pem"), "--san-dns", "a.example", "--crl", url)
    assert result.code == 2
    assert home.snapshot().subjects == {}


def test_they_move_with_the_registry(home: Home, mutua: Run, files: Path, partner: CrlServer, tmp_path: Path) -> None:
    trust(mutua, files, "--crl", partner.url(), "--stale-crl", "admit")
    (files / "registry.json").write_text(mutua("client", "export").out)
    with home.store.read() as connection:
        (said,) = credentials.crl_sources(connection)
    assert said.stale is StalePolicy.ADMIT
    with Home.create(tmp_path / "other", name="Other") as other:
        result = mutua("client", "import", str(files / "registry.json"), "--home", str(other.path))
        assert result.code == 0, result.err
        with other.store.read() as connection:
            assert credentials.crl_sources(connection) == [said]

"""``mutua client trust``, ``distrust`` and ``grant``: partners are known by what they bring."""

from pathlib import Path

import pytest

from mutua import Home
from mutua.pki.certificates import write_pem
from mutua.pki.thumbprints import spki_s256, x5t_s256
from tests.cli.conftest import Run
from tests.pki.hierarchy import make_issuing_ca, make_root

PARTNER = make_root(organization="Partner")
BELOW = make_issuing_ca(PARTNER)


@pytest.fixture
def files(tmp_path: Path, mutua: Run) -> Path:
    """A partner's files, and the partner itself, which may call something."""
    (tmp_path / "self.pem").write_bytes(write_pem([PARTNER.certificate]))
    (tmp_path / "ca.pem").write_bytes(write_pem([PARTNER.certificate, BELOW.certificate]))
    assert mutua("client", "add", "bank", "--allow", "GET /status").code == 0
    return tmp_path


def test_a_certificate_is_shown_before_it_counts(home: Home, mutua: Run, files: Path) -> None:
    result = mutua("client", "trust", "bank", "--cert", str(files / "self.pem"))
    assert result.code == 0
    assert result.out.splitlines()[0].split() == ["counts", "x5t#S256", x5t_s256(PARTNER.certificate)]
    assert "O=Partner" in result.out
    assert "warning: it is a CA's certificate" in result.err
    assert home.snapshot().pins
    assert x5t_s256(PARTNER.certificate) in mutua("client", "show", "bank").out


def test_a_dry_run_changes_nothing(home: Home, mutua: Run, files: Path) -> None:
    before = home.snapshot().version
    result = mutua("client", "trust", "bank", "--spki", str(files / "self.pem"), "--dry-run")
    assert result.code == 0
    assert spki_s256(PARTNER.key.public_key()) in result.out
    assert home.snapshot().version == before


@pytest.mark.parametrize(
    ("option", "name", "value"),
    [
        ("--subject-dn", "CN=Bank, O=Partner", "CN=Bank,O=Partner"),
        ("--san-dns", "API.Bank.example", "api.bank.example"),
        ("--san-uri", "spiffe://bank.example/pay", "spiffe://bank.example/pay"),
        ("--san-ip", "2001:DB8::1", "2001:db8::1"),
        ("--san-email", "ops@Bank.example", "ops@bank.example"),
    ],
)
def test_a_ca_and_one_name(mutua: Run, files: Path, option: str, name: str, value: str) -> None:
    name = name.replace(", ", ",")
    result = mutua("client", "trust", "bank", "--ca", str(files / "ca.pem"), option, name, "--json")
    assert result.code == 0, result.err
    assert result.json == {
        "kind": "subject",
        "form": option[2:].replace("-", "_"),
        "value": value,
        "authority": spki_s256(PARTNER.key.public_key()),
        "ends_at": None,
    }
    assert [each["value"] for each in mutua("client", "show", "bank", "--json").json["credentials"]] == [value]


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--ca", "ca.pem"],
        ["--ca", "ca.pem", "--san-dns", "a.example", "--san-ip", "10.0.0.1"],
        ["--cert", "self.pem", "--san-dns", "a.example"],
        ["--cert", "self.pem", "--spki", "self.pem"],
        ["--san-dns", "a.example"],
    ],
)
def test_anything_but_one_way_is_refused(
    mutua: Run, files: Path, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    result = mutua("client", "trust", "bank", *options)
    assert result.code == 2
    assert "by one thing" in result.error()


def test_what_somebody_is_known_by_is_nobody_elses(mutua: Run, files: Path) -> None:
    chosen = ("--cert", str(files / "self.pem"))
    assert mutua("client", "trust", "woovi", *chosen).code == 0
    result = mutua("client", "trust", "bank", *chosen)
    assert result.code == 4
    assert "'woovi' is known by that already" in result.err


def test_two_spellings_of_a_name_are_one(mutua: Run, files: Path) -> None:
    ca = ("--ca", str(files / "ca.pem"))
    assert mutua("client", "trust", "bank", *ca, "--subject-dn", "CN=Bank,O=Partner").code == 0
    assert mutua("client", "trust", "woovi", *ca, "--subject-dn", "cn=BANK,O=partner").code == 4


def test_replacing_lets_the_old_one_count_for_a_while(home: Home, mutua: Run, files: Path) -> None:
    mutua("client", "trust", "bank", "--cert", str(files / "self.pem"))
    result = mutua("client", "trust", "bank", "--spki", str(files / "self.pem"), "--replace", "--overlap", "14")
    assert result.code == 0
    old, new = mutua("client", "show", "bank", "--json").json["credentials"]
    assert (old["form"], new["form"], new["ends_at"]) == ("x5t#S256", "spki", None)
    assert old["ends_at"][:10] > home.now().isoformat()[:10]


def test_what_is_not_trusted_any_more_counts_for_nothing(home: Home, mutua: Run, files: Path) -> None:
    mutua("client", "trust", "bank", "--cert", str(files / "self.pem"))
    assert mutua("client", "distrust", "bank", x5t_s256(PARTNER.certificate)).code == 0
    assert not home.snapshot().pins
    assert PARTNER.certificate not in home.trust_in_clients.partners
    assert mutua("client", "distrust", "bank", x5t_s256(PARTNER.certificate)).code == 2


def test_a_client_that_may_call_nothing_is_warned_of(mutua: Run, files: Path) -> None:
    mutua("client", "add", "shop")
    result = mutua("client", "trust", "shop", "--cert", str(files / "self.pem"))
    assert "may call nothing yet" in result.err


def test_partners_are_not_what_a_client_of_ours_believes(home: Home, mutua: Run, files: Path) -> None:
    mutua("client", "trust", "bank", "--ca", str(files / "ca.pem"), "--san-dns", "api.bank.example")
    assert PARTNER.certificate in home.trust_in_clients.partners
    assert BELOW.certificate in home.trust_in_clients.intermediates
    assert PARTNER.certificate not in home.trust.anchors
    assert not home.trust.partners


def test_grants_are_added_and_taken_away(mutua: Run, files: Path) -> None:
    changed = mutua("client", "grant", "bank", "--allow", "POST /webhook/*", "--deny", "GET /status", "--json").json
    assert changed["grants"] == ["POST /webhook/*"]
    result = mutua("client", "grant", "bank", "--deny", "GET /status")
    assert result.code == 2
    assert "has no grant" in result.error()
    result = mutua("client", "grant", "bank", "--deny", "POST /webhook/*")
    assert "may call nothing" in result.err

"""``mutua cert renew``."""

from pathlib import Path

import pytest

from mutua import Home, Identity, KeyType
from mutua.pki.certificates import read_certificates
from mutua.pki.keys import describe_key, read_private_key
from tests.cli.conftest import Run


def test_an_identity_is_replaced_and_keeps_names_lifetime_and_kind_of_key(mutua: Run, home: Home) -> None:
    before = home.authority.issue_server("api.acme.example", "127.0.0.1", key_type=KeyType.RSA2048)
    home.identities.save("api", before, replace=True)
    result = mutua("cert", "renew", "api", "--json")
    assert result.code == 0
    after = home.identities.load("api")
    assert result.json["thumbprint"] == after.thumbprint != before.thumbprint
    assert after.names == before.names
    assert describe_key(after.key.public_key()) == "RSA-2048"
    assert after.key.public_key() != before.key.public_key()
    spans = [each.certificate.not_valid_after_utc - each.certificate.not_valid_before_utc for each in (before, after)]
    assert spans[0] == spans[1]
    assert home.authority.certificate(before.thumbprint).superseded


def test_the_same_key_is_kept_when_asked_for(mutua: Run, home: Home) -> None:
    before = home.identities.load("woovi")
    assert mutua("cert", "renew", "woovi", "--same-key").code == 0
    after = home.identities.load("woovi")
    assert after.key.public_key() == before.key.public_key()
    assert after.thumbprint != before.thumbprint


def test_a_partner_asks_by_a_statement_and_gets_the_chain(mutua: Run, home: Home, tmp_path: Path) -> None:
    statement, new_key, chain = (str(tmp_path / name) for name in ("renewal.jws", "new.pem", "chain.pem"))
    assert mutua("cert", "renew", "woovi", "--ask", statement, "--new-key", new_key).code == 0
    assert Path(new_key).stat().st_mode & 0o777 == 0o600
    assert mutua("cert", "renew", "--statement", statement, "--out", chain).code == 0
    renewed = Identity(read_private_key(Path(new_key).read_bytes()), read_certificates(Path(chain).read_bytes()))
    assert renewed.names == home.identities.load("woovi").names
    assert renewed.thumbprint in home.snapshot().issued


def test_a_key_that_is_there_is_not_overwritten(mutua: Run, tmp_path: Path) -> None:
    (tmp_path / "new.pem").write_text("precious")
    result = mutua("cert", "renew", "woovi", "--ask", str(tmp_path / "r.jws"), "--new-key", str(tmp_path / "new.pem"))
    assert "already" in result.error()
    assert (tmp_path / "new.pem").read_text() == "precious"
    assert not (tmp_path / "r.jws").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "an identity or a statement"),
        (("woovi", "--statement", "x"), "an identity or a statement"),
        (("woovi", "--ask", "r.jws"), "a new key has to go somewhere"),
    ],
)
def test_what_makes_no_sense_is_told(mutua: Run, arguments: tuple[str, ...], told: str) -> None:
    result = mutua("cert", "renew", *arguments)
    assert result.code == 2
    assert told in result.error()


def test_an_identity_from_elsewhere_is_not_taken_into_the_home(mutua: Run, home: Home, tmp_path: Path) -> None:
    identity = home.identities.load("woovi")
    file = tmp_path / "woovi.pem"
    file.write_bytes(identity.key_pem() + identity.chain_pem())
    assert "no identity of the home" in mutua("cert", "renew", str(file)).error()
    assert not home.authority.certificate(identity.thumbprint).superseded


def test_a_revoked_certificate_is_not_renewed(mutua: Run, home: Home) -> None:
    home.revocation.revoke(home.identities.load("woovi").thumbprint)
    result = mutua("cert", "renew", "woovi")
    assert result.code == 4
    assert "revoked" in result.error()


def test_a_damaged_statement_is_told(mutua: Run, tmp_path: Path) -> None:
    (tmp_path / "r.jws").write_text("not.a.statement")
    assert mutua("cert", "renew", "--statement", str(tmp_path / "r.jws")).code == 3

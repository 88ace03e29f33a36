"""``mutua cert verify``: what it reads, whom it believes, what it says, and how it ends."""

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs7, pkcs12

from mutua import Home
from mutua.pki.certificates import write_der, write_pem
from mutua.pki.thumbprints import x5t_s256
from tests.cli.conftest import Run
from tests.pki.crafted import DAY, DNS, ISSUING, LEAF, NOW, ROOT, Made, altered, crl, make, tampered

KEYS = {"valid", "purpose", "names", "at", "trust", "path", "findings"}
STEP = {"subject", "issuer", "serial", "thumbprint", "not_before", "not_after", "revocation"}
FINDING = {"code", "warning", "certificate", "summary", "cause", "remedy"}


@pytest.fixture
def files(home: Home) -> Path:
    """A folder with a chain, its root and the CRLs of its CAs; the current folder of the commands."""
    folder = home.path.parent
    pem(folder / "chain.pem", LEAF, ISSUING)
    pem(folder / "ca.pem", ROOT)
    for name, issuer in (("issuing", ISSUING), ("root", ROOT)):
        (folder / f"{name}.crl").write_bytes(crl(issuer).public_bytes(Encoding.DER))
    return folder


def pem(path: Path, *made: Made) -> str:
    path.write_bytes(write_pem(each.certificate for each in made))
    return str(path)


def lines(text: str) -> list[list[str]]:
    return [line.split(maxsplit=1) for line in text.splitlines() if line]


def test_a_valid_chain_ends_with_zero_and_shows_its_path(mutua: Run, files: Path) -> None:
    result = mutua("cert", "verify", "chain.pem", "--trust", "ca.pem", "--purpose", "client")
    assert (result.code, result.err) == (0, "")
    shown = lines(result.out)
    assert shown[0] == ["valid"]
    assert [line[0] for line in shown[1:]] == [
        "purpose", "names", "at", "trust", "CERTIFICATE", "leaf", "Issuing", "Root",
    ]  # fmt: skip
    assert [line[1] for line in shown if line[0] in {"purpose", "trust"}] == ["client", "ca.pem"]
    assert shown[6][1].endswith("nothing")


def test_everything_that_is_wrong_is_listed_with_certificate_cause_and_remedy(mutua: Run, files: Path) -> None:
    at = f"{NOW + 99 * DAY:%Y-%m-%d}"
    options = ("--trust", "ca.pem", "--purpose", "server", "--name", "a.example", "--name", "10.0.0.1", "--at", at)
    result = mutua("cert", "verify", "chain.pem", *options)
    assert result.code == 1
    assert result.out.startswith("not valid: 4 findings\n")
    told = result.out.split("\n\n")[3:]
    assert [block.split(":")[0] for block in told] == ["expired", "no_names", "expired", "expired"]
    for block in told:
        assert [line.split()[0] for line in block.splitlines()[1:]] == ["certificate", "cause", "remedy"]
    assert f"leaf, {x5t_s256(LEAF.certificate)}" in told[0]


def test_as_json_keys_are_stable(mutua: Run, files: Path) -> None:
    result = mutua("cert", "verify", "chain.pem", "--trust", "ca.pem", "--name", "x.example", "--json")
    assert (result.code, result.err) == (1, "")
    assert set(result.json) == KEYS
    assert (result.json["valid"], result.json["purpose"], result.json["names"]) == (False, "server", ["x.example"])
    assert [set(step) for step in result.json["path"]] == [STEP] * 3
    (finding,) = result.json["findings"]
    assert set(finding) == FINDING
    assert (finding["code"], finding["warning"]) == ("no_names", False)
    assert finding["certificate"]["thumbprint"] == x5t_s256(LEAF.certificate)
    assert finding["certificate"]["serial"] == f"{LEAF.certificate.serial_number:032x}"


@pytest.mark.parametrize("form", ["der", "p7b", "p7c", "reversed", "with a key", "folder"])
def test_every_form_of_a_chain_is_read(mutua: Run, files: Path, home: Home, form: str) -> None:
    certificates, path = [LEAF.certificate, ISSUING.certificate], files / "given"
    trust = pem(files / "both.pem", ISSUING, ROOT)
    match form:
        case "der":
            path.write_bytes(write_der(LEAF.certificate))
        case "p7b":
            path.write_bytes(pkcs7.serialize_certificates(certificates, Encoding.PEM))
        case "p7c":
            path.write_bytes(pkcs7.serialize_certificates(certificates, Encoding.DER))
        case "reversed":
            path.write_bytes(write_pem([ROOT.certificate, *reversed(certificates)]))
        case "with a key":
            sealed = home.identities.load("woovi").key_pem(b"nobody is asked for it")
            path.write_bytes(sealed + write_pem(certificates))
        case "folder":
            path.mkdir()
            shutil.copy(files / "chain.pem", path / "chain.pem")
    result = mutua("cert", "verify", "given", "--trust", trust, "--json")
    assert result.code == 0
    assert [step["subject"] for step in result.json["path"]] == ["CN=leaf", "CN=Issuing", "CN=Root"]


def test_an_identity_of_the_home_is_believed_by_its_cas_and_its_inventory(mutua: Run, home: Home) -> None:
    result = mutua("cert", "verify", "woovi", "--purpose", "client", "--json")
    assert result.code == 0
    assert result.json["trust"] == f"the CAs of the home '{home.path}'"
    assert [step["revocation"] for step in result.json["path"]] == [["the home's inventory"]] * 2 + [[]]
    assert mutua("cert", "verify", "api", "--name", "localhost", "--name", "127.0.0.1").code == 0


@pytest.mark.parametrize(("reason", "code"), [("superseded", "revoked"), ("certificate_hold", "on_hold")])
def test_what_the_home_revoked_or_holds_is_not_valid(mutua: Run, home: Home, reason: str, code: str) -> None:
    serial = home.identities.load("woovi").certificate.serial_number
    assert mutua("cert", "revoke", f"{serial:032x}", "--reason", reason).code == 0
    result = mutua("cert", "verify", "woovi", "--json")
    assert result.code == 1
    assert [finding["code"] for finding in result.json["findings"]] == [code]
    assert mutua("cert", "verify", "woovi", "--trust", str(home.path / "ca.pem")).code == 0, "nobody asked the home"


def test_without_a_home_the_systems_cas_are_believed(
    mutua: Run, files: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MUTUA_HOME")
    monkeypatch.setenv("SSL_CERT_FILE", str(files / "ca.pem"))
    monkeypatch.chdir(tmp_path / "home")
    result = mutua("cert", "verify", str(files / "chain.pem"), "--json")
    assert (result.code, result.json["trust"]) == (0, "the system's CAs")


def test_where_the_system_has_no_bundle_its_folder_is_read_and_what_is_damaged_passed_over(
    mutua: Run, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = files / "certs"
    folder.mkdir()
    shutil.copy(files / "ca.pem", folder / "0badcafe.0")
    (folder / "0badcafe.1").write_text("nothing")
    (folder / "0badcafe.2").symlink_to("nowhere")
    monkeypatch.setenv("SSL_CERT_FILE", str(files / "missing"))
    monkeypatch.setenv("SSL_CERT_DIR", str(folder))
    assert mutua("cert", "verify", "chain.pem", "--trust", "system").code == 0
    shutil.rmtree(folder)
    assert mutua("cert", "verify", "chain.pem", "--trust", "system").code == 1


def test_with_crls_every_certificate_must_be_covered_and_it_is_said_by_what(mutua: Run, files: Path) -> None:
    both = ("--crl", "issuing.crl", "--crl", "root.crl")
    result = mutua("cert", "verify", "chain.pem", "--trust", "ca.pem", *both, "--json")
    assert result.code == 0
    asked = [step["revocation"] for step in result.json["path"]]
    assert [[text.split(",")[0] for text in each] for each in asked] == [
        ["the CRL 7 of Issuing"], ["the CRL 7 of Root"], [],
    ]  # fmt: skip
    result = mutua("cert", "verify", "chain.pem", "--trust", "ca.pem", *both[:2])
    assert result.code == 1
    assert "crl_missing: no CRL of Root was given" in result.out
    (files / "issuing.crl").write_bytes(crl(ISSUING, LEAF).public_bytes(Encoding.PEM))
    result = mutua("cert", "verify", "chain.pem", "--trust", "ca.pem", *both)
    assert "revoked: the CRL 7 of Issuing lists it since " in result.out


def test_a_warning_is_told_and_changes_nothing(mutua: Run, files: Path) -> None:
    pem(files / "twice.pem", LEAF, ISSUING, ISSUING)
    result = mutua("cert", "verify", "twice.pem", "--trust", "ca.pem")
    assert (result.code, result.out.splitlines()[0]) == (0, "valid")
    assert "\nwarning: duplicate_certificate: " in result.out


def test_what_a_certificate_says_cannot_move_the_cursor(mutua: Run, files: Path) -> None:
    evil = "CN=\x1b[2Jleaf\r\n\u202evalid"
    leaf = make(evil, ISSUING, ca=False, names=[DNS("a.example\x1b]0;x\x07\nvalid")])
    access = x509.AccessDescription(
        x509.oid.AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier("http://\x1b[1A\n/")
    )
    orphan = make(
        evil,
        make("CN=\x1b[31mIssuer\nvalid"),
        ca=False,
        change={x509.AuthorityInformationAccess: (x509.AuthorityInformationAccess([access]), False)},
    )
    pem(files / "evil.pem", leaf, ISSUING)
    pem(files / "orphan.pem", orphan)
    for file in ("evil.pem", "orphan.pem"):
        for options in ((), ("--json",)):
            result = mutua("cert", "verify", file, "--trust", "ca.pem", "--name", "b.example", *options)
            assert result.code == 1
            assert all(character.isprintable() or character == "\n" for character in result.out)
            assert "valid" not in result.out.splitlines()


def test_a_serial_number_that_rfc5280_forbids_is_a_finding_and_no_noise(mutua: Run, files: Path) -> None:
    odd = altered(make("leaf", ISSUING, ca=False, serial=1), b"\x02\x01\x01", b"\x02\x01\x85", ISSUING.key)
    pem(files / "odd.pem", odd, ISSUING)
    for options in ((), ("--json",)):
        result = mutua("cert", "verify", "odd.pem", "--trust", "ca.pem", *options)
        assert (result.code, result.err) == (1, "")
        assert "serial_not_positive" in result.out


def test_a_tampered_chain_is_not_valid(mutua: Run, files: Path) -> None:
    pem(files / "tampered.pem", tampered(make("CN=woovi", ISSUING, ca=False), b"woovi", b"wooVi"), ISSUING)
    result = mutua("cert", "verify", "tampered.pem", "--trust", "ca.pem")
    assert result.code == 1
    assert "bad_signature: the key of Issuing did not sign it" in result.out


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--at", "yesterday"], 2, "'yesterday' is not a time"),
        (["--at", "0001-01-01T00:00+23:00"], 2, "is not a time"),
        (["--name", "*.acme.example"], 2, "is a pattern, not a name"),
        (["--name", "a b"], 2, "is not a name for a certificate"),
        (["--crl", "missing.crl"], 3, "missing.crl"),
        (["--crl", "chain.pem"], 3, "expected one CRL and found 0"),
        (["--trust", "missing.pem"], 3, "missing.pem"),
        (["--trust", "issuing.crl"], 3, "not a readable certificate"),
        (["--purpose", "email"], 2, "email"),
        (["--trust", "home", "--home", "missing"], 3, "there is no home at 'missing'"),
        (["--home", "missing"], 3, "there is no home at 'missing'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_asked_is_an_error(
    mutua: Run, files: Path, options: Sequence[str], code: int, message: str
) -> None:
    result = mutua("cert", "verify", "chain.pem", *options)
    assert result.code == code
    assert message in result.error()


def test_a_file_that_is_no_chain_is_an_error(mutua: Run, files: Path, home: Home) -> None:
    woovi = home.identities.load("woovi")
    sealed = pkcs12.serialize_key_and_certificates(
        b"woovi", woovi.key, woovi.certificate, None, BestAvailableEncryption(b"x")
    )
    (files / "woovi.p12").write_bytes(sealed)
    (files / "empty").write_bytes(b"")
    for file, code in (("woovi.p12", 3), ("empty", 3), ("issuing.crl", 3), ("nobody", 2), (str(home.path), 3)):
        result = mutua("cert", "verify", file)
        assert result.code == code
        result.error()


def test_a_moment_without_a_zone_is_utc(mutua: Run, files: Path) -> None:
    for text in ("2026-12-24T18:00", "2026-12-24T18:00Z", "2026-12-24T19:00+01:00"):
        result = mutua("cert", "verify", "chain.pem", "--trust", "ca.pem", "--at", text, "--json")
        assert datetime.fromisoformat(result.json["at"]) == datetime(2026, 12, 24, 18, tzinfo=UTC)

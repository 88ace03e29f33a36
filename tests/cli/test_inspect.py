"""``mutua cert inspect``: every kind of file, for a person and as JSON, and nothing hostile on the terminal."""

import io
import json
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from mutua import Home
from mutua.pki.certificates import write_der
from mutua.pki.pem import write_pem_block
from mutua.pki.pkcs7 import write_pkcs7
from mutua.pki.pkcs12 import write_pkcs12
from mutua.pki.thumbprints import spki_s256
from tests.cli.conftest import Run
from tests.pki.hierarchy import NOW, client, issuing_ca, key_of
from tests.pki.test_contents import a_crl, a_request

HOSTILE = "evil\x1b]0;title\x07\r\n\u202ename"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the commands run."""
    return tmp_path


def write(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return path.name


def test_an_identity_of_the_home_is_told(mutua: Run, home: Home) -> None:
    identity = home.identities.load("woovi")
    result = mutua("cert", "inspect", "home/identities/woovi/chain.pem")
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[0] == "home/identities/woovi/chain.pem: 2 certificates"
    told = [line.split(maxsplit=1) for line in lines]
    for expected in (
        ["certificate", "CN=woovi"],
        ["names", "woovi"],
        ["purposes", "TLS client"],
        ["thumbprint", identity.thumbprint],
        ["until", f"{identity.not_after:%Y-%m-%d %H:%M} UTC"],
        ["CA", "yes, with none below it"],
    ):
        assert expected in told
    assert result.err == ""


def test_a_key_says_whose_it_is_and_is_not_shown(mutua: Run, home: Home, folder: Path) -> None:
    identity = home.identities.load("woovi")
    file = write(folder / "both.pem", identity.key_pem() + identity.chain_pem())
    result = mutua("cert", "inspect", file)
    assert result.out.startswith("both.pem: 1 private key, 2 certificates\n\nprivate key  P-256\n")
    assert f"belongs to   the certificate {identity.thumbprint}\n" in result.out
    alone = mutua("cert", "inspect", "home/identities/woovi/key.pem")
    assert "belongs to   no certificate in this file\n" in alone.out


def test_a_pkcs12_file_is_opened_with_the_password_in_a_file(mutua: Run, folder: Path) -> None:
    sealed = write_pkcs12(client().key, client().chain, password=b"secret", friendly_name="Woovi", compatible=True)
    file, password = write(folder / "bank.p12", sealed), write(folder / "password", b"secret\n")
    result = mutua("cert", "inspect", file, "--password-file", password)
    assert result.out.startswith("bank.p12: PKCS#12 with 1 private key, 2 certificates\n")
    assert result.out.count("friendly name   Woovi\n") == 1
    assert "encrypted      yes\n" in result.out
    result = mutua("cert", "inspect", file)
    assert result.code == 3
    assert result.error() == "bank.p12: the PKCS#12 file needs a password"
    write(folder / "password", b"guess\n")
    result = mutua("cert", "inspect", file, "--password-file", password)
    assert (result.code, result.error()) == (3, "bank.p12: the password does not open the PKCS#12 file")


def test_requests_lists_and_bundles_are_told(mutua: Run, folder: Path) -> None:
    result = mutua("cert", "inspect", write(folder / "a.csr", a_request().public_bytes(Encoding.PEM)))
    assert [line.split(maxsplit=1) for line in result.out.splitlines() if line][1:] == [
        ["request", "CN=woovi"],
        ["key", "P-256"],
        ["key", f"hash   {spki_s256(a_request().public_key())}"],  # type: ignore[arg-type]
        ["signature", "ECDSA with SHA-256, verifies"],
    ]
    damaged = bytearray(a_request().public_bytes(Encoding.DER))
    damaged[-1] ^= 1
    assert "DOES NOT VERIFY" in mutua("cert", "inspect", write(folder / "b.csr", bytes(damaged))).out
    result = mutua("cert", "inspect", write(folder / "a.crl", a_crl(3).public_bytes(Encoding.DER)))
    assert result.out.startswith("a.crl: 1 revocation list\n")
    told = dict(line.split(maxsplit=1) for line in result.out.splitlines()[2:] if line)
    assert (told["number"], told["revoked"]) == ("7", "3")
    result = mutua("cert", "inspect", write(folder / "a.p7b", write_pkcs7(client().chain)))
    assert result.out.startswith("a.p7b: PKCS#7 with 2 certificates\n")
    block = write_pem_block("EC PARAMETERS", b"\x06\x00") + client().chain_pem()
    assert "not read  EC PARAMETERS\n" in mutua("cert", "inspect", write(folder / "x.pem", block)).out


def test_what_is_past_is_said(mutua: Run, folder: Path) -> None:
    vectors = Path(__file__).parent.parent / "pki" / "vectors"
    result = mutua("cert", "inspect", write(folder / "old.pem", (vectors / "rfc8705_appA.pem").read_bytes()))
    assert " UTC (PAST)\n" in result.out
    crl = x509.CertificateRevocationListBuilder(
        issuing_ca().certificate.subject, NOW - timedelta(days=9), NOW - timedelta(days=8)
    ).sign(issuing_ca().key, SHA256())
    assert " UTC (PAST)\n" in mutua("cert", "inspect", write(folder / "old.crl", crl.public_bytes(Encoding.DER))).out


def test_as_json_with_stable_keys(mutua: Run, folder: Path) -> None:
    one = write(folder / "one.der", write_der(client().certificate))
    two = write(folder / "two.p7b", write_pkcs7(client().chain))
    result = mutua("cert", "inspect", one, two, "--json")
    assert [set(each) for each in result.json] == [{"file", "contents"}] * 2
    assert [each["file"] for each in result.json] == [one, two]
    (certificate,) = result.json[0]["contents"]
    assert certificate["thumbprint"] == client().thumbprint
    assert certificate["not_after"] == client().not_after.isoformat()
    assert [each["kind"] for each in result.json[1]["contents"]] == ["pkcs7"]
    assert result.err == ""


def test_of_several_files_each_is_told_of(mutua: Run, folder: Path) -> None:
    good, junk = write(folder / "good.der", write_der(client().certificate)), write(folder / "junk", b"junk")
    result = mutua("cert", "inspect", junk, good, "missing.pem")
    assert result.code == 3
    assert result.out.startswith("good.der: 1 certificate\n")
    assert [line for line in result.err.splitlines() if line.startswith("error: ")] == [
        "error: junk: nothing in it is of a known kind",
        "error: 'missing.pem' cannot be read: No such file or directory",
    ]
    result = mutua("cert", "inspect", junk, good, "missing.pem", "--json")
    assert result.code == 3
    assert [each.get("error") for each in result.json] == ["unreadable_contents", None, "unreadable_file"]


def test_standard_input_is_read(mutua_process: Run) -> None:
    result = mutua_process("cert", "inspect", "-", input=client().chain_pem().decode())
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("-: 2 certificates\n")


def test_standard_input_has_a_limit(mutua: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    endless = io.TextIOWrapper(io.BytesIO(bytes(65 * 1024 * 1024)))
    monkeypatch.setattr("sys.stdin", endless)
    result = mutua("cert", "inspect", "-")
    assert result.code == 3
    assert "more than 67108864 bytes" in result.error()


def hostile_files() -> dict[str, bytes]:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOSTILE)])
    uri = x509.UniformResourceIdentifier("http://x/\x1b[2J\n")
    names = x509.SubjectAlternativeName([x509.DNSName("\x1b[2J.example"), uri])
    point = x509.CRLDistributionPoints([x509.DistributionPoint([uri], None, None, None)])
    key = key_of("end entity")
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 1, NOW, NOW + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(point, critical=False)
        .sign(key, SHA256())
    )
    request = x509.CertificateSigningRequestBuilder(subject).add_extension(names, critical=False).sign(key, SHA256())
    crl = x509.CertificateRevocationListBuilder(subject, NOW, NOW + timedelta(days=1)).sign(key, SHA256())
    return {
        "c.der": write_der(certificate),
        "r.der": request.public_bytes(Encoding.DER),
        "l.der": crl.public_bytes(Encoding.DER),
        "k.p12": _named(certificate),
    }


def _named(certificate: x509.Certificate) -> bytes:
    from tests.pki import bombs

    clear = write_der(certificate)
    return bombs.pfx(bombs.plain_safe(bombs.certificate_bag(clear, HOSTILE)), password=b"")


@pytest.mark.parametrize("name", ["c.der", "r.der", "l.der", "k.p12"])
def test_nothing_hostile_reaches_the_terminal(mutua: Run, folder: Path, name: str) -> None:
    file = write(folder / name, hostile_files()[name])
    for arguments in ((file,), (file, "--json")):
        result = mutua("cert", "inspect", *arguments)
        assert result.code == 0, result.err
        assert "evil" in result.out
        assert result.out.replace("\n", "").isprintable()


def test_a_hostile_file_name_is_escaped(mutua: Run, folder: Path) -> None:
    file = write(folder / "a\x1b[2J\nb", write_der(client().certificate))
    assert mutua("cert", "inspect", file).out.startswith("a\\x1b[2J\\nb: 1 certificate\n")
    file = write(folder / "j\x1b[2J", b"junk")
    assert mutua("cert", "inspect", file).error().startswith("j\\x1b[2J: ")


def test_a_certificate_that_openssl_shows_has_the_same_facts(
    mutua: Run, home: Home, peer: Callable[[str], str], folder: Path
) -> None:
    write(folder / "chain.pem", home.identities.load("woovi").chain_pem())
    command = [peer("openssl"), "x509", "-in", "chain.pem", "-noout", "-serial", "-ext", "subjectKeyIdentifier"]
    shown = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=60).stdout
    (told, _ca) = json.loads(mutua("cert", "inspect", "chain.pem", "--json").out)[0]["contents"]
    serial, _header, identifier = (line.strip() for line in shown.splitlines())
    assert int(serial.removeprefix("serial="), 16) == int(told["serial"], 16)
    assert identifier.replace(":", "").lower() == told["subject_key_identifier"]

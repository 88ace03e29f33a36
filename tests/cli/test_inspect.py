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
from mutua.doctor.extensions import key_identifiers
from mutua.pki.certificates import write_der, write_pem
from mutua.pki.keys import write_private_key
from mutua.pki.pem import write_pem_block
from mutua.pki.pkcs7 import write_pkcs7
from mutua.pki.pkcs12 import write_pkcs12
from mutua.pki.thumbprints import spki_s256
from tests.cli.conftest import Run
from tests.outbound.issuers import line
from tests.pki.hierarchy import NOW, client, issuing_ca, key_of, server
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
    assert result.out.startswith("both.pem: 1 private key, 2 certificates\n\nit is        an identity: ")
    assert "\nas a client  yes\n" in result.out
    assert "\n\nprivate key  P-256\n" in result.out
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
    assert [set(each) for each in result.json] == [{"file", "contents", "identity"}] * 2
    assert [each["identity"]["thumbprint"] for each in result.json] == [client().thumbprint] * 2
    assert result.json[0]["identity"]["chain_state"] == "incomplete"
    assert result.json[0]["identity"]["missing_issuer"]["perhaps_root"] is False
    assert [each["file"] for each in result.json] == [one, two]
    (certificate,) = result.json[0]["contents"]
    assert certificate["thumbprint"] == client().thumbprint
    assert certificate["not_after"] == client().not_after.isoformat()
    assert [each["kind"] for each in result.json[1]["contents"]] == ["pkcs7"]
    assert result.err == ""


def told(out: str) -> dict[str, str]:
    """The lines of the first section."""
    return {line[:11].strip(): line[13:] for line in out.split("\n\n")[1].splitlines()}


def test_what_it_is_good_for_is_said_in_words(mutua: Run, folder: Path) -> None:
    good = told(mutua("cert", "inspect", write(folder / "good.pem", client().key_pem() + client().chain_pem())).out)
    assert good["it is"] == "an identity: a private key with its certificate"
    assert (good["of"], good["as a client"]) == ("CN=woovi", "yes")
    assert good["chain"].startswith("1 intermediate, up to CN=Root CA,O=Acme Payments, which is not in it")
    of_server = told(mutua("cert", "inspect", write(folder / "s.pem", server().chain_pem())).out)
    assert of_server["it is"] == "a certificate without its private key"
    assert of_server["as a client"] == "NO: not for TLS clients (its extended key usage)"
    wrong = write_private_key(key_of("root")) + client().chain_pem()
    assert "NOT the certificate's" in told(mutua("cert", "inspect", write(folder / "w.pem", wrong)).out)["it is"]


def test_a_missing_issuer_is_named(mutua: Run, folder: Path) -> None:
    alone = told(mutua("cert", "inspect", write(folder / "leaf.der", write_der(client().certificate))).out)
    assert alone["chain"].startswith("INCOMPLETE, unless servers trust its issuer itself")
    identifier = key_identifiers(client().certificate)["authority_key_identifier"]
    assert alone["missing"].startswith(
        f"CN=Issuing CA 1,O=Acme Payments, key identifier {identifier}: it issued CN=woovi"
    )
    assert "ask whoever issued" in alone["to get it"]


def test_a_missing_issuer_is_fetched_only_when_asked(mutua: Run, folder: Path) -> None:
    with line() as bank:
        file = write(folder / "leaf.pem", write_pem([bank.leaf]))
        assert "--fetch" in told(mutua("cert", "inspect", file).out)["to get it"]
        strict = mutua("cert", "inspect", file, "--fetch")
        assert "within a private network" in told(strict.out)["not fetched"]
        assert "--allow-private" in told(strict.out)["not fetched"]
        assert not bank.below.requests
        result = mutua("cert", "inspect", file, "--fetch", "--allow-private")
        assert told(result.out)["chain"] == "complete: 1 intermediate, and the root 'root'"
        assert f"CN=issuing from {bank.below.url('/issuing.cer')}" in result.out
        (seen,) = mutua("cert", "inspect", file, "--fetch", "--allow-private", "--json").json
        assert [each["subject"] for each in seen["fetched"]] == ["CN=issuing", "CN=root"]
        assert (seen["identity"]["chain_state"], seen["identity"]["missing_issuer"]) == ("complete", None)


@pytest.mark.parametrize(
    "options", [["--allow-private"], ["--fetch", "--subject-dn", "CN=woovi"]], ids=["no-fetch", "comparison"]
)
def test_options_that_mean_nothing_are_not_passed_over(mutua: Run, folder: Path, options: list[str]) -> None:
    assert mutua("cert", "inspect", write(folder / "a.pem", client().chain_pem()), *options).code == 2


def test_a_keystore_of_java_is_told_from_junk(mutua: Run, folder: Path) -> None:
    result = mutua("cert", "inspect", write(folder / "bank.jks", b"\xfe\xed\xfe\xed\x00\x00\x00\x02"))
    assert (result.code, result.error()) == (3, "bank.jks: it is a Java keystore (JKS), which only Java opens")
    assert "keytool -importkeystore" in result.err


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

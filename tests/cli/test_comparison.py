"""``mutua cert inspect --compare`` and ``--subject-dn``."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from mutua.pki.certificates import write_der, write_pem
from mutua.pki.pkcs12 import write_pkcs12
from tests.cli.conftest import Run
from tests.pki.distinguished import OFB, OFB_ATTRIBUTES, name_of
from tests.pki.hierarchy import NOW, client, key_of
from tests.pki.test_contents import a_crl, a_request


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the commands run."""
    return tmp_path


def write(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return path.name


def certificate(subject: x509.Name) -> bytes:
    key = key_of("end entity")
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, NOW, NOW + timedelta(days=1))
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


@pytest.fixture
def partner(folder: Path) -> str:
    """The file of a certificate with Open Finance Brasil's name."""
    return write(folder / "partner.pem", certificate(name_of(*OFB_ATTRIBUTES)))


def test_a_certificate_matches_the_name_that_was_agreed(mutua: Run, partner: str) -> None:
    result = mutua("cert", "inspect", partner, "--subject-dn", OFB)
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[:5] == ["A  partner.pem", f"   {OFB}", "B  --subject-dn", f"   {OFB}", ""]
    assert lines[5].split() == ["ATTRIBUTE", "A", "B"]
    assert all(line.endswith("  same") for line in lines[6:-2])
    assert len(lines[6:-2]) == len(OFB_ATTRIBUTES)
    assert lines[-1] == "match  yes"


def test_where_two_subjects_differ_is_shown(mutua: Run, partner: str, folder: Path) -> None:
    renewed = [(oid, "CHICAGO  advisory partners" if oid == "2.5.4.10" else value) for oid, value in OFB_ATTRIBUTES[1:]]
    renewed[0], renewed[1] = renewed[1], renewed[0]
    renewed[-1] = ("2.5.4.3", "web2.example")
    other = write(folder / "renewed.pem", certificate(name_of(*renewed, ("2.5.4.12", "x"))))
    result = mutua("cert", "inspect", "--compare", partner, other)
    assert result.code == 1
    rows = {line.split()[0]: line for line in result.out.splitlines()[6:] if line}
    assert rows["CN"].split()[1:] == [OFB_ATTRIBUTES[-1][1], "web2.example", "differs"]
    assert rows["O"].endswith("  same")
    assert rows["businessCategory"].endswith("-                                           only in A")
    assert rows["title"].split() == ["title", "-", "x", "only", "in", "B"]
    assert rows["match"] == "match  NO: 1 differs, 1 only in A, 1 only in B, the order differs"


def test_attributes_that_only_one_joins_are_told_of(mutua: Run, folder: Path) -> None:
    file = write(folder / "a.pem", certificate(name_of(("2.5.4.11", "b"), ("2.5.4.3", "a"))))
    result = mutua("cert", "inspect", file, "--subject-dn", "CN=a+OU=b")
    assert (result.code, result.out.splitlines()[-1]) == (1, "match  NO: what + joins differs")


def test_as_json_with_stable_keys(mutua: Run, partner: str) -> None:
    result = mutua("cert", "inspect", partner, "--subject-dn", "CN=\u0430,C=BR", "--json")
    assert result.code == 1
    assert set(result.json) == {"matches", "a", "b", "order_differs", "grouping_differs", "attributes"}
    assert result.json["matches"] is False
    assert result.json["a"] == {"source": "partner.pem", "subject": OFB, "flaw": None}
    assert result.json["b"] == {"source": "--subject-dn", "subject": "CN=\u0430,C=BR", "flaw": None}
    assert result.json["attributes"][0] == {
        "oid": "2.5.4.3",
        "name": "CN",
        "a": OFB_ATTRIBUTES[-1][1],
        "b": "\u0430",
        "verdict": "differs",
        "note": "U+0077 LATIN SMALL LETTER W is not U+0430 CYRILLIC SMALL LETTER A",
    }
    assert {each["verdict"] for each in result.json["attributes"]} == {"same", "differs", "only_in_a"}


def test_the_leaf_of_a_chain_the_certificate_of_a_p12_and_a_request_have_subjects(mutua: Run, folder: Path) -> None:
    chain = write(folder / "chain.pem", write_pem(client().chain[::-1]))
    sealed = write(folder / "bank.p12", write_pkcs12(client().key, client().chain, password=b"secret"))
    password = write(folder / "password", b"secret\n")
    request = write(folder / "a.csr", a_request().public_bytes(Encoding.DER))
    assert mutua("cert", "inspect", "--compare", chain, sealed, "--password-file", password).code == 0
    assert mutua("cert", "inspect", chain, "--subject-dn", "cn=WOOVI").code == 0
    assert mutua("cert", "inspect", "--compare", request, chain).code == 0


def test_a_subject_that_matches_nothing_says_why(mutua: Run, folder: Path) -> None:
    file = write(folder / "nul.pem", certificate(name_of(("2.5.4.3", "bank\0.evil.example"))))
    result = mutua("cert", "inspect", "--compare", file, file)
    assert result.code == 1
    assert result.out.splitlines()[-1] == (
        "match  NO: 1 differs, A: the value of CN has U+0000, which is a control character, "
        "B: the value of CN has U+0000, which is a control character"
    )
    nameless = write(folder / "nameless.pem", certificate(x509.Name([])))
    result = mutua("cert", "inspect", "--compare", nameless, nameless)
    assert result.code == 1
    assert result.out == (
        "A  nameless.pem\n   (no subject)\nB  nameless.pem\n   (no subject)\n\n"
        "match  NO: A: it is empty, B: it is empty\n"
    )


def test_nothing_hostile_reaches_the_terminal(mutua: Run, folder: Path) -> None:
    subject = name_of(("2.5.4.12", "evil\x1b]0;\x07\u202e"), ("2.5.4.3", "\x1b\n"))
    hostile = write(folder / "h\x1b[2J.pem", certificate(subject))
    for more in ((), ("--json",)):
        result = mutua("cert", "inspect", "--compare", hostile, hostile, *more)
        assert result.code == 1
        assert "evil" in result.out
        assert result.out.replace("\n", "").isprintable()
        result = mutua("cert", "inspect", hostile, "--subject-dn", "CN=\x1b\u202e", *more)
        assert result.out.replace("\n", "").isprintable()


def test_a_text_that_is_no_name_is_refused(mutua: Run, partner: str) -> None:
    result = mutua("cert", "inspect", partner, "--subject-dn", "CN=a, O=b\x1b")
    assert result.code == 2
    assert result.error().startswith("not a distinguished name: at character 6, before ' O=b\\x1b'")
    assert "docs/errors.md#invalid_distinguished_name" in result.err


def test_a_file_without_a_subject_is_refused(mutua: Run, partner: str, folder: Path) -> None:
    crl = write(folder / "a.crl", a_crl(1).public_bytes(Encoding.DER))
    junk = write(folder / "junk", b"junk")
    result = mutua("cert", "inspect", "--compare", partner, crl)
    assert (result.code, result.error()) == (3, "a.crl: there is no certificate and no request in it")
    result = mutua("cert", "inspect", "--compare", junk, partner)
    assert (result.code, result.error()) == (3, "junk: nothing in it is of a known kind")
    result = mutua("cert", "inspect", "--compare", partner, "missing.pem")
    assert (result.code, result.error()) == (3, "'missing.pem' cannot be read: No such file or directory")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--compare", "a.der"),
        ("--compare", "a.der", "a.der", "a.der"),
        ("a.der", "a.der", "--subject-dn", "CN=woovi"),
        ("--compare", "a.der", "a.der", "--subject-dn", "CN=woovi"),
    ],
)
def test_two_are_compared(mutua: Run, folder: Path, arguments: tuple[str, ...]) -> None:
    write(folder / "a.der", write_der(client().certificate))
    result = mutua("cert", "inspect", *arguments)
    assert result.code == 2
    assert result.error() == "Give two files with --compare, or one file with --subject-dn."


def test_without_being_asked_two_files_are_told_of_and_not_compared(mutua: Run, partner: str, folder: Path) -> None:
    other = write(folder / "a.der", write_der(client().certificate))
    result = mutua("cert", "inspect", partner, other)
    assert result.code == 0
    assert result.out.count(": 1 certificate\n") == 2
    assert "match" not in result.out

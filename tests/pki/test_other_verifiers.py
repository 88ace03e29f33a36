"""OpenSSL, GnuTLS and pkilint find nothing to object to, on any profile and any kind of key."""

import re
import subprocess
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from pkilint.bin import lint_pkix_cert, lint_pkix_signer_signee_cert_chain  # type: ignore[import-untyped]

from mutua.pki.certificates import write_pem
from mutua.pki.keys import KeyType
from mutua.pki.profiles import CLIENT, SERVER, Profile
from mutua.tls.identity import Identity
from tests.pki.hierarchy import client, issue, issuing_ca, key_of, root, server

Lint = Callable[..., str]

KINDS = list(KeyType)
CHAINS = [(kind, kind) for kind in KINDS] + [(kind, KeyType.P256) for kind in KINDS if kind is not KeyType.P256]
PURPOSES = {"server": ("sslserver", "1.3.6.1.5.5.7.3.1"), "client": ("sslclient", "1.3.6.1.5.5.7.3.2")}
LONG_NAME = ".".join(["a" * 40, "b" * 40, "example"])

# What pkilint can judge. It holds DNS names to the letter of RFC 5280, which has neither wildcards nor names of one
# label, and takes no URI for valid whose scheme its URL library does not list: see the last test.
LINTED_NAMES = {
    SERVER: ["api.acme.example", "bücher.example", "127.0.0.1", "::1", "https://acme.example/pay"],
    CLIENT: ["woovi.example", "ops@acme.example", "https://acme.example/woovi"],
}


class Files(NamedTuple):
    """A chain as PEM files in a folder of its own."""

    root: Path
    issuing: Path
    leaf: Path
    chain: Path


@pytest.fixture(params=CHAINS, ids=lambda kinds: f"{kinds[0]} below {kinds[1]}")
def kinds(request: pytest.FixtureRequest) -> tuple[KeyType, KeyType]:
    """The kinds of the leaf's and of the CAs' keys."""
    leaf, ca = request.param
    return leaf, ca


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Identity, KeyType], Files]:
    def written(identity: Identity, ca_kind: KeyType) -> Files:
        files = Files(*(tmp_path / f"{name}.pem" for name in Files._fields))
        files.root.write_bytes(write_pem([root(ca_kind).certificate]))
        files.issuing.write_bytes(write_pem(identity.chain[1:]))
        files.leaf.write_bytes(write_pem(identity.chain[:1]))
        files.chain.write_bytes(identity.chain_pem())
        return files

    return written


@pytest.fixture
def lint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Lint:
    """What pkilint finds in a certificate, or in an issuer and a certificate. In this process: it starts slowly."""

    def findings(*certificates: x509.Certificate) -> str:
        paths = [tmp_path / f"linted-{number}.pem" for number in range(len(certificates))]
        for path, certificate in zip(paths, certificates, strict=True):
            path.write_bytes(write_pem([certificate]))
        program = lint_pkix_cert if len(paths) == 1 else lint_pkix_signer_signee_cert_chain
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # it leaves its files to the garbage collector
            code = program.main(["lint", "-s", "WARNING", *map(str, paths)])
        found = capsys.readouterr().out.strip()
        assert (code == 0) == (found == "")
        return found

    return findings


def run(*command: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("profile", PURPOSES)
def test_openssl_verifies_strictly_for_the_profiles_purpose_and_no_other(
    peer: Callable[[str], str],
    write: Callable[[Identity, KeyType], Files],
    kinds: tuple[KeyType, KeyType],
    profile: str,
) -> None:
    files = write(_issued(profile, *kinds), kinds[1])
    verify = partial(run, peer("openssl"), "verify", "-x509_strict", "-CAfile", files.root)
    right, wrong = (PURPOSES[name][0] for name in (profile, _other(profile)))
    good = verify("-purpose", right, "-untrusted", files.issuing, files.leaf)
    assert (good.returncode, good.stdout) == (0, f"{files.leaf}: OK\n"), good.stderr
    bad = verify("-purpose", wrong, "-untrusted", files.issuing, files.leaf)
    assert bad.returncode != 0
    assert re.search("(unsupported|unsuitable) certificate purpose", bad.stderr)
    cas = verify(files.root, files.issuing)
    assert (cas.returncode, cas.stdout) == (0, f"{files.root}: OK\n{files.issuing}: OK\n"), cas.stderr


@pytest.mark.parametrize("profile", PURPOSES)
def test_gnutls_verifies_for_the_profiles_purpose_and_no_other(
    peer: Callable[[str], str],
    write: Callable[[Identity, KeyType], Files],
    kinds: tuple[KeyType, KeyType],
    profile: str,
) -> None:
    files = write(_issued(profile, *kinds), kinds[1])
    verify = partial(run, peer("certtool"), "--verify", "--load-ca-certificate", files.root)
    right, wrong = (PURPOSES[name][1] for name in (profile, _other(profile)))
    good = verify("--infile", files.chain, "--verify-purpose", right)
    assert good.returncode == 0, good.stdout
    assert "Chain verification output: Verified. The certificate is trusted." in good.stdout
    bad = verify("--infile", files.chain, "--verify-purpose", wrong)
    assert bad.returncode != 0
    assert "does not match the intended purpose" in bad.stdout
    for ca in (files.root, files.issuing):
        assert verify("--infile", ca).returncode == 0


def test_pkilint_finds_nothing(lint: Lint, kinds: tuple[KeyType, KeyType]) -> None:
    leaf_kind, ca_kind = kinds
    anchor, issuing = root(ca_kind).certificate, issuing_ca(ca_kind).certificate
    leaves = [
        issue(issuing_ca(ca_kind), profile, names, key=key_of("end entity", leaf_kind)).certificate
        for profile, names in LINTED_NAMES.items()
    ]
    assert [lint(each) for each in (anchor, issuing, *leaves)] == ["", "", "", ""]
    assert [lint(anchor, anchor), lint(anchor, issuing), *(lint(issuing, leaf) for leaf in leaves)] == ["", "", "", ""]


@pytest.mark.parametrize("profile", [SERVER, CLIENT], ids=["server", "client"])
def test_pkilint_finds_nothing_where_the_subject_is_empty(lint: Lint, profile: Profile) -> None:
    certificate = issue(issuing_ca(), profile, [LONG_NAME]).certificate
    assert list(certificate.subject) == []
    assert lint(certificate) == ""
    assert lint(issuing_ca().certificate, certificate) == ""


def test_pkilint_objects_where_there_is_something_to_object_to(lint: Lint) -> None:
    found = lint(issuing_ca(KeyType.P384).certificate, client().certificate)
    assert "pkix.signature_verification_failed" in found
    assert "pkix.issuer_and_subject_key_identifier_not_equal" in found


def test_pkilint_objects_to_names_beyond_rfc5280_and_to_nothing_else(lint: Lint) -> None:
    assert _codes(lint(server().certificate)) == {
        "pkix.invalid_domain_name_syntax": {'"*.acme.example"', '"localhost"'},
    }
    assert _codes(lint(client().certificate)) == {
        "pkix.invalid_uri_syntax": {
            '"spiffe://acme.example/pay"',
            '"urn:uuid:5d2c1f3e-8a55-4c1f-9c52-0d6a4e0b8f11"',
        },
    }


def _issued(profile: str, leaf_kind: KeyType, ca_kind: KeyType) -> Identity:
    return (server if profile == "server" else client)(leaf_kind, ca_kind)


def _other(profile: str) -> str:
    return "client" if profile == "server" else "server"


def _codes(report: str) -> dict[str, set[str]]:
    """pkilint's findings by code: the values they are about."""
    codes: dict[str, set[str]] = {}
    for line in report.splitlines():
        code, _, message = line.strip().partition(" (ERROR): ")
        if message:
            codes.setdefault(code, set()).add(message.rpartition(": ")[2])
        else:
            assert " @ " in line, line
    return codes

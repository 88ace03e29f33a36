"""CAs that openssl made are taken in with their keys, issue where they are named, and have lists of their own."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mutua import Home, Identity
from mutua.ca.adoption import shortcomings
from mutua.ca.hierarchy import AuthorityState, Purpose
from mutua.errors import (
    AuthorityExists,
    EncryptedKey,
    InvalidAuthority,
    KeyMismatch,
    MutuaError,
    UnreadableKey,
    WrongPassphrase,
    WrongPassword,
)
from mutua.home.home import CA_FILE
from mutua.pki.certificates import common_name, read_certificate, read_certificates, write_der, write_pem
from mutua.pki.keys import write_private_key
from mutua.pki.requests import write_request
from mutua.tls.peer import PeerCertificate
from tests.home.tables import tables
from tests.pki.crafted import make, rsa_key

Openssl = Callable[..., "subprocess.CompletedProcess[str]"]

BELOW = "basicConstraints = critical, CA:TRUE, pathlen:0\nkeyUsage = critical, keyCertSign, cRLSign\n"


@pytest.fixture
def openssl(peer: Callable[[str], str], tmp_path: Path) -> Openssl:
    """``openssl ARGUMENTS`` in a folder of the test's own; it fails where openssl does, unless told otherwise."""

    def run(*arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [peer("openssl"), *arguments], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0 or not check, done.stderr
        return done

    return run


@pytest.fixture
def old(openssl: Openssl) -> None:
    """A root as instructions on the web have it: ``ca.pem`` and ``ca.key``."""
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "3650",
            "-subj", "/C=BR/O=Acme/CN=Acme Legacy CA")  # fmt: skip


@pytest.fixture
def below(openssl: Openssl, old: None, tmp_path: Path) -> None:
    """A CA below it: ``below.pem`` and ``below.key``."""
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
            "below.key", "-out", "below.csr", "-subj", "/O=Acme/CN=Acme Legacy Issuing")  # fmt: skip
    (tmp_path / "below.ext").write_text(BELOW)
    openssl("x509", "-req", "-in", "below.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out",
            "below.pem", "-days", "365", "-extfile", "below.ext")  # fmt: skip


def load(folder: Path, certificate: str, key: str | None = None, password: bytes | None = None) -> Identity:
    return Identity.load(folder / certificate, key=None if key is None else folder / key, password=password)


def published(home: Home, folder: Path, authority: str) -> None:
    """A CA's CRL in PEM, as ``crl.pem``."""
    der = home.crls.der(authority)
    assert der is not None
    crl = x509.load_der_x509_crl(der)
    (folder / "crl.pem").write_bytes(crl.public_bytes(Encoding.PEM))


@pytest.mark.usefixtures("old")
def test_a_root_is_trusted_and_issues_where_it_is_named_and_nowhere_else(
    home: Home, openssl: Openssl, tmp_path: Path
) -> None:
    made = home.hierarchy.take_in("legacy", load(tmp_path, "ca.pem", "ca.key"))
    assert (made.parent, made.state, made.purpose) == (None, AuthorityState.ACTIVE, Purpose.ANY)
    bundle = read_certificates((home.path / CA_FILE).read_bytes())
    assert [common_name(each.subject) for each in bundle] == ["Root CA", "Issuing CA 1", "Acme Legacy CA"]

    server = home.authority.issue_server("api.acme.example", authority="legacy")
    client = home.authority.issue_client("woovi", authority="legacy")
    for identity, purpose in ((server, "sslserver"), (client, "sslclient")):
        assert identity.chain[1:] == ()  # whoever trusts the root has it
        (tmp_path / "leaf.pem").write_bytes(identity.chain_pem())
        openssl("verify", "-purpose", purpose, "-CAfile", "ca.pem", "leaf.pem")
    assert client.thumbprint in home.snapshot().issued
    other = home.authority.issue_client("woovi")
    assert home.authority.certificate(other.thumbprint).authority == "issuing-1"
    home.audit.verify()


@pytest.mark.usefixtures("below")
@pytest.mark.parametrize("form", ["pem", "one file", "encrypted", "p12", "p12 with its chain"])
def test_a_ca_below_another_is_taken_in_from_any_form(home: Home, openssl: Openssl, tmp_path: Path, form: str) -> None:
    match form:
        case "pem":
            identity = load(tmp_path, "below.pem", "below.key")
        case "one file":
            both = [(tmp_path / name).read_bytes() for name in ("below.key", "below.pem", "ca.pem")]
            (tmp_path / "both.pem").write_bytes(b"".join(both))
            identity = load(tmp_path, "both.pem")
        case "encrypted":
            openssl("pkcs8", "-topk8", "-in", "below.key", "-out", "locked.key", "-passout", "pass:secret")
            for password, error in ((None, EncryptedKey), (b"wrong", WrongPassword)):
                with pytest.raises(error):
                    load(tmp_path, "below.pem", "locked.key", password)
            identity = load(tmp_path, "below.pem", "locked.key", b"secret")
        case _:
            chain = ("-certfile", "ca.pem") if form == "p12 with its chain" else ()
            openssl("pkcs12", "-export", "-in", "below.pem", "-inkey", "below.key", *chain, "-out", "below.p12",
                    "-passout", "pass:secret")  # fmt: skip
            identity = load(tmp_path, "below.p12", password=b"secret")
    home.hierarchy.take_in("below", identity)
    client = home.authority.issue_client("woovi", authority="below")
    assert client.chain[1:] == (read_certificate((tmp_path / "below.pem").read_bytes()),)
    (tmp_path / "leaf.pem").write_bytes(client.chain_pem())
    openssl("verify", "-purpose", "sslclient", "-CAfile", "ca.pem", "-untrusted", "below.pem", "leaf.pem")
    home.audit.verify()


@pytest.mark.usefixtures("below")
@pytest.mark.parametrize("which", ["ca", "below"])
def test_its_list_is_its_own_and_others_take_it(home: Home, openssl: Openssl, tmp_path: Path, which: str) -> None:
    home.hierarchy.take_in("legacy", load(tmp_path, f"{which}.pem", f"{which}.key"))
    good, bad = (home.authority.issue_client("woovi", authority="legacy") for _ in range(2))
    home.revocation.revoke(bad.thumbprint)
    published(home, tmp_path, "legacy")
    assert home.crls.path("legacy").read_bytes() == home.crls.der("legacy")
    openssl("crl", "-in", "crl.pem", "-CAfile", f"{which}.pem", "-noout")
    assert "verify OK" in openssl("crl", "-in", "crl.pem", "-CAfile", f"{which}.pem", "-noout", "-verify").stderr
    for identity in (good, bad):
        (tmp_path / "leaf.pem").write_bytes(identity.chain_pem())
        said = openssl(
            "verify", "-crl_check", "-partial_chain", "-CAfile", f"{which}.pem", "-CRLfile", "crl.pem", "leaf.pem",
            check=False,
        )  # fmt: skip
        assert (said.returncode == 0) == (identity is good)
        assert ("certificate revoked" in said.stderr) == (identity is bad)
    assert home.crls.everything()["issuing-1", 0].number == 1


def test_a_ca_without_a_key_identifier_issues_and_lists(home: Home, openssl: Openssl, tmp_path: Path) -> None:
    made = make("Old CA", key=rsa_key("old"), change={x509.SubjectKeyIdentifier: None})
    home.hierarchy.take_in("legacy", Identity(made.key, (made.certificate,)))
    (tmp_path / "ca.pem").write_bytes(write_pem([made.certificate]))
    client = home.authority.issue_client("woovi", authority="legacy")
    home.revocation.revoke(home.authority.issue_client("woovi", authority="legacy").thumbprint)
    published(home, tmp_path, "legacy")
    (tmp_path / "leaf.pem").write_bytes(client.chain_pem())
    openssl("verify", "-crl_check", "-CAfile", "ca.pem", "-CRLfile", "crl.pem", "leaf.pem")


@pytest.mark.parametrize(
    "change",
    [
        {},
        {x509.KeyUsage: None},
        {x509.SubjectKeyIdentifier: None},
        {x509.AuthorityKeyIdentifier: None},
        {x509.BasicConstraints: (x509.BasicConstraints(ca=True, path_length=None), False)},
    ],
)
@pytest.mark.parametrize("above", ["itself", "a root"])
def test_what_strict_verifiers_refuse_is_foreseen(
    home: Home, openssl: Openssl, tmp_path: Path, change: Any, above: str
) -> None:
    root = make("Old Root")
    made = make("Old CA", root if above == "a root" else None, change=change)
    home.hierarchy.take_in("legacy", Identity(made.key, (made.certificate,)))
    (tmp_path / "root.pem").write_bytes(write_pem([root.certificate if above == "a root" else made.certificate]))
    (tmp_path / "ca.pem").write_bytes(write_pem([made.certificate]))
    (tmp_path / "leaf.pem").write_bytes(home.authority.issue_client("woovi", authority="legacy").chain_pem())
    said = openssl("verify", "-x509_strict", "-CAfile", "root.pem", "-untrusted", "ca.pem", "leaf.pem", check=False)
    assert (said.returncode == 0) == (not [*shortcomings(made.certificate)]), said.stderr


@pytest.mark.usefixtures("below")
def test_what_is_no_ca_or_no_more_or_has_another_key_is_refused(home: Home, openssl: Openssl, tmp_path: Path) -> None:
    openssl("req", "-new", "-key", "below.key", "-out", "leaf.csr", "-subj", "/CN=leaf")
    openssl("x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out",
            "leaf.pem", "-days", "1")  # fmt: skip
    openssl("x509", "-req", "-in", "below.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out",
            "gone.pem", "-days", "-1", "-extfile", "below.ext")  # fmt: skip
    openssl("req", "-x509", "-newkey", "rsa:1024", "-nodes", "-keyout", "weak.key", "-out", "weak.pem", "-subj",
            "/CN=weak")  # fmt: skip
    before = tables(home)
    attempts: list[tuple[Callable[[], object], type[MutuaError]]] = [
        (lambda: home.hierarchy.take_in("legacy", load(tmp_path, "leaf.pem", "below.key")), InvalidAuthority),
        (lambda: home.hierarchy.take_in("legacy", load(tmp_path, "gone.pem", "below.key")), InvalidAuthority),
        (lambda: home.hierarchy.take_in("legacy", load(tmp_path, "below.pem", "ca.key")), KeyMismatch),
        (lambda: home.hierarchy.take_in("legacy", load(tmp_path, "weak.pem", "weak.key")), UnreadableKey),
        (lambda: home.hierarchy.take_in("Legacy", load(tmp_path, "ca.pem", "ca.key")), InvalidAuthority),
        (lambda: home.hierarchy.take_in("issuing-1", load(tmp_path, "ca.pem", "ca.key")), AuthorityExists),
    ]
    for attempt, error in attempts:
        with pytest.raises(error) as refused:
            attempt()
        assert refused.value.hint
    assert tables(home) == before


@pytest.mark.usefixtures("old")
def test_a_ca_is_here_once_whatever_its_certificate(home: Home, openssl: Openssl, tmp_path: Path) -> None:
    home.hierarchy.take_in("legacy", load(tmp_path, "ca.pem", "ca.key"))
    openssl("req", "-x509", "-key", "ca.key", "-out", "again.pem", "-days", "7300", "-subj",
            "/C=BR/O=Acme/CN=Acme Legacy CA")  # fmt: skip
    for certificate in ("ca.pem", "again.pem"):
        with pytest.raises(AuthorityExists, match="is here as 'legacy'"):
            home.hierarchy.take_in("another", load(tmp_path, certificate, "ca.key"))


@pytest.mark.usefixtures("below")
def test_one_below_a_ca_that_is_here_knows_the_one_above(home: Home, tmp_path: Path) -> None:
    home.hierarchy.take_in("legacy", load(tmp_path, "ca.pem", "ca.key"))
    made = home.hierarchy.take_in("below", load(tmp_path, "below.pem", "below.key"))
    assert made.parent == "legacy"
    home.hierarchy.retire("legacy", force=True)
    assert home.hierarchy.get("below").state is AuthorityState.RETIRED
    home.audit.verify()


@pytest.mark.usefixtures("below")
def test_nothing_is_taken_in_below_a_ca_that_is_retired(home: Home, tmp_path: Path) -> None:
    home.hierarchy.take_in("legacy", load(tmp_path, "ca.pem", "ca.key"))
    home.hierarchy.retire("legacy", force=True)
    with pytest.raises(InvalidAuthority, match="'legacy' above it is retired"):
        home.hierarchy.take_in("below", load(tmp_path, "below.pem", "below.key"))


def test_one_for_a_purpose_issues_for_that_where_no_ca_of_ours_does(home: Home, tmp_path: Path) -> None:
    made = make("Partner CA")
    home.hierarchy.take_in("partner", Identity(made.key, (made.certificate,)), purpose=Purpose.CLIENT)
    assert home.authority.certificate(home.authority.issue_client("woovi").thumbprint).authority == "partner"
    assert home.authority.certificate(home.authority.issue_server("a.example").thumbprint).authority == "issuing-1"


@pytest.mark.usefixtures("old")
def test_what_it_issued_is_renewed_below_it(home: Home, tmp_path: Path) -> None:
    home.hierarchy.take_in("legacy", load(tmp_path, "ca.pem", "ca.key"))
    client = home.authority.issue_client("woovi", authority="legacy")
    peer = PeerCertificate.read(tuple(map(write_der, client.chain)))
    renewed = home.renewal.by_connection(peer, write_request(client.key, []))
    assert home.authority.certificate(renewed.thumbprint).authority == "legacy"


@pytest.mark.usefixtures("old")
def test_its_key_is_sealed_and_nowhere_in_clear(home: Home, tmp_path: Path) -> None:
    identity = load(tmp_path, "ca.pem", "ca.key")
    made = home.hierarchy.take_in("legacy", identity)
    assert made.key is not None
    assert made.key.startswith("{")
    clear = write_private_key(identity.key)
    body = clear.splitlines()[3]
    for path in home.path.rglob("*"):
        if path.is_file():
            assert body not in path.read_bytes()
    with Home.open(home.path, passphrase="wrong") as stranger, pytest.raises(WrongPassphrase):
        stranger.authority.issue_client("woovi", authority="legacy")

"""What a home publishes, given to others: OpenSSL, GnuTLS, nginx, haproxy and pkilint."""

import ssl
import subprocess
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from pkilint.bin import lint_crl, lint_ocsp_response  # type: ignore[import-untyped]

from mutua import Home, Identity, KeyType
from mutua.home.responder import Responder
from mutua.pki.certificates import write_pem
from mutua.pki.crl import RevocationReason
from tests.conftest import CHEAP_SEALING
from tests.pki.crl_checking import REFUSED, checking_crls, outcome
from tests.serving import PATIENCE_SECONDS

Write = Callable[[str, bytes], Path]
Peer = Callable[[str], str]

PARTS = 3
FOR_CLIENTS = [each.value for each in RevocationReason if each is not RevocationReason.CA_COMPROMISE]


def run(*command: object) -> "subprocess.CompletedProcess[str]":
    arguments = [*map(str, command)]
    return subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)


def cut(home: Home) -> Home:
    """The same home with CRLs in parts."""
    with (home.path / "mutua.toml").open("a") as settings:
        settings.write(f'revocation_url = "http://pki.acme.example"\ncrl_shards = {PARTS}\n')
    opened = Home.open(home.path)
    opened.crls.publish_due()
    return opened


def three(home: Home) -> tuple[Identity, Identity, Identity]:
    """A good certificate, a revoked one, and one on hold."""
    good, bad, held = (home.authority.issue_client("woovi") for _ in range(3))
    home.revocation.revoke(bad.thumbprint, reason="key_compromise")
    home.revocation.revoke(held.thumbprint, reason="certificate_hold")
    return good, bad, held


@pytest.fixture
def openssl(peer: Peer, write: Write) -> Callable[..., str]:
    """``OK``, or why ``openssl verify -crl_check_all`` refuses a client with these files of CRLs."""

    def verdict(home: Home, identity: Identity, *files: Path) -> str:
        root = write("root.pem", write_pem([home.hierarchy.root.certificate]))
        chain = write("chain.pem", write_pem(identity.chain[1:]))
        leaf = write("leaf.pem", write_pem([identity.certificate]))
        crls = [argument for path in files for argument in ("-CRLfile", path)]
        command = ["verify", "-x509_strict", "-purpose", "sslclient", "-crl_check_all", "-CAfile", root]
        result = run(peer("openssl"), *command, "-untrusted", chain, *crls, leaf)
        reasons = [line.partition("lookup: ")[2] for line in result.stderr.splitlines() if "lookup: " in line]
        return "OK" if result.returncode == 0 else reasons[0]

    return verdict


def test_openssl_takes_the_bundle(home: Home, openssl: Callable[..., str]) -> None:
    good, bad, held = three(home)
    bundle = home.crls.folder / "all.pem"
    verdicts = [openssl(home, each, bundle) for each in (good, bad, held)]
    assert verdicts == ["OK", "certificate revoked", "certificate revoked"]
    home.revocation.release(held.thumbprint)
    assert openssl(home, held, bundle) == "OK"
    (ca,) = home.authority.certificates(profile="issuing-ca")
    home.revocation.revoke(ca.thumbprint, reason="ca_compromise")
    assert openssl(home, good, bundle) == "certificate revoked"


def test_openssl_takes_each_certificate_with_the_list_that_it_names(home: Home, openssl: Callable[..., str]) -> None:
    """From one list to several: those from before are covered by the whole, those after by their part."""
    old = three(home)
    with cut(home) as opened:
        new = three(opened)
        root, whole = opened.crls.path("root"), opened.crls.path("issuing-1")
        verdicts = [openssl(opened, each, root, whole) for each in old]
        verdicts += [openssl(opened, each, root, part(opened, each)) for each in new]
        assert verdicts == ["OK", "certificate revoked", "certificate revoked"] * 2
        for each in new:
            assert openssl(opened, each, root, whole) == ("OK" if each is new[0] else "certificate revoked")
        wrong = [path for path in parts(opened) if path != part(opened, new[0])]
        assert openssl(opened, new[0], root, *wrong) == "different CRL scope"
        assert openssl(opened, old[0], root, *parts(opened)) == "different CRL scope"


def part(home: Home, identity: Identity) -> Path:
    shard = home.authority.certificate(identity.thumbprint).shard
    assert shard is not None
    return home.crls.path("issuing-1", shard)


def parts(home: Home) -> list[Path]:
    return [home.crls.path("issuing-1", shard) for shard in range(1, PARTS + 1)]


@pytest.mark.parametrize("parted", [False, True], ids=["whole", "parts"])
def test_certtool_verifies_the_signatures(home: Home, peer: Peer, write: Write, parted: bool) -> None:
    three(home)
    opened = cut(home) if parted else home
    for authority, shard in opened.crls.everything():
        ca = write("ca.pem", write_pem([opened.hierarchy.get(authority).certificate]))
        path = write("crl.pem", ssl_pem(opened.crls.path(authority, shard).read_bytes()))
        done = run(peer("certtool"), "--verify-crl", "--infile", path, "--load-ca-certificate", ca)
        assert done.returncode == 0, done.stdout + done.stderr
    if opened is not home:
        opened.close()


def ssl_pem(der: bytes) -> bytes:
    return ssl.DER_cert_to_PEM_cert(der).replace(" CERTIFICATE-----", " X509 CRL-----").encode()


@pytest.mark.parametrize(("program", "refused"), REFUSED.items())
@pytest.mark.parametrize("parted", [False, True], ids=["whole", "parts"])
def test_servers_admit_the_good_and_refuse_the_revoked(
    home: Home, peer: Peer, tmp_path: Path, program: str, refused: str, parted: bool
) -> None:
    opened = cut(home) if parted else home
    good, bad, held = three(opened)
    bundle = opened.crls.bundle() if parted else (opened.crls.folder / "all.pem").read_bytes()
    serving = partial(
        checking_crls,
        program,
        peer(program),
        tmp_path,
        identity=opened.identities.load("api"),
        root=opened.hierarchy.root.certificate,
    )
    with serving(crls=bundle) as port:
        assert [outcome(port, each, tmp_path) for each in (good, bad, held)] == ["200", refused, refused]
    opened.revocation.release(held.thumbprint)
    opened.revocation.revoke(good.thumbprint)
    with serving(crls=opened.crls.bundle()) as port:
        assert [outcome(port, each, tmp_path) for each in (good, bad, held)] == [refused, refused, "200"]
    if opened is not home:
        opened.close()


@pytest.fixture
def lint(write: Write, capsys: pytest.CaptureFixture[str]) -> Callable[[Any, bytes], str]:
    """What pkilint finds. In this process: it starts slowly."""

    def findings(program: Any, data: bytes) -> str:
        kind = ["-t", "CRL", "-p", "PKIX"] if program is lint_crl else ["--document-format", "DER"]
        data = ssl_pem(data) if program is lint_crl else data
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # it leaves its files to the garbage collector
            program.main(["lint", *kind, "-s", "WARNING", str(write("linted", data))])
        return capsys.readouterr().out.strip()

    return findings


@pytest.fixture(params=list(KeyType))
def of_kind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    """A home whose CAs have keys of each kind, with CRLs in parts beside the whole ones."""
    folder = tmp_path / "kind"
    Home.create(folder, name="Acme Payments", key_type=request.param, sealing_cost=CHEAP_SEALING).close()
    with Home.open(folder) as made:
        made.clients.add("woovi")
        for reason in FOR_CLIENTS:
            made.revocation.revoke(made.authority.issue_client("woovi").thumbprint, reason=reason)
        with cut(made) as opened:
            yield opened


def test_pkilint_finds_nothing(of_kind: Home, lint: Callable[[Any, bytes], str]) -> None:
    home = of_kind
    for reason in FOR_CLIENTS:
        made = home.authority.issue_client("woovi")
        home.revocation.revoke(made.thumbprint, reason=reason, invalid_since=home.now())
    good = home.authority.issue_client("woovi")
    assert len(home.crls.everything()) == 2 + PARTS
    for authority, shard in home.crls.everything():
        assert lint(lint_crl, home.crls.path(authority, shard).read_bytes()) == "", (authority, shard)
    running = Responder(home)
    for record in home.authority.certificates(client="woovi"):
        for algorithm in (hashes.SHA1(), hashes.SHA256()):
            assert lint(lint_ocsp_response, running.answer(asked(good, int(record.serial, 16), algorithm)).der) == ""
    assert lint(lint_ocsp_response, running.answer(asked(good, 12345, hashes.SHA1())).der) == ""
    running.close()


def asked(identity: Identity, serial: int, algorithm: Any) -> bytes:
    named = ocsp.OCSPRequestBuilder().add_certificate(identity.certificate, identity.chain[1], algorithm).build()
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        named.issuer_name_hash, named.issuer_key_hash, serial, algorithm
    )
    return builder.build().public_bytes(Encoding.DER)

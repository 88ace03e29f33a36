"""OpenSSL, GnuTLS, nginx, haproxy and pkilint take our CRLs and OCSP answers for what they say."""

import subprocess
import warnings
from collections.abc import Callable
from datetime import timedelta
from functools import cache, partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pkilint.bin import lint_crl, lint_ocsp_response  # type: ignore[import-untyped]

from mutua.ca.issuance import draft_end_entity
from mutua.ca.revocation import HOLD, addresses, next_update, shard_of, this_update
from mutua.pki.certificates import write_pem
from mutua.pki.crl import CrlDraft, Revocation, RevocationReason, RevokedEntry
from mutua.pki.keys import KeyType, signature_hash
from mutua.pki.names import DnsName
from mutua.pki.ocsp import CertIdHash, CertStatus, OcspDraft, OcspResponder, cert_id_of, read_ocsp_request
from mutua.pki.profiles import CLIENT, OCSP
from mutua.pki.randomness import new_serial
from mutua.tls.identity import Identity
from tests.pki.crl_checking import PATIENCE_SECONDS, REFUSED, checking_crls, outcome
from tests.pki.hierarchy import NOW, Authority, issuing_ca, key_of, root, server

KINDS = pytest.mark.parametrize("kind", list(KeyType))
NOW_IN_SECONDS = NOW.replace(microsecond=0)
WEEK = timedelta(days=7)
SHARDS = 4
NUMBERS = count(1)

at = partial(addresses, "http://pki.acme.example", "issuing-1")


def issued(shard: int | None = None, *, kind: KeyType = KeyType.P256, name: str = "woovi.example") -> Identity:
    """A client whose certificate names the CRL of the shard."""
    ca, key, serial = issuing_ca(kind), key_of("end entity", kind), new_serial()
    while shard is not None and shard_of(serial, SHARDS) != shard:
        serial = new_serial()
    drafted = draft_end_entity(
        CLIENT, [DnsName(name)], key.public_key(), issuer=ca.certificate, serial=serial, now=NOW, pointers=at(shard)
    )
    return Identity(key, (drafted.sign(ca.key), ca.certificate))


def entry(identity: Identity, reason: RevocationReason = RevocationReason.KEY_COMPROMISE) -> RevokedEntry:
    return RevokedEntry(identity.certificate.serial_number, NOW_IN_SECONDS, reason, NOW_IN_SECONDS - WEEK)


def crl(*entries: RevokedEntry, ca: Authority | None = None, shard: int | None = None, later: int = 0) -> bytes:
    """A CRL in PEM, the form in which servers load it; it starts so many seconds later than others."""
    ca = ca or issuing_ca()
    der = CrlDraft(
        issuer=ca.certificate,
        number=next(NUMBERS),
        this_update=this_update(NOW) + timedelta(seconds=later),
        next_update=next_update(NOW, WEEK),
        entries=entries,
        distribution_point=at(shard).crl if shard else None,
    ).sign(ca.key)
    return x509.load_der_x509_crl(der).public_bytes(Encoding.PEM)


def shards(*entries: RevokedEntry, newest: int = SHARDS) -> bytes:
    """The CRLs of all shards, each entry in its own."""
    parts = {
        shard: [each for each in entries if shard_of(each.serial, SHARDS) == shard] for shard in range(1, SHARDS + 1)
    }
    return b"".join(crl(*listed, shard=shard, later=shard == newest) for shard, listed in parts.items())


@cache
def delegate(kind: KeyType) -> OcspResponder:
    ca, key, names = issuing_ca(kind), key_of("responder", kind), [DnsName("ocsp.acme.example")]
    drafted = draft_end_entity(
        OCSP, names, key.public_key(), issuer=ca.certificate, serial=new_serial(), now=NOW, pointers=at(None)
    )
    return OcspResponder(certificate=drafted.sign(ca.key), key=key)


def itself(kind: KeyType) -> OcspResponder:
    return OcspResponder(certificate=issuing_ca(kind).certificate, key=issuing_ca(kind).key)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def written(data: bytes) -> Path:
        path = tmp_path / f"{next(NUMBERS)}.file"
        path.write_bytes(data)
        return path

    return written


@pytest.fixture
def lint(write: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> Callable[[Any, bytes], str]:
    """What pkilint finds. In this process: it starts slowly."""

    def findings(program: Any, data: bytes) -> str:
        kind = ["-t", "CRL", "-p", "PKIX"] if program is lint_crl else ["--document-format", "DER"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # it leaves its files to the garbage collector
            code = program.main(["lint", *kind, "-s", "WARNING", str(write(data))])
        found = capsys.readouterr().out.strip()
        assert (code == 0) == (found == "")
        return found

    return findings


@pytest.fixture
def openssl(peer: Callable[[str], str], write: Callable[..., Path]) -> Callable[[Identity, bytes], str]:
    """``OK``, or why ``openssl verify`` refuses a client with these CRLs of its CA."""

    def verdict(identity: Identity, crls: bytes, kind: KeyType = KeyType.P256) -> str:
        anchor, issuer = (write(write_pem([ca.certificate])) for ca in (root(kind), issuing_ca(kind)))
        lists, leaf = write(crl(ca=root(kind)) + crls), write(write_pem([identity.certificate]))
        command = ["verify", "-x509_strict", "-purpose", "sslclient", "-crl_check_all", "-CAfile", anchor]
        result = run(peer("openssl"), *command, "-untrusted", issuer, "-CRLfile", lists, leaf)
        assert (result.returncode == 0) == (result.stdout == f"{leaf}: OK\n")
        reasons = [line.partition("lookup: ")[2] for line in result.stderr.splitlines() if "lookup: " in line]
        return "OK" if result.returncode == 0 else reasons[0]

    return verdict


@pytest.fixture
def gnutls(peer: Callable[[str], str], write: Callable[..., Path]) -> Callable[[Identity, bytes], str]:
    """``OK``, or why ``certtool --verify`` refuses a client with these CRLs of its CA."""

    def verdict(identity: Identity, crls: bytes, kind: KeyType = KeyType.P256) -> str:
        anchor, lists = write(write_pem([root(kind).certificate])), write(crl(ca=root(kind)) + crls)
        chain = write(identity.chain_pem())
        command = ["--verify", "--load-ca-certificate", anchor, "--load-crl", lists, "--infile", chain]
        result = run(peer("certtool"), *command, "--verify-purpose", "1.3.6.1.5.5.7.3.2")
        said = result.stdout.rpartition("Chain verification output: ")[2].split("trusted. ", 1)[-1].strip()
        return "OK" if result.returncode == 0 else said

    return verdict


def run(*command: object) -> "subprocess.CompletedProcess[str]":
    arguments = [*map(str, command)]
    return subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)


@KINDS
def test_openssl_and_gnutls_take_a_crl_of_every_kind_of_key(
    openssl: Callable[..., str], gnutls: Callable[..., str], kind: KeyType
) -> None:
    good, bad = issued(kind=kind), issued(kind=kind)
    ours = crl(entry(bad), ca=issuing_ca(kind))
    assert (openssl(good, ours, kind), openssl(bad, ours, kind)) == ("OK", "certificate revoked")
    assert (gnutls(good, ours, kind), gnutls(bad, ours, kind)) == ("OK", "The certificate chain is revoked.")


@KINDS
@pytest.mark.parametrize("shard", [None, 3], ids=["whole", "shard"])
def test_certtool_verifies_the_signature(
    peer: Callable[[str], str], write: Callable[..., Path], kind: KeyType, shard: int | None
) -> None:
    ours = write(crl(entry(issued(shard, kind=kind)), ca=issuing_ca(kind), shard=shard))
    verify = partial(run, peer("certtool"), "--verify-crl", "--infile", ours, "--load-ca-certificate")
    assert verify(write(write_pem([issuing_ca(kind).certificate]))).returncode == 0
    other = KeyType.P384 if kind is KeyType.P256 else KeyType.P256
    assert verify(write(write_pem([issuing_ca(other).certificate]))).returncode != 0


@KINDS
@pytest.mark.parametrize("shard", [None, 3], ids=["whole", "shard"])
def test_pkilint_finds_nothing_in_a_crl(lint: Callable[..., str], kind: KeyType, shard: int | None) -> None:
    listed = [entry(issued(shard, kind=kind), reason) for reason in RevocationReason]
    bare = RevokedEntry(new_serial(), NOW_IN_SECONDS, RevocationReason.UNSPECIFIED)
    for entries in ([], [bare], listed):
        assert lint(lint_crl, crl(*entries, ca=issuing_ca(kind), shard=shard)) == ""


def test_pkilint_objects_where_there_is_something_to_object_to(lint: Callable[..., str]) -> None:
    key, this = issuing_ca().key, this_update(NOW)
    bare = x509.CertificateRevocationListBuilder(issuing_ca().certificate.subject, this, this + WEEK)
    found = lint(lint_crl, bare.sign(key, signature_hash(key)).public_bytes(Encoding.PEM))
    assert "pkix" in found


def test_a_client_on_hold_is_refused_until_it_is_released(
    openssl: Callable[..., str], gnutls: Callable[..., str]
) -> None:
    client, other = issued(), issued()
    refused, admitted = crl(entry(client, HOLD), entry(other)), crl(entry(other))
    assert (openssl(client, refused), openssl(client, admitted)) == ("certificate revoked", "OK")
    assert (gnutls(client, refused), gnutls(client, admitted)) == ("The certificate chain is revoked.", "OK")


@pytest.mark.parametrize("shard", [1, 4])
def test_openssl_looks_into_the_shard_that_the_certificate_names(openssl: Callable[..., str], shard: int) -> None:
    good, bad = issued(shard), issued(shard)
    only = crl(entry(bad), shard=shard)
    assert (openssl(good, only), openssl(bad, only)) == ("OK", "certificate revoked")
    assert (openssl(good, shards(entry(bad))), openssl(bad, shards(entry(bad)))) == ("OK", "certificate revoked")


def test_a_whole_crl_serves_for_clients_of_a_shard_too(openssl: Callable[..., str], gnutls: Callable[..., str]) -> None:
    good, bad = issued(3), issued(3)
    whole = crl(entry(bad))
    assert (openssl(good, whole), openssl(bad, whole)) == ("OK", "certificate revoked")
    assert (gnutls(good, whole), gnutls(bad, whole)) == ("OK", "The certificate chain is revoked.")


def test_a_shard_says_nothing_of_clients_outside_it(openssl: Callable[..., str]) -> None:
    assert openssl(issued(2), crl(shard=3)) == "different CRL scope"
    assert openssl(issued(None), shards()) == "different CRL scope"


def test_gnutls_keeps_one_crl_of_each_ca_so_it_needs_the_whole_or_the_right_shard(gnutls: Callable[..., str]) -> None:
    bad = issued(3)
    assert gnutls(bad, crl(entry(bad), shard=3)) == "The certificate chain is revoked."
    assert gnutls(bad, shards(entry(bad), newest=1)) == "OK"  # not our doing, and docs must warn of it


@pytest.fixture
def ask(peer: Callable[[str], str], write: Callable[..., Path]) -> Callable[..., tuple[str, str]]:
    """What ``openssl ocsp`` says of our answer to its request: of nonce and signature, and of the certificate."""

    def asked(identity: Identity, kind: KeyType, responder: OcspResponder, **changed: Any) -> tuple[str, str]:
        algorithm = changed.pop("algorithm", CertIdHash.SHA1)
        anchor, issuer = (write(write_pem([ca.certificate])) for ca in (root(kind), issuing_ca(kind)))
        request, leaf = write(b""), write(write_pem([identity.certificate]))
        subject = ["-issuer", issuer, f"-{algorithm.value}", "-cert", leaf]
        made = run(peer("openssl"), "ocsp", *subject, "-reqout", request)
        assert made.returncode == 0, made.stderr
        question = read_ocsp_request(request.read_bytes())
        assert question.issuer == cert_id_of(issuing_ca(kind).certificate, algorithm)
        facts: dict[str, Any] = {
            "status": CertStatus.GOOD,
            "this_update": this_update(NOW),
            "next_update": next_update(NOW, WEEK),
            "nonce": question.nonce,
        }
        answer = OcspDraft(issuer=question.issuer, serial=question.serial, **{**facts, **changed}).sign(responder)
        judge = partial(
            run, peer("openssl"), "ocsp", "-respin", write(answer), "-CAfile", anchor, "-verify_other", issuer
        )
        signature = judge("-reqin", request).stderr.strip()
        about = judge("-no_nonce", *subject).stdout.splitlines()
        return signature, about[0].removeprefix(f"{leaf}: ") if about else ""

    return asked


@KINDS
@pytest.mark.parametrize("responder", [delegate, itself])
def test_openssl_takes_an_answer_of_every_kind_of_key(
    ask: Callable[..., tuple[str, str]], kind: KeyType, responder: Callable[[KeyType], OcspResponder]
) -> None:
    identity, answers = issued(kind=kind), partial(ask, kind=kind, responder=responder(kind))
    revoked = Revocation(NOW_IN_SECONDS, RevocationReason.KEY_COMPROMISE)
    assert answers(identity) == ("Response verify OK", "good")
    assert answers(identity, status=revoked) == ("Response verify OK", "revoked")
    assert answers(identity, status=CertStatus.UNKNOWN) == ("Response verify OK", "unknown")


@pytest.mark.parametrize("algorithm", list(CertIdHash))
@pytest.mark.parametrize("by_name", [True, False], ids=["by name", "by key"])
def test_openssl_takes_an_answer_with_either_hash_and_either_name_of_the_responder(
    ask: Callable[..., tuple[str, str]], algorithm: CertIdHash, by_name: bool
) -> None:
    known = delegate(KeyType.P256)
    responder = OcspResponder(certificate=known.certificate, key=known.key, by_name=by_name)
    assert ask(issued(), KeyType.P256, responder, algorithm=algorithm) == ("Response verify OK", "good")


def test_openssl_sees_whether_the_nonce_is_its_own(ask: Callable[..., tuple[str, str]]) -> None:
    answers = partial(ask, issued(), KeyType.P256, delegate(KeyType.P256))
    assert answers(nonce=b"another")[0] == "Nonce Verify error"
    assert answers(nonce=None)[0].startswith("WARNING: no nonce in response")


def test_openssl_refuses_an_answer_from_somebody_to_whom_the_ca_delegated_nothing(
    ask: Callable[..., tuple[str, str]],
) -> None:
    stranger = issued()
    said, _ = ask(issued(), KeyType.P256, OcspResponder(certificate=stranger.certificate, key=stranger.key))
    assert "Response Verify Failure" in said


def test_openssl_refuses_an_answer_that_is_out_of_date(ask: Callable[..., tuple[str, str]]) -> None:
    past = {"this_update": NOW_IN_SECONDS - WEEK, "next_update": NOW_IN_SECONDS - WEEK / 2}
    _, about = ask(issued(), KeyType.P256, delegate(KeyType.P256), **past)
    assert about == "WARNING: Status times invalid."


@KINDS
@pytest.mark.parametrize("responder", [delegate, itself])
def test_pkilint_finds_nothing_in_an_answer(
    lint: Callable[..., str], kind: KeyType, responder: Callable[[KeyType], OcspResponder]
) -> None:
    reasons = [Revocation(NOW_IN_SECONDS - WEEK, reason) for reason in RevocationReason]
    for status, algorithm in zip([*CertStatus, *reasons], [*CertIdHash] * 5, strict=True):
        answer = OcspDraft(
            issuer=cert_id_of(issuing_ca(kind).certificate, algorithm),
            serial=new_serial(),
            status=status,
            this_update=this_update(NOW),
            next_update=next_update(NOW, WEEK),
            nonce=b"n" * 32 if algorithm is CertIdHash.SHA1 else None,
        )
        assert lint(lint_ocsp_response, answer.sign(responder(kind))) == ""


@pytest.mark.parametrize("shard", [None, 3], ids=["whole", "shards"])
@pytest.mark.parametrize(("program", "refused"), REFUSED.items())
def test_servers_admit_the_good_and_refuse_the_revoked(
    peer: Callable[[str], str], tmp_path: Path, program: str, refused: str, shard: int | None
) -> None:
    good, bad, held = (issued(shard) for _ in range(3))
    listed = entry(bad), entry(held, HOLD)
    crls = crl(ca=root()) + (shards(*listed) if shard else crl(*listed))
    ca = root().certificate
    with checking_crls(program, peer(program), tmp_path, identity=server(), root=ca, crls=crls) as port:
        assert [outcome(port, each, tmp_path) for each in (good, bad, held, good)] == ["200", refused, refused, "200"]

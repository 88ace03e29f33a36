"""OCSP over http, asked by openssl, curl and by hand."""

import subprocess
from base64 import b64encode
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponse, OCSPResponseStatus

from mutua import Home, Identity
from mutua.pki.certificates import write_pem
from tests.pki.hierarchy import issue, issuing_ca
from tests.serving import PATIENCE_SECONDS
from tests.web.publishing import Publishing, Reply

OCSP_REQUEST = {"Content-Type": "application/ocsp-request"}


@pytest.fixture
def openssl(peer: Callable[[str], str], tmp_path: Path) -> Callable[..., tuple[str, str]]:
    """What ``openssl ocsp`` says of the server's answer: of its signature and nonce, and of the certificate."""

    def ask(server: Publishing, identity: Identity, *options: str) -> tuple[str, str]:
        issuer, leaf = tmp_path / "issuer.pem", tmp_path / "leaf.pem"
        issuer.write_bytes(write_pem(identity.chain[1:]))
        leaf.write_bytes(write_pem([identity.certificate]))
        trust = ["-CAfile", str(server.home.path / "ca.pem")]
        command = [peer("openssl"), "ocsp", "-url", f"{server.url}/ocsp", *trust, *options]
        command += ["-issuer", str(issuer), "-cert", str(leaf)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
        about = done.stdout.splitlines()
        return done.stderr.strip(), about[0].removeprefix(f"{leaf}: ") if about else ""

    return ask


def request(identity: Identity, nonce: bytes | None = None) -> bytes:
    builder = ocsp.OCSPRequestBuilder().add_certificate(identity.certificate, identity.chain[1], hashes.SHA1())
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def by_get(server: Publishing, data: bytes, **options: dict[str, str]) -> Reply:
    return server.ask(f"/ocsp/{quote(b64encode(data), safe='')}", **options)  # type: ignore[arg-type]


def by_post(server: Publishing, data: bytes) -> Reply:
    return server.ask("/ocsp", method="POST", body=data, headers=OCSP_REQUEST)


def read(reply: Reply) -> OCSPResponse:
    assert (reply.status, reply["Content-Type"]) == (200, "application/ocsp-response")
    return ocsp.load_der_ocsp_response(reply.body)


@pytest.fixture
def woovi(standing: Publishing) -> Identity:
    return standing.home.identities.load("woovi")


@pytest.mark.parametrize("options", [(), ("-no_nonce",)], ids=["nonce", "no nonce"])
def test_openssl_takes_the_answers(
    standing: Publishing, openssl: Callable[..., tuple[str, str]], options: tuple[str, ...]
) -> None:
    home = standing.home
    good, bad, held = (home.authority.issue_client("woovi") for _ in range(3))
    home.revocation.revoke(bad.thumbprint, reason="key_compromise")
    home.revocation.revoke(held.thumbprint, reason="certificate_hold")
    stranger = issue(issuing_ca())
    unknown = Identity(stranger.key, (stranger.certificate, home.hierarchy.issuing.certificate))
    for identity, wanted in ((good, "good"), (bad, "revoked"), (held, "revoked"), (unknown, "unknown")):
        assert openssl(standing, identity, *options) == ("Response verify OK", wanted)
    ca = Identity(
        home.keys.of(home.hierarchy.issuing), (home.hierarchy.issuing.certificate, home.hierarchy.root.certificate)
    )
    assert openssl(standing, ca, *options) == ("Response verify OK", "good")
    said, about = openssl(standing, stranger, *options)
    assert "unauthorized" in said + about


def test_curl_asks_by_get(standing: Publishing, woovi: Identity, peer: Callable[[str], str], tmp_path: Path) -> None:
    url, out = f"{standing.url}/ocsp/{quote(b64encode(request(woovi)), safe='')}", tmp_path / "answer"
    subprocess.run([peer("curl"), "-sSf", "-o", out, url], check=True, timeout=PATIENCE_SECONDS)
    assert ocsp.load_der_ocsp_response(out.read_bytes()).certificate_status is OCSPCertStatus.GOOD


@pytest.mark.parametrize("encoded", ["once", "twice", "not at all", "in lower case"])
def test_a_get_is_understood_however_its_base64_was_encoded(
    standing: Publishing, woovi: Identity, encoded: str
) -> None:
    for turn in range(64):  # until the base64 has held each of + and / and =
        text = b64encode(request(woovi, b"n" * turn) if turn else request(woovi)).decode()
        quoted = {
            "once": quote(text, safe=""),
            "twice": quote(quote(text, safe=""), safe=""),
            "not at all": text,
            "in lower case": "".join(f"%{ord(each):02x}" if each in "+/=" else each for each in text),
        }[encoded]
        assert read(standing.ask(f"/ocsp/{quoted}")).certificate_status is OCSPCertStatus.GOOD


def test_a_get_may_be_kept_on_the_way_and_a_post_may_not(standing: Publishing, woovi: Identity) -> None:
    """RFC 5019 section 6."""
    reply = by_get(standing, request(woovi))
    answer = read(reply)
    directives = {each.strip() for each in reply["Cache-Control"].split(",")}
    assert {"public", "no-transform", "must-revalidate"} < directives
    (age,) = (int(each.removeprefix("max-age=")) for each in directives if each.startswith("max-age="))
    assert 0 < age <= 300
    assert parsedate_to_datetime(reply["Last-Modified"]) == answer.this_update_utc
    assert parsedate_to_datetime(reply["Expires"]) == answer.next_update_utc
    assert reply["Date"]
    again = by_get(standing, request(woovi), headers={"If-None-Match": reply["ETag"]})
    assert (again.status, again.body, again["Expires"]) == (304, b"", reply["Expires"])
    head = standing.ask(f"/ocsp/{quote(b64encode(request(woovi)), safe='')}", method="HEAD")
    assert (head.status, head.body, head["Content-Length"]) == (200, b"", str(len(reply.body)))
    for other in (
        by_post(standing, request(woovi)),
        by_get(standing, request(woovi, b"n" * 16)),
        by_get(standing, b""),
    ):
        assert other["Cache-Control"] == "no-store"


@pytest.mark.parametrize("size", [1, 32, 128])
def test_the_nonce_comes_back(standing: Publishing, woovi: Identity, size: int) -> None:
    for reply in (by_post(standing, request(woovi, b"n" * size)), by_get(standing, request(woovi, b"n" * size))):
        assert read(reply).extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == b"n" * size


def test_a_nonce_that_is_too_long_is_malformed(standing: Publishing, woovi: Identity) -> None:
    assert read(by_post(standing, request(woovi, b"n" * 129))).response_status is OCSPResponseStatus.MALFORMED_REQUEST


@pytest.mark.parametrize("path", ["/ocsp/", "/ocsp/x", "/ocsp/%", "/ocsp/%ff", "/ocsp/AAAA", "/ocsp/" + "A" * 20_000])
def test_a_get_that_is_none_is_malformed(standing: Publishing, path: str) -> None:
    assert read(standing.ask(path)).response_status is OCSPResponseStatus.MALFORMED_REQUEST


def test_a_post_that_is_none_is_malformed_and_one_without_end_is_refused(standing: Publishing) -> None:
    for data in (b"", b"x", b"\x30\x80", b"x" * 8192):
        assert read(by_post(standing, data)).response_status is OCSPResponseStatus.MALFORMED_REQUEST
    assert by_post(standing, b"x" * 8193).status == 413
    assert by_post(standing, b"x" * 10_000_000).status == 413
    with standing.connect() as connection:
        connection.sendall(b"POST /ocsp HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n" + b"2000\r\n" + b"x" * 8192 + b"\r\n")
        assert b" 413 " in connection.recv(4096)


def test_an_answer_changes_as_soon_as_another_process_has_revoked(
    home: Home, publish: Callable[..., Publishing]
) -> None:
    server, identity = publish(), home.identities.load("woovi")
    assert read(by_get(server, request(identity))).certificate_status is OCSPCertStatus.GOOD
    record = home.revocation.revoke(identity.thumbprint, reason="key_compromise")
    deadline = monotonic() + PATIENCE_SECONDS
    while read(reply := by_get(server, request(identity))).certificate_status is OCSPCertStatus.GOOD:
        assert monotonic() < deadline
        sleep(0.005)
    answer = read(reply)
    assert answer.revocation_time_utc == record.revoked_at
    assert answer.revocation_reason is x509.ReasonFlags.key_compromise
    assert read(by_post(server, request(identity, b"n"))).certificate_status is OCSPCertStatus.REVOKED


def test_openssl_fetches_every_crl_from_where_the_certificates_say(
    addressed: tuple[Home, int],
    publish: Callable[..., Publishing],
    peer: Callable[[str], str],
    write: Callable[[str, bytes], Path],
) -> None:
    home, port = addressed
    home.hierarchy.rotate()  # the first issuing CA is from before there was an address
    publish(port=port)
    good, bad = (home.authority.issue_client("woovi") for _ in range(2))
    home.revocation.revoke(bad.thumbprint)
    root = write("root.pem", write_pem([home.hierarchy.root.certificate]))
    about_the_root = str(home.crls.path("root"))  # which names no address itself, and OpenSSL checks it too
    for identity, wanted in ((good, "OK"), (bad, "certificate revoked")):
        chain = write("chain.pem", write_pem(identity.chain[1:]))
        leaf = write("leaf.pem", write_pem([identity.certificate]))
        command = [
            peer("openssl"),
            "verify",
            "-x509_strict",
            "-crl_check_all",
            "-crl_download",
            "-CRLfile",
            about_the_root,
        ]
        command += ["-CAfile", str(root), "-untrusted", str(chain), str(leaf)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
        assert wanted in done.stdout + done.stderr

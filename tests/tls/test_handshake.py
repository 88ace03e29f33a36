import ssl
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutua.pki.certificates import write_der
from mutua.pki.keys import KeyType
from mutua.pki.profiles import CLIENT, SERVER
from mutua.reasons import Reason
from mutua.tls.handshake import HandshakeFailure, classify, handshake_observer, shown_leaf
from mutua.tls.identity import Identity
from mutua.tls.trust import Trust
from tests.pki.hierarchy import NOW, client, issue, issuing_ca, make_issuing_ca, make_root, root, server
from tests.tls.handshakes import Connected, connect

TRUST = Trust((root().certificate,))
LEAF = write_der(client().certificate)
VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


def observed(
    identity: Identity | None, version: ssl.TLSVersion, trust: Trust = TRUST
) -> tuple[Connected, list[HandshakeFailure]]:
    failures: list[HandshakeFailure] = []
    context = identity.client_context(trust) if identity else trust.client_context()
    context.maximum_version = version
    token = handshake_observer.set(failures.append)
    try:
        return connect(context, server().server_context(TRUST)), failures
    finally:
        handshake_observer.reset(token)


def expired() -> Identity:
    old = make_root(root().key, now=NOW - timedelta(days=60))
    ca = make_issuing_ca(old, issuing_ca().key, now=NOW - timedelta(days=60))
    return issue(ca, CLIENT, now=NOW - timedelta(days=2), lifetime=timedelta(days=1))


def not_yet_valid() -> Identity:
    return issue(issuing_ca(), CLIENT, now=NOW + timedelta(days=1))


def namesakes() -> Identity:
    return issue(make_issuing_ca(make_root()), CLIENT)


def without_intermediate() -> Identity:
    return Identity(client().key, client().chain[:1])


REFUSED = {
    "expired": (expired, Reason.EXPIRED, "certificate has expired (OpenSSL verify code 10)"),
    "not yet valid": (not_yet_valid, Reason.NOT_YET_VALID, "certificate is not yet valid (OpenSSL verify code 9)"),
    "a server's": (lambda: issue(issuing_ca(), SERVER), Reason.WRONG_PURPOSE, "(OpenSSL verify code 26)"),
    "a stranger's": (lambda: client(ca_kind=KeyType.P384), Reason.UNKNOWN_ISSUER, "OpenSSL verify code"),
    "of a CA of the same name": (namesakes, Reason.UNKNOWN_ISSUER, "OpenSSL verify code"),
    "without its intermediate": (without_intermediate, Reason.UNKNOWN_ISSUER, "(OpenSSL verify code 20)"),
}


@VERSIONS
@pytest.mark.parametrize("case", REFUSED)
def test_a_rejected_certificate_is_reported_with_reason_and_thumbprint(case: str, version: ssl.TLSVersion) -> None:
    make, reason, detail = REFUSED[case]
    identity = make()
    connected, failures = observed(identity, version)
    assert isinstance(connected.server_error, ssl.SSLCertVerificationError)
    assert "ALERT" in str(connected.client_error)
    (failure,) = failures
    assert (failure.reason, failure.thumbprint) == (reason, identity.thumbprint)
    assert detail in failure.detail


@VERSIONS
def test_a_missing_certificate_is_reported_without_a_thumbprint(version: ssl.TLSVersion) -> None:
    _, failures = observed(None, version)
    detail = "the client sent no certificate"
    assert failures == [HandshakeFailure(reason=Reason.NO_CERTIFICATE, detail=detail, thumbprint=None)]


@VERSIONS
def test_a_client_that_does_not_trust_the_server_is_reported_with_its_alert(version: ssl.TLSVersion) -> None:
    _, failures = observed(client(), version, Trust((root(KeyType.P384).certificate,)))
    assert [failure.reason for failure in failures] == [Reason.HANDSHAKE_FAILED]
    assert failures[0].detail == "the client ended the handshake with the alert unknown_ca"


@VERSIONS
def test_a_handshake_that_succeeds_is_not_reported(version: ssl.TLSVersion) -> None:
    connected, failures = observed(client(), version)
    assert connected.ok
    assert failures == []


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (2, Reason.UNKNOWN_ISSUER),
        (7, Reason.UNKNOWN_ISSUER),
        (9, Reason.NOT_YET_VALID),
        (10, Reason.EXPIRED),
        (18, Reason.UNKNOWN_ISSUER),
        (19, Reason.UNKNOWN_ISSUER),
        (20, Reason.UNKNOWN_ISSUER),
        (21, Reason.UNKNOWN_ISSUER),
        (23, Reason.REVOKED),
        (24, Reason.UNKNOWN_ISSUER),
        (26, Reason.WRONG_PURPOSE),
        (66, Reason.WEAK_KEY),
        (67, Reason.WEAK_KEY),
        (68, Reason.WEAK_KEY),
        (1, Reason.HANDSHAKE_FAILED),
        (999, Reason.HANDSHAKE_FAILED),
    ],
)
def test_openssls_verify_codes_have_their_reasons(code: int, reason: Reason) -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, "why"
    assert classify(error) == (reason, f"why (OpenSSL verify code {code})")


@pytest.mark.parametrize(
    ("reason", "detail"),
    [
        ("WRONG_VERSION_NUMBER", "WRONG_VERSION_NUMBER"),
        ("TLSV1_ALERT_PROTOCOL_VERSION", "the client ended the handshake with the alert protocol_version"),
        (None, "no reason given"),
    ],
)
def test_other_errors_failed_the_handshake(reason: str | None, detail: str) -> None:
    error = ssl.SSLError(1, "no reason given")
    error.reason = reason  # type: ignore[assignment]
    assert classify(error) == (Reason.HANDSHAKE_FAILED, detail)


def vector(content: bytes, length_bytes: int) -> bytes:
    return len(content).to_bytes(length_bytes) + content


def tls12_message(*certificates: bytes) -> bytes:
    return b"\x0b" + vector(vector(b"".join(vector(each, 3) for each in certificates), 3), 3)


def tls13_message(*certificates: bytes, context: bytes = b"") -> bytes:
    entries = b"".join(vector(each, 3) + vector(b"", 2) for each in certificates)
    return b"\x0b" + vector(vector(context, 1) + vector(entries, 3), 3)


def test_the_first_certificate_of_the_message_is_the_leaf() -> None:
    issuer = write_der(issuing_ca().certificate)
    assert shown_leaf(tls12_message(LEAF, issuer), tls13=False) == LEAF
    assert shown_leaf(tls13_message(LEAF, issuer), tls13=True) == LEAF
    assert shown_leaf(tls13_message(LEAF, context=b"post-handshake"), tls13=True) == LEAF
    assert shown_leaf(tls13_message(LEAF, context=b"x" * 255), tls13=True) == LEAF


def test_an_empty_list_shows_no_certificate() -> None:
    assert shown_leaf(tls12_message(), tls13=False) is None
    assert shown_leaf(tls13_message(), tls13=True) is None
    assert shown_leaf(tls12_message(b""), tls13=False) is None


def test_a_message_cut_short_shows_no_certificate() -> None:
    for tls13, message in ((False, tls12_message(LEAF)), (True, tls13_message(LEAF))):
        whole = message.index(LEAF) + len(LEAF)
        assert [size for size in range(whole) if shown_leaf(message[:size], tls13=tls13) is not None] == []


@given(st.binary(max_size=64), st.booleans())
def test_any_bytes_show_a_part_of_themselves_or_nothing(message: bytes, tls13: bool) -> None:
    leaf = shown_leaf(message, tls13=tls13)
    assert leaf is None or (leaf != b"" and leaf in message)

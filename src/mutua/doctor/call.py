"""Why a call failed: from what was seen of it to findings, the likeliest first."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from mutua.doctor.findings import Finding, Side
from mutua.pki.certificates import common_name, purposes


class Stage(StrEnum):
    """How far a call came."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    HANDSHAKE = "handshake"
    FIRST_READ = "first_read"
    RESPONSE = "response"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallObservation:
    """What was seen of one call.

    Attributes:
        target: host and port, for the text.
        stage: the stage that failed, or ``DONE``.
        error: the error's own words, or empty.
        alert: the alert the server sent, or ``None``.
        verify_code: OpenSSL's code if we refused the server's certificate, or ``None``.
        closed: whether the server closed the connection without a word.
        identity: the chain we presented, leaf first; empty without one.
        status: the HTTP status, once there was one.
        seen_at: UTC.
    """

    target: str
    stage: Stage
    error: str = ""
    alert: str | None = None
    verify_code: int | None = None
    closed: bool = False
    identity: tuple[x509.Certificate, ...] = ()
    status: int | None = None
    seen_at: datetime


def diagnose(seen: CallObservation) -> tuple[Finding, ...]:
    """Say what went wrong with a call; empty when nothing did."""
    findings = [*_said_by_server(seen), *_refused_by_us(seen), *_network(seen), *_own_certificate(seen)]
    return tuple(findings)


_NO_CERTIFICATE = (
    "the server demands a client certificate and got none",
    "no identity was given, or it is not one the server asked for",
    "give one: --identity FILE",
)
_UNKNOWN_CA = (
    "the server does not know who issued our certificate",
    "the certificate was issued by a CA the server does not trust, or an intermediate is missing from the chain",
    "ask the server's operator which CA it accepts; check that the identity holds the whole chain",
)
_BAD_PURPOSE = (
    "the server does not accept our certificate for this purpose",
    "it is a server's certificate, not a client's (its ExtendedKeyUsage lacks clientAuth)",
    "use a certificate issued for clients",
)
_ALERTS: dict[str, tuple[str, str, str]] = {
    "certificate_required": _NO_CERTIFICATE,
    "unknown_ca": _UNKNOWN_CA,
    "certificate_expired": (
        "the server says our certificate has expired",
        "the certificate or one above it is past its end, or the server's revocation list is stale",
        "renew the certificate; if it is still valid, tell the server's operator to look at the CRL",
    ),
    "certificate_revoked": (
        "the server says our certificate is revoked",
        "whoever issued it has taken it back",
        "ask the issuer for a new one, with a new key",
    ),
    "unsupported_certificate": _BAD_PURPOSE,
    "bad_certificate": (
        "the server finds our certificate bad",
        "it may not be valid yet, be damaged, or break a rule of the server",
        "check its dates against the server's clock",
    ),
    "access_denied": (
        "the server knows our certificate and denies it access",
        "it is valid, but not allowed here",
        "ask the server's operator to allow it",
    ),
    "certificate_unknown": (
        "the server refused our certificate for a reason it does not name",
        "it could not be validated",
        "ask the server's operator for the reason in its log",
    ),
    "protocol_version": (
        "the server speaks no TLS version that mutua speaks",
        "it offers TLS 1.1 or older only",
        "the server must offer TLS 1.2 or 1.3",
    ),
    "unrecognized_name": (
        "the server does not serve that host name",
        "the name in the URL is not one of its own",
        "check the host name",
    ),
    "decrypt_error": (
        "the server could not verify our signature",
        "the key may not be the certificate's",
        "check the key and the certificate",
    ),
}


def _said_by_server(seen: CallObservation) -> list[Finding]:
    if seen.alert is not None:
        code, texts = seen.alert, _ALERTS.get(seen.alert)
        if code == "handshake_failure":
            # TLS 1.2 has no alert of its own for a missing certificate: RFC 5246 section 7.4.6.
            texts = (
                _NO_CERTIFICATE
                if not seen.identity
                else (
                    "the server ended the handshake",
                    "no common cipher or version, or it did not accept our certificate",
                    "ask the server's operator which ciphers and certificates it accepts",
                )
            )
            code = "certificate_required" if not seen.identity else code
        summary, cause, remedy = texts or (
            f"the server ended the connection with the alert {seen.alert}",
            "it does not say more",
            "ask the server's operator for the reason in its log",
        )
        return [Finding(code=code, refused_by=Side.SERVER, summary=summary, cause=cause, remedy=remedy)]
    if seen.status in {401, 403}:
        return [
            Finding(
                code="http_refused",
                refused_by=Side.SERVER,
                summary=f"the server accepted the certificate and refused the request with {seen.status}",
                cause="this client may not be registered, may be suspended, or may not call this path",
                remedy="ask the server's operator for the reason in its log; the thumbprint finds it",
            )
        ]
    return []


_VERIFY: dict[int, tuple[str, str, str, str]] = {
    10: ("server_expired", "the server's certificate has expired", "it was not renewed", "tell the server's operator"),
    9: (
        "server_not_yet_valid",
        "the server's certificate is not valid yet",
        "its start is in the future, or our clock is behind",
        "check the clock of this machine",
    ),
    23: ("server_revoked", "the server's certificate is revoked", "its CA took it back", "tell the server's operator"),
    26: (
        "server_wrong_purpose",
        "the server shows a certificate that is not for servers",
        "its ExtendedKeyUsage lacks serverAuth",
        "tell the server's operator",
    ),
}
_NAME_MISMATCH = (
    "server_wrong_name",
    "the server's certificate is for another name",
    "the URL's host is not among the certificate's names, or this is not the server it seems to be",
    "check the host in the URL; the server's operator can add the name to the certificate",
)
_SERVER_ISSUER = (
    "server_unknown_issuer",
    "we do not know who issued the server's certificate",
    "it comes from a CA outside --trust, or the server leaves out an intermediate",
    "give the server's CA: --trust ca.pem, or --trust system for a public certificate",
)


def _refused_by_us(seen: CallObservation) -> list[Finding]:
    if seen.verify_code is None:
        return []
    if seen.verify_code in {62, 63, 64}:
        code, summary, cause, remedy = _NAME_MISMATCH
    elif seen.verify_code in {2, 7, 18, 19, 20, 21}:
        code, summary, cause, remedy = _SERVER_ISSUER
    else:
        code, summary, cause, remedy = _VERIFY.get(
            seen.verify_code,
            ("server_not_valid", "the server's certificate is not valid", seen.error, "tell the server's operator"),
        )
    return [Finding(code=code, refused_by=Side.US, summary=summary, cause=cause, remedy=remedy)]


def _network(seen: CallObservation) -> list[Finding]:
    if seen.stage is Stage.DONE or seen.alert is not None or seen.verify_code is not None:
        return []
    if seen.closed and seen.stage in {Stage.HANDSHAKE, Stage.FIRST_READ, Stage.RESPONSE}:
        return [
            Finding(
                code="closed_without_alert",
                refused_by=Side.SERVER,
                summary=f"{seen.target} closed the connection without saying why",
                cause="many servers, plain Python ones among them, send no alert when they refuse a certificate"
                if seen.identity
                else "many servers, plain Python ones among them, send no alert when a certificate is missing",
                remedy="ask the server's operator for the reason in its log" if seen.identity else _NO_CERTIFICATE[2],
            )
        ]
    summaries = {
        Stage.RESOLVE: ("unknown_host", "the host name cannot be resolved", "check the host name"),
        Stage.CONNECT: ("not_reachable", f"{seen.target} does not answer", "check host, port and firewall"),
        Stage.HANDSHAKE: ("handshake_failed", "the TLS handshake failed", "check that it is an https port"),
    }
    code, summary, remedy = summaries.get(
        seen.stage, ("no_response", "there was no readable answer", "try again, or ask the server's operator")
    )
    return [Finding(code=code, refused_by=Side.NETWORK, summary=summary, cause=seen.error, remedy=remedy)]


def _own_certificate(seen: CallObservation) -> list[Finding]:
    """What is wrong with the certificate we presented, seen from here; said only when the call failed."""
    failed = seen.stage is not Stage.DONE or seen.status in {401, 403}
    if not seen.identity or not failed or seen.verify_code is not None:
        return []
    leaf, findings = seen.identity[0], []
    if seen.seen_at > leaf.not_valid_after_utc:
        findings.append(
            Finding(
                code="own_certificate_expired",
                refused_by=Side.US,
                summary=f"our certificate expired at {leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC",
                cause="it was not renewed",
                remedy="get a new one from whoever issued it: " + common_name(leaf.issuer),
            )
        )
    if seen.seen_at < leaf.not_valid_before_utc:
        findings.append(
            Finding(
                code="own_certificate_not_yet_valid",
                refused_by=Side.US,
                summary=f"our certificate is valid from {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC",
                cause="it starts in the future, or our clock is behind",
                remedy="check the clock of this machine",
            )
        )
    if purposes(leaf) and ExtendedKeyUsageOID.CLIENT_AUTH not in purposes(leaf):
        findings.append(
            Finding(
                code="own_certificate_wrong_purpose",
                refused_by=Side.US,
                summary="our certificate is not for clients",
                cause="its ExtendedKeyUsage lacks clientAuth",
                remedy="use a certificate issued for clients",
            )
        )
    return findings

"""Why a call failed: from what was seen of it to findings, the likeliest first."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from mutua.doctor.findings import Finding, Side
from mutua.pki.certificates import common_name, purposes
from mutua.pki.thumbprints import x5t_s256


class Stage(StrEnum):
    """How far a call came."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    HANDSHAKE = "handshake"
    FIRST_READ = "first_read"
    RESPONSE = "response"
    DONE = "done"
    UNKNOWN = "unknown"
    """Somebody else made the call, and what it raised does not tell."""


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
        body: the beginning of the answer's body.
        seen_at: UTC.
        identity_known: whether ``identity`` is what was presented; ``False`` where nobody said.
        alert_may_be_lost: whether a library may have dropped the server's alert, so that none proves nothing.
        accepted_since: whether a new connection with the same identity was accepted afterwards.
    """

    target: str
    stage: Stage
    error: str = ""
    alert: str | None = None
    verify_code: int | None = None
    closed: bool = False
    identity: tuple[x509.Certificate, ...] = ()
    status: int | None = None
    body: bytes = b""
    seen_at: datetime
    identity_known: bool = True
    alert_may_be_lost: bool = False
    accepted_since: bool = False


def diagnose(seen: CallObservation) -> tuple[Finding, ...]:
    """Say what went wrong with a call; empty when nothing did."""
    said = [*_said_by_server(seen), *_refused_by_us(seen)] or [*_closed(seen)] or [*_network(seen)]
    return (*said, *(_own_certificate(seen) if said else ()))


_NO_CERTIFICATE = (
    "the server demands a client certificate and got none",
    "no identity was given, or it is not one the server asked for",
    "give one: --identity FILE; in Python identity.client_context(trust)",
)
_NO_CERTIFICATE_PERHAPS = (
    "the server ended the handshake",
    "in TLS 1.2 that is how it asks for a client certificate that did not come; or no common cipher or version",
    "present a certificate; if one was, ask the server's operator which ciphers and certificates it accepts",
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
    "handshake_failure": (
        "the server ended the handshake",
        "no common cipher or version, or it did not accept our certificate",
        "ask the server's operator which ciphers and certificates it accepts",
    ),
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
        if code == "handshake_failure" and not seen.identity and seen.identity_known:
            # TLS 1.2 has no alert of its own for a missing certificate: RFC 5246 section 7.4.6.
            code, texts = "certificate_required", _NO_CERTIFICATE
        elif code == "handshake_failure" and not seen.identity_known:
            texts = _NO_CERTIFICATE_PERHAPS
        summary, cause, remedy = texts or (
            f"the server ended the connection with the alert {seen.alert}",
            "it does not say more",
            "ask the server's operator for the reason in its log",
        )
        return [Finding(code=code, refused_by=Side.SERVER, summary=summary, cause=cause, remedy=remedy)]
    if seen.status == 400 and (found := _said_by_nginx(seen)):
        return [found]
    if seen.status in {401, 403}:
        return [
            Finding(
                code="http_refused",
                refused_by=Side.SERVER,
                summary=f"the server accepted the certificate and refused the request with {seen.status}",
                cause="this client may not be registered, may be suspended, or may not call this path",
                remedy="ask the server's operator for the reason in its log" + _finder(seen),
            )
        ]
    return []


_NGINX_LOOKS = 4096
"""Bytes of an answer in which nginx's own page for 400 stands; it has some 200."""


def _said_by_nginx(seen: CallObservation) -> Finding | None:
    """What nginx says of a certificate in an answer: it ends the handshake well whatever the certificate is."""
    page = seen.body[:_NGINX_LOOKS]
    if b"No required SSL certificate was sent" in page:
        summary, cause, remedy = _NO_CERTIFICATE
        return Finding(code="certificate_required", refused_by=Side.SERVER, summary=summary, cause=cause, remedy=remedy)
    if b"The SSL certificate error" in page:
        return Finding(
            code="http_certificate_refused",
            refused_by=Side.SERVER,
            summary="the server refused our certificate with 400 and does not say why",
            cause="it does not trust its CA, lacks an intermediate, or finds it expired, revoked or not for clients",
            remedy="ask the server's operator which CA it accepts, and for the reason in its log" + _finder(seen),
        )
    return None


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
    "it comes from a CA that is not trusted here, or the server leaves out an intermediate",
    "give its CA: --trust ca.pem, in Python Trust.load; for a public certificate --trust system, Trust.system",
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


def _closed(seen: CallObservation) -> list[Finding]:
    """What a connection that ended without a word means."""
    if not seen.closed or seen.stage in {Stage.RESOLVE, Stage.CONNECT, Stage.DONE}:
        return []
    if seen.accepted_since:
        return [
            Finding(
                code="connection_lost",
                refused_by=Side.NETWORK,
                summary=f"the connection to {seen.target} was lost, and a new one is accepted",
                cause="the server was restarted, or had closed a connection that was idle for longer than it keeps one",
                remedy="try again; let the client's pool drop idle connections before the server does",
            )
        ]
    if seen.alert_may_be_lost:
        return [
            Finding(
                code="no_alert_seen",
                refused_by=Side.UNKNOWN,
                summary=f"{seen.target} closed the connection, and the library that called shows no reason",
                cause="the server sent no alert, or the library lost it: in TLS 1.3 a client that writes first may",
                remedy="look again with a probe: mutua.explain(..., probe=URL), or mutua call URL",
            )
        ]
    return [
        Finding(
            code="closed_without_alert",
            refused_by=Side.SERVER,
            summary=f"{seen.target} closed the connection without saying why",
            cause="many servers, plain Python ones among them, send no alert when they refuse a certificate"
            if seen.identity
            else "many servers, plain Python ones among them, send no alert when a certificate is missing",
            remedy="ask the server's operator for the reason in its log" + _finder(seen)
            if seen.identity
            else _NO_CERTIFICATE[2],
        )
    ]


def _network(seen: CallObservation) -> list[Finding]:
    if seen.stage is Stage.DONE:
        return []
    summaries = {
        Stage.RESOLVE: ("unknown_host", "the host name cannot be resolved", "check the host name"),
        Stage.CONNECT: ("not_reachable", f"{seen.target} does not answer", "check host, port and firewall"),
        Stage.HANDSHAKE: ("handshake_failed", "the TLS handshake failed", "check that it is an https port"),
    }
    code, summary, remedy = summaries.get(
        seen.stage, ("no_response", "there was no readable answer", "try again, or ask the server's operator")
    )
    if seen.stage is Stage.UNKNOWN:
        accepted = f"; a new connection to {seen.target} is accepted" if seen.accepted_since else ""
        return [
            Finding(
                code="cannot_tell",
                refused_by=Side.UNKNOWN,
                summary="what was raised does not tell who refused whom" + accepted,
                cause=seen.error,
                remedy="make the same call with mutua call, which watches each step",
            )
        ]
    return [Finding(code=code, refused_by=Side.NETWORK, summary=summary, cause=seen.error, remedy=remedy)]


def _finder(seen: CallObservation) -> str:
    """By what the other side finds us in its log."""
    return f"; our thumbprint finds it: {x5t_s256(seen.identity[0])}" if seen.identity else ""


def _own_certificate(seen: CallObservation) -> list[Finding]:
    """What is wrong with the certificate we presented, seen from here; said only when the call failed."""
    if not seen.identity or seen.verify_code is not None:
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

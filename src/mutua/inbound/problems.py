"""What a refused peer is told: one constant answer for each HTTP status, whatever the reason was."""

from mutua.reasons import Reason

_BODIES = {
    401: b'{"type":"about:blank","title":"Unauthorized","status":401}',
    403: b'{"type":"about:blank","title":"Forbidden","status":403}',
    400: b'{"type":"about:blank","title":"Bad Request","status":400}',
    503: b'{"type":"about:blank","title":"Service Unavailable","status":503}',
}
_STATUS = {Reason.NO_CERTIFICATE: 401, Reason.MALFORMED: 400, Reason.STALE_REGISTRY: 503}

CHALLENGE = b"ClientCertificate"
"""A 401 has to have a challenge (RFC 9110 section 15.5.2); for certificates IANA has no name."""


def problem(reason: Reason) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, headers and body (RFC 9457) for a refusal. Why it was refused stands in our log only."""
    status = _STATUS.get(reason, 403)
    body = _BODIES[status]
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if status == 401:
        headers.append((b"www-authenticate", CHALLENGE))
    return status, headers, body

"""TLS alerts: the one word with which the other side says why (RFC 8446 section 6)."""

import ssl


def alert_in(error: BaseException) -> str | None:
    """The name of the alert the peer sent, such as ``certificate_required``; ``None`` if the error holds none.

    OpenSSL puts it into the reason: ``TLSV13_ALERT_CERTIFICATE_REQUIRED``, ``SSLV3_ALERT_BAD_CERTIFICATE``.
    """
    reason = getattr(error, "reason", None) if isinstance(error, ssl.SSLError) else None
    if not isinstance(reason, str) or "_ALERT_" not in reason:
        return None
    return reason.partition("_ALERT_")[2].lower()

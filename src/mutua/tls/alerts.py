"""TLS alerts: the one word with which the other side says why (RFC 8446 section 6)."""

import re
import ssl

NAMES = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    22: "record_overflow",
    40: "handshake_failure",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    100: "no_renegotiation",
    109: "missing_extension",
    110: "unsupported_extension",
    112: "unrecognized_name",
    113: "bad_certificate_status_response",
    115: "unknown_psk_identity",
    116: "certificate_required",
    120: "no_application_protocol",
}
"""The alerts by number (RFC 8446 appendix B.2, RFC 5246 section 7.2)."""

_WITHOUT_THE_WORD = re.compile(rf"TLSV1_({'|'.join(NAMES.values())})", re.IGNORECASE)
"""OpenSSL leaves ALERT out of the names of those that RFC 6066 brought."""

_RECEIVED = 1000
"""OpenSSL and BoringSSL number the reason of an alert that was received from here on: SSL_AD_REASON_OFFSET."""

_ERROR_CODE = re.compile(r"error:(?:0A|10|14)[0-9A-F]{3}([0-9A-F]{3}):", re.IGNORECASE)
"""An error of the TLS library within a text, by OpenSSL 3, BoringSSL, OpenSSL 1.1; the last digits are its reason."""


def alert_in(error: BaseException) -> str | None:
    """The name of the alert the peer sent, such as ``certificate_required``; ``None`` if the error holds none.

    OpenSSL puts it into the reason: ``TLSV13_ALERT_CERTIFICATE_REQUIRED``, ``SSLV3_ALERT_BAD_CERTIFICATE``.
    """
    reason = getattr(error, "reason", None) if isinstance(error, ssl.SSLError) else None
    if not isinstance(reason, str):
        return None
    if match := _WITHOUT_THE_WORD.fullmatch(reason):
        return match[1].lower()
    return reason.partition("_ALERT_")[2].lower() or None


def alert_in_text(text: str) -> str | None:
    """The alert in an error message of another program, which quotes its TLS library's number.

    curl: ``error:0A000418:SSL routines::tlsv1 alert unknown ca``, gRPC: ``error:10000418:SSL routines:...``.
    """
    for reason in _ERROR_CODE.findall(text):
        if (number := int(reason, 16) - _RECEIVED) >= 0:
            return NAMES.get(number, f"number_{number}")
    return None

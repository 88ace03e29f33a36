import ssl

import pytest

from mutua.tls.alerts import alert_in, alert_in_text
from mutua.tls.trust import Trust
from tests.pki.hierarchy import client, issuing_ca, root, server
from tests.tls.handshakes import connect


def ssl_error(reason: str | None) -> ssl.SSLError:
    error = ssl.SSLError(1, "failed")
    error.reason = reason  # type: ignore[assignment]
    return error


@pytest.mark.parametrize(
    ("reason", "alert"),
    [
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "certificate_required"),
        ("SSLV3_ALERT_BAD_CERTIFICATE", "bad_certificate"),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "handshake_failure"),
        ("TLSV1_ALERT_UNKNOWN_CA", "unknown_ca"),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "certificate_expired"),
        ("TLSV1_ALERT_PROTOCOL_VERSION", "protocol_version"),
        ("TLSV1_UNRECOGNIZED_NAME", "unrecognized_name"),
        ("SSLV3_ALERT_OF_NEXT_YEAR", "of_next_year"),
        ("CERTIFICATE_VERIFY_FAILED", None),
        ("WRONG_VERSION_NUMBER", None),
        (None, None),
    ],
)
def test_the_alert_is_read_out_of_openssls_reason(reason: str | None, alert: str | None) -> None:
    assert alert_in(ssl_error(reason)) == alert


@pytest.mark.parametrize(
    "error", [OSError("TLSV1_ALERT_UNKNOWN_CA"), ValueError(), ssl.SSLZeroReturnError(), EOFError()]
)
def test_other_errors_hold_no_alert(error: Exception) -> None:
    assert alert_in(error) is None


@pytest.mark.parametrize(
    ("text", "alert"),
    [
        ("TLS connect error: error:0A000410:SSL routines::ssl/tls alert handshake failure", "handshake_failure"),
        (
            "SSL_read: OpenSSL/3.6.5: error:0A00045C:SSL routines::tlsv13 alert certificate required",
            "certificate_required",
        ),
        (
            "SSL_ERROR_SSL: error:10000415:SSL routines:OPENSSL_internal:SSLV3_ALERT_CERTIFICATE_EXPIRED: OK",
            "certificate_expired",
        ),
        ("error:14094418:SSL routines:ssl3_read_bytes:tlsv1 alert unknown ca", "unknown_ca"),
        ("error:0A0004FF:SSL routines::an alert of next year", "number_279"),
        ("error:1000007d:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED", None),
        ("error:0A000086:SSL routines::certificate verify failed", None),
        ("error:02000418:system library::of another library", None),
        ("unknown ca", None),
        ("", None),
    ],
)
def test_the_alert_is_read_out_of_the_number_in_another_programs_words(text: str, alert: str | None) -> None:
    assert alert_in_text(text) == alert


def test_a_real_refusal_names_its_alert() -> None:
    trust = Trust((root().certificate,))
    stranger = Trust((issuing_ca().certificate,))
    connected = connect(client().client_context(trust), server().server_context(stranger))
    assert connected.client_error is not None
    assert alert_in(connected.client_error) == "unknown_ca"

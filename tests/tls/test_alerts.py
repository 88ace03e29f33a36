import ssl

import pytest

from mutua.tls.alerts import alert_in
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


def test_a_real_refusal_names_its_alert() -> None:
    trust = Trust((root().certificate,))
    stranger = Trust((issuing_ca().certificate,))
    connected = connect(client().client_context(trust), server().server_context(stranger))
    assert connected.client_error is not None
    assert alert_in(connected.client_error) == "unknown_ca"

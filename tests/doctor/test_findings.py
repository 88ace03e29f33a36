"""From what was seen of a call to findings: every alert and every verification code says what to do."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutua.doctor.call import CallObservation, Stage, diagnose
from mutua.doctor.findings import Side

NOW = datetime(2026, 11, 23, tzinfo=UTC)
FAILED = [stage for stage in Stage if stage is not Stage.DONE]


def see(stage: Stage = Stage.FIRST_READ, **seen: object) -> CallObservation:
    return CallObservation(target="bank.example:443", stage=stage, seen_at=NOW, **seen)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "alert",
    [
        "certificate_required",
        "unknown_ca",
        "certificate_expired",
        "certificate_revoked",
        "unsupported_certificate",
        "bad_certificate",
        "access_denied",
        "certificate_unknown",
        "protocol_version",
        "unrecognized_name",
        "decrypt_error",
        "an_alert_of_next_year",
    ],
)
def test_an_alert_is_the_servers_word(alert: str) -> None:
    (finding,) = diagnose(see(alert=alert, error="whatever"))
    assert (finding.code, finding.refused_by) == (alert, Side.SERVER)


def test_a_handshake_failure_without_identity_means_a_missing_certificate() -> None:
    (finding,) = diagnose(see(Stage.HANDSHAKE, alert="handshake_failure"))
    assert finding.code == "certificate_required"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (10, "server_expired"),
        (9, "server_not_yet_valid"),
        (23, "server_revoked"),
        (26, "server_wrong_purpose"),
        (62, "server_wrong_name"),
        (64, "server_wrong_name"),
        (18, "server_unknown_issuer"),
        (19, "server_unknown_issuer"),
        (20, "server_unknown_issuer"),
        (66, "server_not_valid"),
    ],
)
def test_a_verification_code_is_our_own_refusal(code: int, expected: str) -> None:
    (finding,) = diagnose(see(Stage.HANDSHAKE, verify_code=code, error="words"))
    assert (finding.code, finding.refused_by) == (expected, Side.US)


@pytest.mark.parametrize(("status", "found"), [(200, []), (401, ["http_refused"]), (403, ["http_refused"]), (500, [])])
def test_only_a_refusal_is_found_in_an_answer(status: int, found: list[str]) -> None:
    assert [finding.code for finding in diagnose(see(Stage.DONE, status=status))] == found


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (b"<title>400 No required SSL certificate was sent</title>", "certificate_required"),
        (b"<title>400 The SSL certificate error</title>", "http_certificate_refused"),
    ],
    ids=["none", "bad"],
)
def test_what_nginx_says_in_its_page_is_a_refusal(words: bytes, code: str) -> None:
    (finding,) = diagnose(see(Stage.DONE, status=400, body=words))
    assert (finding.code, finding.refused_by) == (code, Side.SERVER)


@pytest.mark.parametrize(("status", "body"), [(400, b"no such field"), (200, b"The SSL certificate error"), (400, b"")])
def test_another_answer_says_nothing_of_certificates(status: int, body: bytes) -> None:
    assert diagnose(see(Stage.DONE, status=status, body=body)) == ()


@given(
    stage=st.sampled_from(FAILED),
    error=st.text(),
    alert=st.none() | st.sampled_from(["unknown_ca", "handshake_failure", "x"]),
    verify_code=st.none() | st.integers(),
    closed=st.booleans(),
    known=st.booleans(),
    lost=st.booleans(),
    accepted=st.booleans(),
)
def test_every_failure_has_a_finding_that_says_what_to_do(
    stage: Stage,
    error: str,
    alert: str | None,
    verify_code: int | None,
    closed: bool,
    known: bool,
    lost: bool,
    accepted: bool,
) -> None:
    findings = diagnose(
        see(
            stage,
            error=error,
            alert=alert,
            verify_code=verify_code,
            closed=closed,
            identity_known=known,
            alert_may_be_lost=lost,
            accepted_since=accepted,
        )
    )
    assert findings
    assert all(finding.code and finding.summary and finding.remedy for finding in findings)


@pytest.mark.parametrize(
    ("more", "code", "side"),
    [
        ({}, "closed_without_alert", Side.SERVER),
        ({"alert_may_be_lost": True}, "no_alert_seen", Side.UNKNOWN),
        ({"alert_may_be_lost": True, "accepted_since": True}, "connection_lost", Side.NETWORK),
    ],
    ids=["watched closely", "by a library", "accepted since"],
)
def test_a_connection_that_was_closed_means_what_was_seen_of_it(more: dict[str, bool], code: str, side: Side) -> None:
    (finding,) = diagnose(see(Stage.RESPONSE, closed=True, **more))
    assert (finding.code, finding.refused_by) == (code, side)


def test_a_handshake_failure_is_no_missing_certificate_where_nobody_said_so() -> None:
    (finding,) = diagnose(see(Stage.HANDSHAKE, alert="handshake_failure", identity_known=False))
    assert finding.code == "handshake_failure"
    assert "did not come" in finding.cause

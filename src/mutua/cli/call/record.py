"""What ``mutua call --json`` prints: stable keys."""

from dataclasses import asdict

from cryptography import x509

from mutua.doctor.findings import Finding
from mutua.outbound.call import CallResult
from mutua.pki.dn import DistinguishedName
from mutua.pki.thumbprints import x5t_s256
from mutua.tls.identity import Identity


def record(result: CallResult, findings: tuple[Finding, ...], who: Identity | None) -> dict[str, object]:
    """Everything that was seen of a call."""
    seen, answer, tls = result.observation, result.answer, result.tls
    return {
        "status": result.status,
        "http_version": answer.http_version if answer else None,
        "headers": [list(pair) for pair in answer.headers] if answer else [],
        "body": answer.body.decode("utf-8", "replace") if answer else "",
        "truncated": answer.truncated if answer else False,
        "tls_version": tls.version or None,
        "cipher_suite": tls.suite or None,
        "alpn": tls.alpn or None,
        "server_chain": [_certificate(each) for each in tls.received],
        "verified_chain": [_certificate(each) for each in tls.verified],
        "certificate_requested": tls.asked,
        "client_chain": [_certificate(each) for each in who.chain] if who and tls.presented else [],
        "timing": asdict(result.timing),
        "stage": seen.stage.value,
        "alert": seen.alert,
        "verify_code": seen.verify_code,
        "error": seen.error or None,
        "findings": [
            {
                "code": finding.code,
                "refused_by": finding.refused_by.value,
                "summary": finding.summary,
                "cause": finding.cause,
                "remedy": finding.remedy,
            }
            for finding in findings
        ],
    }


def _certificate(certificate: x509.Certificate) -> dict[str, object]:
    return {
        "subject": str(DistinguishedName.of(certificate.subject)),
        "issuer": str(DistinguishedName.of(certificate.issuer)),
        "not_before": certificate.not_valid_before_utc,
        "not_after": certificate.not_valid_after_utc,
        "thumbprint": x5t_s256(certificate),
    }

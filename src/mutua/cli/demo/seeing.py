"""What a client saw, in one vocabulary: read from the words of programs and the exceptions of libraries."""

import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from mutua.cli.demo.cases import CLOSED, UNKNOWN_ISSUER, WRONG_NAME
from mutua.tls.alerts import alert_in

ALERTS = {
    40: "handshake_failure",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    48: "unknown_ca",
    49: "access_denied",
    80: "internal_error",
    116: "certificate_required",
}
"""RFC 8446 section 6.2: those with which a server refuses a client's certificate."""

_ALERT_NUMBER = re.compile(r"(?:SSL alert number |alert \[)(\d+)")
_ALERT_NAME = re.compile(r"alert:? (" + "|".join(name.replace("_", "[ _]") for name in ALERTS.values()) + ")")
_WRONG_NAME = re.compile(
    r"""hostname.mismatch | IP.address.mismatch | does(n't|.not).match | no.subject.alternative | ALTNAME_INVALID
    | alternative.(certificate.subject.)?names?.(matching|match|present) """,
    re.IGNORECASE | re.VERBOSE,
)
_UNKNOWN_ISSUER = re.compile(
    r"""self.signed.cert | local.issuer.certificate | UNABLE_TO_(GET_ISSUER|VERIFY_LEAF) | unknown.issuer
    | unable.to.find.valid.certification.path | is.not.trusted """,
    re.IGNORECASE | re.VERBOSE,
)
_CLOSED = re.compile(
    r"EOF|ECONNRESET|EPIPE|reset by peer|broken pipe|hang up|closed|disconnected|non-properly terminated|no bytes",
    re.IGNORECASE,
)
_WRONG_NAME_CODES = {62, 64}  # X509_V_ERR_HOSTNAME_MISMATCH, IP_ADDRESS_MISMATCH
_UNKNOWN_ISSUER_CODES = {2, 18, 19, 20, 21}


@dataclass(frozen=True, slots=True)
class Sight:
    """What a client saw.

    Attributes:
        text: in the words of ``cases``: a status, ``alert NAME``, a refusal of the server, or ``error``.
        detail: the client's own words.
    """

    text: str
    detail: str = ""


def answered(status: int) -> Sight:
    """The client got an HTTP answer."""
    return Sight(str(status))


def in_words(words: str) -> Sight:
    """A program failed and said why."""
    if match := _ALERT_NUMBER.search(words):
        number = int(match.group(1))
        return Sight(f"alert {ALERTS.get(number, number)}", words)
    if match := _ALERT_NAME.search(words):
        return Sight(f"alert {match.group(1).replace(' ', '_')}", words)
    for pattern, text in ((_WRONG_NAME, WRONG_NAME), (_UNKNOWN_ISSUER, UNKNOWN_ISSUER), (_CLOSED, CLOSED)):
        if pattern.search(words):
            return Sight(text, words)
    return Sight("error", words)


def in_exception(error: BaseException) -> Sight:
    """A library raised; what OpenSSL said may lie several causes deep."""
    causes = list(_causes(error))
    words = "; ".join(f"{type(cause).__name__}: {cause}" for cause in causes)
    for cause in causes:
        if alert := alert_in(cause):
            return Sight(f"alert {alert}", words)
        if isinstance(cause, ssl.SSLCertVerificationError):
            # aiohttp derives from this class without its attributes; the cause below has them.
            code = getattr(cause, "verify_code", None)
            if code in _WRONG_NAME_CODES:
                return Sight(WRONG_NAME, words)
            if code in _UNKNOWN_ISSUER_CODES:
                return Sight(UNKNOWN_ISSUER, words)
    if any(isinstance(cause, ConnectionError | ssl.SSLEOFError) for cause in causes) or _CLOSED.search(words):
        return Sight(CLOSED, words)
    return Sight("error", words)


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        cause = waiting.pop(0)
        if cause in seen:
            continue
        seen.append(cause)
        yield cause
        # requests and urllib3 wrap by argument, others by `raise from`.
        wrapped = (cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args)
        waiting.extend(each for each in wrapped if isinstance(each, BaseException))

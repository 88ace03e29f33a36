"""Evidence in what libraries raise of their own making, where no exception of Python's own lies below it."""

import re

from mutua.doctor.call import Stage
from mutua.outbound.explaining.evidence import WRONG_NAME, Evidence, attribute, body_of, status_of, text_of
from mutua.tls.alerts import alert_in_text

_VERIFY_TEXTS = {
    "certificate has expired": 10,
    "certificate is not yet valid": 9,
    "certificate revoked": 23,
    "certificate purpose": 26,
    "self-signed certificate in certificate chain": 19,
    "self signed certificate in certificate chain": 19,
    "self-signed certificate": 18,
    "self signed certificate": 18,
    "unable to get issuer certificate": 2,
    "unable to get local issuer certificate": 20,
    "unable to verify the first certificate": 21,
}
"""What X509_verify_cert_error_string says in OpenSSL and BoringSSL: they pass the words on, and not the number."""

_UNSPECIFIED = 1
"""X509_V_ERR_UNSPECIFIED."""

_VERIFY_NUMBER = re.compile(r"verify result: .{0,100} \((\d{1,3})\)")

_CONNECTING = {
    "ConnectError",
    "ConnectTimeout",
    "ConnectTimeoutError",
    "ConnectionTimeoutError",
    "NewConnectionError",
    "ClientConnectorError",
    "ProxyError",
}
_ENDED = {
    "ServerDisconnectedError",
    "ConnectionClosed",
    "ConnectionClosedError",
    "ReadError",
    "WriteError",
    "CloseError",
    "EndOfStream",
    "BrokenResourceError",
}
_TIMEOUTS = {"ReadTimeout", "ReadTimeoutError"}
_UNREADABLE = {"ProtocolError", "RemoteProtocolError", "InvalidMessage", *_TIMEOUTS}
_NAMES = {"NameResolutionError", "ClientConnectorDNSError"}

_DISCONNECTED = "Server disconnected"
"""httpcore raises the same class for a server that has gone and for one that speaks no HTTP."""


def of_http_library(error: BaseException) -> Evidence | None:
    """Evidence in the classes of httpx, httpx2, requests, niquests, urllib3, aiohttp and websockets, and below them."""
    response = attribute(error, "response")
    if status := status_of(response) or status_of(error):
        return Evidence(stage=Stage.DONE, status=status, body=body_of(response))
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & {"CertificateError"}:  # urllib3 looks at names itself where the context does not
        return Evidence(stage=Stage.HANDSHAKE, verify_code=WRONG_NAME)
    if names & _NAMES:
        return Evidence(stage=Stage.RESOLVE)
    # Over HTTP/2 the urllib3 of niquests gives no words at all to a connection that has ended.
    wordless = not any(error.args) or text_of(error).startswith(_DISCONNECTED)
    if names & _ENDED or (names & _UNREADABLE - _TIMEOUTS and wordless):
        return Evidence(stage=Stage.RESPONSE, closed=True)
    if names & _UNREADABLE:
        return Evidence(stage=Stage.RESPONSE)
    return None


def connecting(error: BaseException) -> bool:
    """Whether the class says that no connection was made, for want of anything that says more."""
    return any(kind.__name__ in _CONNECTING for kind in type(error).__mro__)


_GRPC_STATUS = {"UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403}
_GRPC_TEXTS = {
    "Hostname Verification Check failed": Evidence(stage=Stage.HANDSHAKE, verify_code=WRONG_NAME),
    "is not in peer certificate": Evidence(stage=Stage.HANDSHAKE, verify_code=WRONG_NAME),
    "missing selected ALPN property": Evidence(stage=Stage.HANDSHAKE),
    "DNS resolution failed": Evidence(stage=Stage.RESOLVE),
    "address lookup failed": Evidence(stage=Stage.RESOLVE),
    "Connection refused": Evidence(stage=Stage.CONNECT),
    "No route to host": Evidence(stage=Stage.CONNECT),
    # In TLS 1.3 an alert arrives where data was expected; gRPC takes it for that, and drops it.
    "TSI_DATA_CORRUPTED": Evidence(stage=Stage.RESPONSE, closed=True),
    "Connection reset": Evidence(stage=Stage.RESPONSE, closed=True),
    "Broken pipe": Evidence(stage=Stage.RESPONSE, closed=True),
    "Socket closed": Evidence(stage=Stage.RESPONSE, closed=True),
    "handshaker shutdown": Evidence(stage=Stage.RESPONSE, closed=True),
    "Handshake read failed": Evidence(stage=Stage.RESPONSE, closed=True),
}
"""gRPC knows one code for all of these, UNAVAILABLE; what it was stands in the details alone."""


def of_grpc(error: BaseException) -> Evidence | None:
    """Evidence in a ``grpc.RpcError``, which has ``code()`` and ``details()``, sync or async."""
    code = _called(error, "code")
    if status := _GRPC_STATUS.get(str(attribute(code, "name"))):
        return Evidence(stage=Stage.DONE, status=status)
    details = _called(error, "details")
    if not isinstance(details, str):
        return None
    if alert := alert_in_text(details):
        return Evidence(stage=Stage.HANDSHAKE, alert=alert, error=text_of(details))
    if "CERTIFICATE_VERIFY_FAILED" in details:
        code = _verify_code(details)
        return Evidence(stage=Stage.HANDSHAKE, verify_code=code or _UNSPECIFIED, error=text_of(details))
    for words, evidence in _GRPC_TEXTS.items():
        if words in details:
            return evidence
    return Evidence(error=text_of(details))


def _called(error: BaseException, name: str) -> object:
    try:
        return attribute(error, name)()
    except Exception:  # noqa: BLE001 -- a foreign method
        return None


_CURL = {
    6: Evidence(stage=Stage.RESOLVE),
    7: Evidence(stage=Stage.CONNECT),
    28: Evidence(stage=Stage.RESPONSE),
    52: Evidence(stage=Stage.RESPONSE, closed=True),
    55: Evidence(stage=Stage.RESPONSE, closed=True),
    56: Evidence(stage=Stage.RESPONSE, closed=True),
}
_CURL_ENDED = ("SSL_ERROR_SYSCALL", "SSL_ERROR_ZERO_RETURN", "unexpected eof", "Connection reset", "reset by peer")
_CURL_STATUS = re.compile(r"returned error: (\d{3})")


def of_pycurl(error: BaseException) -> Evidence | None:
    """Evidence in a ``pycurl.error``: curl's number and its words (libcurl-errors(3))."""
    number, words = (*error.args, None, None)[:2]
    words = words if isinstance(words, str) else ""
    if alert := alert_in_text(words):
        return Evidence(stage=Stage.HANDSHAKE, alert=alert)
    if number == 22 and (match := _CURL_STATUS.search(words)):
        return Evidence(stage=Stage.DONE, status=int(match[1]))
    if number in {51, 60}:
        # It says the same of a certificate that it refuses and of ours, when the server says that it has expired.
        code = _verify_code(words)
        return Evidence(stage=Stage.HANDSHAKE, verify_code=code) if code is not None else Evidence()
    if number == 35:
        return Evidence(
            stage=Stage.RESPONSE if (ended := any(each in words for each in _CURL_ENDED)) else Stage.HANDSHAKE,
            closed=ended,
        )
    return _CURL.get(number) if isinstance(number, int) else None


def _verify_code(words: str) -> int | None:
    if match := _VERIFY_NUMBER.search(words):
        return int(match[1])
    if "certificate subject name" in words or "does not match" in words:
        return WRONG_NAME
    return next((code for text, code in _VERIFY_TEXTS.items() if text in words.lower()), None)

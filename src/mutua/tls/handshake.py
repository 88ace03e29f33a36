"""Handshake failures on the server's side: the alert goes out, and the reason comes to us.

asyncio and uvloop drop both (cpython#98078): when a client's certificate fails, they close the
connection before OpenSSL's alert has left, and log nothing. The ``SSLObject`` here keeps the error,
reports it, asks the loop for one more round, in which the alert is sent, and only then lets it fail.
"""

import _ssl
import ssl
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from mutua.pki.thumbprints import x5t_s256
from mutua.reasons import Reason
from mutua.tls.alerts import alert_in

_HANDSHAKE_RECORD = 22
_CERTIFICATE_MESSAGE = 11
_TLS13 = 0x0304


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeFailure:
    """A handshake that failed, as the server saw it.

    Attributes:
        reason: the stable reason.
        detail: OpenSSL's words, for the log.
        thumbprint: x5t#S256 of the certificate that was shown, if one was.
        certificate: that certificate, in DER.
    """

    reason: Reason
    detail: str
    thumbprint: str | None = None
    certificate: bytes | None = field(default=None, repr=False)


handshake_observer: ContextVar[Callable[[HandshakeFailure], None] | None] = ContextVar(
    "mutua_handshake_observer", default=None
)
"""Whom a failing handshake is reported to: set where the connection is accepted, so that the address is known."""

_VERIFY_REASONS = {
    2: Reason.UNKNOWN_ISSUER,  # X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT
    7: Reason.UNKNOWN_ISSUER,  # CERT_SIGNATURE_FAILURE: an issuer of the same name, with another key
    9: Reason.NOT_YET_VALID,
    10: Reason.EXPIRED,
    18: Reason.UNKNOWN_ISSUER,  # DEPTH_ZERO_SELF_SIGNED_CERT
    19: Reason.UNKNOWN_ISSUER,  # SELF_SIGNED_CERT_IN_CHAIN
    20: Reason.UNKNOWN_ISSUER,  # UNABLE_TO_GET_ISSUER_CERT_LOCALLY
    21: Reason.UNKNOWN_ISSUER,  # UNABLE_TO_VERIFY_LEAF_SIGNATURE
    23: Reason.REVOKED,
    24: Reason.UNKNOWN_ISSUER,  # INVALID_CA: signed by a certificate that is no CA
    26: Reason.WRONG_PURPOSE,
    27: Reason.UNKNOWN_ISSUER,  # CERT_UNTRUSTED
    66: Reason.WEAK_KEY,  # EE_KEY_TOO_SMALL
    67: Reason.WEAK_KEY,  # CA_KEY_TOO_SMALL
    68: Reason.WEAK_KEY,  # CA_MD_TOO_WEAK
}


def classify(error: ssl.SSLError) -> tuple[Reason, str]:
    """The reason and the detail of an error that ``do_handshake`` raised on a server."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = _VERIFY_REASONS.get(error.verify_code, Reason.HANDSHAKE_FAILED)
        return reason, f"{error.verify_message} (OpenSSL verify code {error.verify_code})"
    if error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return Reason.NO_CERTIFICATE, "the client sent no certificate"
    if alert := alert_in(error):
        return Reason.HANDSHAKE_FAILED, f"the client ended the handshake with the alert {alert}"
    return Reason.HANDSHAKE_FAILED, error.reason or str(error)


class ObservedSSLObject(ssl.SSLObject):
    """An ``SSLObject`` whose failing handshake is reported and whose alert reaches the client."""

    _observer: Callable[[HandshakeFailure], None] | None = None
    _error: ssl.SSLError | None = None
    _shown: bytes | None = None
    _begun = False

    @classmethod
    def _create(cls, *arguments: Any, context: ssl.SSLContext, **options: Any) -> "ObservedSSLObject":
        # OpenSSL copies a context's callback when it makes a connection, and never later.
        _set_message_callback(context, _remember_certificate)
        try:
            made: ObservedSSLObject = super()._create(*arguments, context=context, **options)  # type: ignore[misc]
        finally:
            _set_message_callback(context, None)
        return made

    def do_handshake(self) -> None:
        if self._error is not None:
            raise self._error
        try:
            if self._begun:
                _set_message_callback(self.context, _remember_certificate)
            else:
                # The first flight is the ClientHello, which no certificate comes with.
                self._begun, self._observer = True, handshake_observer.get()
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self._fail(error)
        finally:
            _set_message_callback(self.context, None)
        self._shown = None

    def _fail(self, error: ssl.SSLError) -> None:
        self._error = error
        if self._observer is not None:
            reason, detail = classify(error)
            shown = x5t_s256(self._shown) if self._shown else None
            failure = HandshakeFailure(reason=reason, detail=detail, thumbprint=shown, certificate=self._shown)
            self._observer(failure)
        raise ssl.SSLWantReadError from None


def observe(context: ssl.SSLContext) -> None:
    """Make the handshakes of a server's context report their failures to ``handshake_observer``."""
    context.sslobject_class = ObservedSSLObject


_set_message_callback = _ssl._SSLContext._msg_callback.__set__  # type: ignore[attr-defined]  # noqa: SLF001
"""Watch the messages of a context's connections, or with ``None`` no longer.

The only way to a certificate that OpenSSL rejected, for getpeercert() has none then. It is on for no longer than
it is needed, and set below the wrapper of ssl.SSLContext, which makes enums of every message: both would cost a
tenth of a handshake.
"""


def _remember_certificate(
    connection: Any, direction: str, version: int, content_type: int, message_type: int, data: bytes
) -> None:
    if direction == "read" and content_type == _HANDSHAKE_RECORD and message_type == _CERTIFICATE_MESSAGE:
        connection._shown = shown_leaf(data, tls13=version == _TLS13)  # noqa: SLF001


def shown_leaf(message: bytes, *, tls13: bool) -> bytes | None:
    """The DER of the first certificate in a Certificate message (RFC 8446 section 4.4.2, RFC 5246 section 7.4.2).

    ``None`` where the list is empty, as from a client that has no certificate.
    """
    start = 4
    if tls13:
        start += 1 + message[start] if len(message) > start else 0
    start += 3
    size = int.from_bytes(message[start : start + 3])
    leaf = message[start + 3 : start + 3 + size]
    return leaf if size and len(leaf) == size else None

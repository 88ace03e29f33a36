"""What a handshake was made of: version, suite, ALPN, and the certificates that went either way."""

import _ssl
import ssl
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509

from mutua.errors import UnreadableCertificate
from mutua.pki.certificates import read_certificate

_HANDSHAKE_RECORD = 22
_CERTIFICATE, _CERTIFICATE_REQUEST = 11, 13
_TLS13 = 0x0304

MAX_SHOWN = 32
"""Certificates of a chain that are looked at; the longest that was ever deployed has a handful."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFacts:
    """What is known of a connection's TLS, as far as the handshake came.

    Attributes:
        version: ``TLSv1.3``; empty before the handshake was over.
        suite: OpenSSL's name of the cipher suite, or empty.
        alpn: the protocol that was agreed on, or empty.
        received: what the server sent, leaf first, trusted or not; also when it was refused.
        verified: the path that was found from it to an anchor; empty when it was refused.
        asked: whether the server asked for a client certificate.
        presented: whether one was sent.
    """

    version: str = ""
    suite: str = ""
    alpn: str = ""
    received: tuple[x509.Certificate, ...] = ()
    verified: tuple[x509.Certificate, ...] = ()
    asked: bool = False
    presented: bool = False


@dataclass(slots=True)
class HandshakeWatch:
    """Watches the one handshake of a context; set before the connection is made.

    OpenSSL has no other way to a certificate that was refused: ``tls.handshake`` says more.
    """

    context: ssl.SSLContext
    _received: list[bytes] = field(default_factory=list)
    _asked: bool = False
    _presented: bool = False

    def __post_init__(self) -> None:
        _set_message_callback(self.context, self._message)

    def facts(self, secured: ssl.SSLSocket | None) -> TlsFacts:
        """What was seen.

        Args:
            secured: the connection, once its handshake is over.
        """
        shown = TlsFacts(received=_readable(self._received), asked=self._asked, presented=self._presented)
        if secured is None:
            return shown
        suite = secured.cipher()
        return TlsFacts(
            version=secured.version() or "",
            suite=suite[0] if suite else "",
            alpn=secured.selected_alpn_protocol() or "",
            received=shown.received,
            verified=_readable(_verified(secured)),
            asked=shown.asked,
            presented=shown.presented,
        )

    def _message(self, _connection: Any, direction: str, version: int, record: int, kind: int, data: bytes) -> None:
        if record != _HANDSHAKE_RECORD:
            return
        if kind == _CERTIFICATE:
            certificates = certificates_of(data, tls13=version == _TLS13)
            if direction == "read":
                self._received = certificates
            else:
                self._presented = bool(certificates)
        self._asked = self._asked or (kind == _CERTIFICATE_REQUEST and direction == "read")


_set_message_callback = _ssl._SSLContext._msg_callback.__set__  # type: ignore[attr-defined]  # noqa: SLF001


def certificates_of(message: bytes, *, tls13: bool) -> list[bytes]:
    """The certificates of a Certificate message in DER (RFC 8446 section 4.4.2, RFC 5246 section 7.4.2).

    What does not add up ends the list; OpenSSL judges the message, not this.
    """
    at = 4
    if tls13 and len(message) > at:
        at += 1 + message[at]
    at += 3
    found: list[bytes] = []
    while at + 3 <= len(message) and len(found) < MAX_SHOWN:
        end = at + 3 + int.from_bytes(message[at : at + 3])
        if end > len(message) or end == at + 3:
            break
        found.append(message[at + 3 : end])
        at = end + (2 + int.from_bytes(message[end : end + 2]) if tls13 else 0)
    return found


def _readable(chain: list[bytes]) -> tuple[x509.Certificate, ...]:
    read: list[x509.Certificate] = []
    for der in chain:
        try:
            read.append(read_certificate(der))
        except UnreadableCertificate:
            break
    return tuple(read)


def _verified(secured: Any) -> list[bytes]:
    if hasattr(secured, "get_verified_chain"):  # public from Python 3.13
        return list(secured.get_verified_chain() or ())
    chain = secured._sslobj.get_verified_chain()  # noqa: SLF001 -- undocumented until 3.13
    return [certificate.public_bytes(_ssl.ENCODING_DER) for certificate in chain or ()]

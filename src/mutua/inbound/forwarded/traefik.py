"""Traefik: ``X-Forwarded-Tls-Client-Cert`` of its middleware ``passTLSClientCert`` with ``pem: true``.

For each certificate that the client sent, the leaf first, the base64 of its PEM in one line, with commas between them.
Up to Traefik 2.9.3 each is percent-encoded, since then none is (traefik#9412).
"""

from dataclasses import dataclass
from typing import ClassVar

from mutua.inbound.forwarded.certificate import ForwardedCertificate
from mutua.inbound.forwarded.decoding import base64_decoded, percent_decoded
from mutua.inbound.forwarded.fields import Fields, Values
from mutua.pki.chains import MAX_GIVEN

CERTIFICATE = "x-forwarded-tls-client-cert"


@dataclass(frozen=True, slots=True)
class Traefik:
    """Traefik, old and new."""

    name: ClassVar[str] = "traefik"
    headers: ClassVar[tuple[str, ...]] = (CERTIFICATE,)

    def read(self, values: Values) -> ForwardedCertificate | None:
        """The certificate, or ``None`` where the proxy says that there is none.

        Raises:
            MalformedForward: it is not base64 with commas between the certificates, escaped throughout or not at all.
        """
        text = Fields.take(values, self.headers).one(CERTIFICATE)
        if not text:
            return None
        escaped = b"%" in text
        leaf, *chain = (_decoded(each, escaped=escaped) for each in text.split(b",", MAX_GIVEN + 1))
        return ForwardedCertificate(leaf, tuple(chain))


def _decoded(text: bytes, *, escaped: bool) -> bytes:
    return base64_decoded(CERTIFICATE, percent_decoded(CERTIFICATE, text) if escaped else text)

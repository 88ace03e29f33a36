"""RFC 9440: ``Client-Cert`` and ``Client-Cert-Chain``, what a proxy of no particular make should send.

HAProxy, for one, writes it with ``http-request set-header Client-Cert :%[ssl_c_der,base64]: if { ssl_c_used }``, after
``http-request del-header Client-Cert``.
"""

from dataclasses import dataclass
from typing import ClassVar

from mutua.inbound.forwarded.certificate import ForwardedCertificate, malformed
from mutua.inbound.forwarded.decoding import base64_decoded
from mutua.inbound.forwarded.fields import Fields, Values
from mutua.pki.chains import MAX_GIVEN

CERTIFICATE = "client-cert"
CHAIN = "client-cert-chain"


@dataclass(frozen=True, slots=True)
class Rfc9440:
    """RFC 9440 with Structured Fields of RFC 9651."""

    name: ClassVar[str] = "rfc9440"
    headers: ClassVar[tuple[str, ...]] = (CERTIFICATE, CHAIN)

    def read(self, values: Values) -> ForwardedCertificate | None:
        """The certificate, or ``None`` where the proxy says that there is none.

        Raises:
            MalformedForward: ``Client-Cert`` is not one byte sequence, or ``Client-Cert-Chain`` not a list of them, or
                it stands alone (section 2.3).
        """
        fields = Fields.take(values, self.headers)
        certificate, chain = fields.one(CERTIFICATE), fields.joined(CHAIN)
        if not certificate and chain:
            raise malformed(CHAIN, f"is there without {CERTIFICATE}")
        if not certificate:
            return None
        members = chain.split(b",", MAX_GIVEN + 1) if chain else ()
        return ForwardedCertificate(
            _byte_sequence(CERTIFICATE, certificate), tuple(_byte_sequence(CHAIN, each.strip(b" ")) for each in members)
        )


def _byte_sequence(name: str, item: bytes) -> bytes:
    """A byte sequence (RFC 9651 section 3.3.5). RFC 9440 gives it no parameters, so none are read over."""
    if len(item) < 2 or not (item.startswith(b":") and item.endswith(b":")):
        raise malformed(name, "is not base64 between colons, as RFC 9440 has it")
    return base64_decoded(name, item[1:-1])

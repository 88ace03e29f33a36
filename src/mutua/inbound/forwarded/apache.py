"""Apache: ``SSL_CLIENT_CERT``, PEM with a space for each end of line, and ``(null)`` where there is none.

::

    RequestHeader set x-ssl-client-cert         "%{SSL_CLIENT_CERT}s"
    RequestHeader set x-ssl-client-cert-chain-0 "%{SSL_CLIENT_CERT_CHAIN_0}s"
    RequestHeader set x-ssl-client-cert-chain-1 "%{SSL_CLIENT_CERT_CHAIN_1}s"

The names are ours, after mod_ssl's variables.
"""

from dataclasses import dataclass
from typing import ClassVar

from mutua.errors import InvalidSettings
from mutua.inbound.forwarded.certificate import ForwardedCertificate, malformed
from mutua.inbound.forwarded.decoding import pem_certificates
from mutua.inbound.forwarded.fields import Fields, Values, check_names
from mutua.pki.chains import MAX_DEPTH

_NULL = b"(null)"
_LABEL = (b"BEGIN\nCERTIFICATE", b"BEGIN CERTIFICATE"), (b"END\nCERTIFICATE", b"END CERTIFICATE")


@dataclass(frozen=True, slots=True)
class Apache:
    """Apache httpd with mod_ssl and mod_headers.

    Args:
        certificate: the header with ``SSL_CLIENT_CERT``, in lower case.
        chain: what the headers with ``SSL_CLIENT_CERT_CHAIN_n`` begin with, in lower case; the number follows.
        depth: how many of those there are at most, 0 to 8. All may be missing in a request.

    Raises:
        InvalidSettings: a name is not a lower-case header name, or the depth is out of bounds.
    """

    certificate: str = "x-ssl-client-cert"
    chain: str = "x-ssl-client-cert-chain-"
    depth: int = MAX_DEPTH
    name: ClassVar[str] = "apache"

    def __post_init__(self) -> None:
        if not 0 <= self.depth <= MAX_DEPTH:
            raise InvalidSettings(f"a chain of {self.depth} headers", hint=f"give 0 to {MAX_DEPTH}")
        check_names(*self.headers)

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers it reads."""
        return self.certificate, *(f"{self.chain}{number}" for number in range(self.depth))

    def read(self, values: Values) -> ForwardedCertificate | None:
        """The certificate, or ``None`` where the proxy says that there is none.

        Raises:
            MalformedForward: a header is not one certificate, the chain has a gap, or it is there alone.
        """
        fields = Fields.take(values, self.headers)
        found = [_certificate(name, fields.one(name)) for name in self.headers]
        shown = [each for each in found if each is not None]
        for name, each in zip(self.headers, found[: len(shown)], strict=False):
            if each is None:
                raise malformed(name, "is missing, and one that comes behind it is there")
        return ForwardedCertificate(shown[0], tuple(shown[1:])) if shown else None


def _certificate(name: str, text: bytes) -> bytes | None:
    if text in {b"", _NULL}:
        return None
    # The last of the spaces is gone where a server strips white space behind a value (RFC 9110 section 5.5).
    pem = text.removesuffix(b" ").replace(b" ", b"\n") + b"\n"
    for folded, label in _LABEL:
        pem = pem.replace(folded, label)
    found = pem_certificates(name, pem)
    if len(found) != 1:
        raise malformed(name, f"holds {len(found)} certificates")
    return found[0]

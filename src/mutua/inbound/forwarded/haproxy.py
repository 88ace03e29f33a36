"""HAProxy: base64 of DER.

::

    http-request set-header x-ssl-client-cert  %[ssl_c_der,base64]
    http-request set-header x-ssl-client-chain %[ssl_c_chain_der,base64]

The names are ours, in the manner of those in HAProxy's own examples (``X-SSL-Client-DN``). Without a certificate the
headers are empty. On a resumed session there is no chain.
"""

from dataclasses import dataclass
from typing import ClassVar

from mutua.inbound.forwarded.certificate import ForwardedCertificate, malformed, split_der
from mutua.inbound.forwarded.decoding import base64_decoded
from mutua.inbound.forwarded.fields import Fields, Values, check_names


@dataclass(frozen=True, slots=True)
class HaProxy:
    """HAProxy, and whatever else sends base64 of DER, such as Caddy's ``tls_client_certificate_der_base64``.

    Args:
        certificate: the header with ``ssl_c_der``, in lower case.
        chain: the header with ``ssl_c_chain_der``, in lower case. It may be missing in a request.

    Raises:
        InvalidSettings: a name is not a lower-case header name, or both are the same.
    """

    certificate: str = "x-ssl-client-cert"
    chain: str = "x-ssl-client-chain"
    name: ClassVar[str] = "haproxy"

    def __post_init__(self) -> None:
        check_names(*self.headers)

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers it reads."""
        return self.certificate, self.chain

    def read(self, values: Values) -> ForwardedCertificate | None:
        """The certificate, or ``None`` where the proxy says that there is none.

        Raises:
            MalformedForward: it is not base64 of one certificate, the chain not of certificates one behind the other,
                or the chain is there alone.
        """
        fields = Fields.take(values, self.headers)
        certificate, chain = fields.one(self.certificate), fields.one(self.chain)
        if not certificate and chain:
            raise malformed(self.chain, f"is there without {self.certificate}")
        if not certificate:
            return None
        rest = split_der(self.chain, base64_decoded(self.chain, chain)) if chain else ()
        return ForwardedCertificate(base64_decoded(self.certificate, certificate), rest)

"""nginx: ``$ssl_client_escaped_cert``, percent-encoded PEM of the leaf. nginx knows no variable for the chain.

::

    proxy_set_header ssl-client-cert   $ssl_client_escaped_cert;
    proxy_set_header ssl-client-verify $ssl_client_verify;

nginx itself names no headers. These are the names that Kubernetes' ingress-nginx sends, and Keycloak expects. An empty
variable makes ``proxy_set_header`` send none, and none of the client's either.
"""

from dataclasses import dataclass
from typing import ClassVar

from mutua.inbound.forwarded.certificate import ForwardedCertificate, malformed
from mutua.inbound.forwarded.decoding import pem_certificates, percent_decoded
from mutua.inbound.forwarded.fields import Fields, Values, check_names

_NONE = b"NONE"
_SUCCESS = b"SUCCESS"
_FAILED = b"FAILED:"


@dataclass(frozen=True, slots=True)
class Nginx:
    """nginx and what is made from it.

    Args:
        certificate: the header with ``$ssl_client_escaped_cert``, in lower case.
        verify: the header with ``$ssl_client_verify``, in lower case. It may be missing in a request.

    Raises:
        InvalidSettings: a name is not a lower-case header name, or both are the same.
    """

    certificate: str = "ssl-client-cert"
    verify: str = "ssl-client-verify"
    name: ClassVar[str] = "nginx"

    def __post_init__(self) -> None:
        check_names(*self.headers)

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers it reads."""
        return self.certificate, self.verify

    def read(self, values: Values) -> ForwardedCertificate | None:
        """The certificate, or ``None`` where the proxy says that there is none.

        One that nginx could not verify (``FAILED:...``, with ``optional_no_ca``) is given too: whoever asks judges it
        anew in any case.

        Raises:
            MalformedForward: it is not one certificate, or the two headers contradict each other.
        """
        fields = Fields.take(values, self.headers)
        certificate, verify = fields.one(self.certificate), fields.one(self.verify)
        shown = verify == _SUCCESS or verify.startswith(_FAILED)
        if verify and verify != _NONE and not shown:
            raise malformed(self.verify, "is none of SUCCESS, FAILED:reason and NONE")
        if verify and shown != bool(certificate):
            raise malformed(self.verify, f"contradicts {self.certificate}")
        if not certificate:
            return None
        found = pem_certificates(self.certificate, percent_decoded(self.certificate, certificate))
        if len(found) != 1:
            raise malformed(self.certificate, f"holds {len(found)} certificates")
        return ForwardedCertificate(found[0])

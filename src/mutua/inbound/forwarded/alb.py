"""AWS Application Load Balancer: percent-encoded PEM with ``+/=`` as they are.

In verify mode every request comes with ``X-Amzn-Mtls-Clientcert-Leaf``, in passthrough mode with
``X-Amzn-Mtls-Clientcert``, the chain as the client sent it, if it sent any. A listener has one mode: the header of the
other is the client's own work. AWS does not say what becomes of a client's copy of the passthrough header where the
client shows no certificate; verify mode leaves no room for one.

AWS calls ``+/=`` safe, and escapes them in its examples: both are read.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from mutua.inbound.forwarded.certificate import ForwardedCertificate, malformed
from mutua.inbound.forwarded.decoding import pem_certificates, percent_decoded
from mutua.inbound.forwarded.fields import Fields, Values, check_names


class Mode(StrEnum):
    """The mutual TLS mode of the listener."""

    VERIFY = "verify"
    PASSTHROUGH = "passthrough"


@dataclass(frozen=True, slots=True)
class Alb:
    """An Application Load Balancer.

    Args:
        mode: as its listener is set up.
        leaf: the header of verify mode, in lower case, where the listener renames it.
        chain: the header of passthrough mode, in lower case, where the listener renames it.

    Raises:
        InvalidSettings: a name is not a lower-case header name, or both are the same.
    """

    mode: Mode = Mode.VERIFY
    leaf: str = "x-amzn-mtls-clientcert-leaf"
    chain: str = "x-amzn-mtls-clientcert"
    name: ClassVar[str] = "alb"

    def __post_init__(self) -> None:
        check_names(*self.headers)

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers it reads."""
        return self.leaf, self.chain

    def read(self, values: Values) -> ForwardedCertificate | None:
        """The certificate, or ``None`` where the proxy says that there is none.

        Raises:
            MalformedForward: it is not percent-encoded PEM, several certificates in verify mode, or the other mode's
                header is there.
        """
        name, other = self.headers if self.mode is Mode.VERIFY else self.headers[::-1]
        fields = Fields.take(values, self.headers)
        if fields.lines[other]:
            raise malformed(other, f"is there, which a load balancer in {self.mode} mode does not send")
        text = fields.one(name)
        if not text:
            return None
        leaf, *chain = pem_certificates(name, percent_decoded(name, text, raw=b"+/="))
        if chain and self.mode is Mode.VERIFY:
            raise malformed(name, f"holds {1 + len(chain)} certificates")
        return ForwardedCertificate(leaf, tuple(chain))

"""The dialects in which proxies forward client certificates, by the names that settings give them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Protocol

from mutua.inbound.forwarded.alb import Alb
from mutua.inbound.forwarded.apache import Apache
from mutua.inbound.forwarded.certificate import ForwardedCertificate
from mutua.inbound.forwarded.fields import Values
from mutua.inbound.forwarded.haproxy import HaProxy
from mutua.inbound.forwarded.nginx import Nginx
from mutua.inbound.forwarded.rfc9440 import Rfc9440
from mutua.inbound.forwarded.traefik import Traefik
from mutua.inbound.forwarded.xfcc import Xfcc


class Dialect(Protocol):
    """How one make of proxy writes a client certificate into headers.

    Attributes:
        name: as settings name it.
    """

    name: ClassVar[str]

    @property
    def headers(self) -> tuple[str, ...]:
        """The names of the headers it reads, in lower case: what nobody but the proxy may set."""
        ...

    def read(self, values: Values) -> ForwardedCertificate | None:
        """The certificate, or ``None`` where the proxy says that the client showed none.

        Args:
            values: by lower-case name every line of every header in ``headers``; other names are passed over.

        Raises:
            MalformedForward: anything else than exactly one well-formed certificate, and nothing else is raised.
        """
        ...


Maker = type[Rfc9440 | Xfcc | Nginx | Alb | Traefik | HaProxy | Apache]

DIALECTS: Mapping[str, Maker] = MappingProxyType(
    {each.name: each for each in (Rfc9440, Xfcc, Nginx, Alb, Traefik, HaProxy, Apache)}
)
"""By name the class of each. Made without arguments they are as their documentation says."""

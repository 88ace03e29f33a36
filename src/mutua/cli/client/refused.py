"""What ``--refused`` names: the certificate of a recent refusal, and what was wrong with it then."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from cryptography import x509

from mutua.home.home import Home
from mutua.inbound.seen.workers import refused_certificate
from mutua.pki.certificates import names_of, read_certificate
from mutua.pki.dn import DistinguishedName
from mutua.pki.thumbprints import x5t_s256
from mutua.reasons import Reason

_MENDED = {Reason.UNKNOWN_ISSUER.value, Reason.UNKNOWN_CLIENT.value}
"""The reasons that are gone once somebody is known by the certificate."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A certificate that a gate has refused.

    Attributes:
        refusal: as ``mutua gate refusals`` has it.
        certificate: what was shown.
    """

    refusal: Mapping[str, Any]
    certificate: x509.Certificate

    @classmethod
    def find(cls, home: Home, identifier: str) -> Self:
        """Ask the gates that run.

        Raises:
            InvalidInput: none remembers it, or there was no certificate.
            UnreadableCertificate: what was shown is none.
        """
        refusal, der = refused_certificate(home.path, identifier)
        return cls(refusal, read_certificate(der))

    def shown(self) -> Iterator[tuple[str, str]]:
        """What it is, for whoever decides."""
        said = self.refusal
        yield "refused", f"{said['time']} {said['reason']} from {said['peer']}: {said['detail']}"
        yield "thumbprint", x5t_s256(self.certificate)
        yield "issuer", str(DistinguishedName.of(self.certificate.issuer)) or "without a name"
        if names := names_of(self.certificate):
            yield "names", ", ".join(map(str, names))

    def warnings(self, client: str) -> Iterator[str]:
        """What is to be thought of before it counts."""
        yield f"anybody can write these names into a certificate: ask {client} for its thumbprint, on another way"
        if self.refusal["reason"] not in _MENDED:
            yield f"it was refused as {self.refusal['reason']}, which this does not change"

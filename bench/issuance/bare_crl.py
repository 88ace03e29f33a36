"""The floor of a CRL: the list of revocations given to cryptography's constructor at once."""

from collections.abc import Callable
from itertools import islice

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from bench.issuance.crl_process import NEXT_UPDATE, REASONS, Maker, revocations
from bench.issuance.issuer import Issuer, extension, now


class BareCrl(Maker):
    """From serials, moments and reasons in memory to DER."""

    def ready(self) -> Callable[[], bytes]:
        issuer, moment = Issuer.make(), now()
        revoked = list(islice(revocations(self.revoked), self.revoked // self.parts))
        reasons = {reason: [extension(x509.CRLReason(x509.ReasonFlags[reason]))] for reason in REASONS}
        reasons["unspecified"] = []
        extensions = [extension(x509.CRLNumber(1)), extension(issuer.key_identifier)]

        def make() -> bytes:
            builder = x509.CertificateRevocationListBuilder(
                issuer_name=issuer.certificate.subject,
                last_update=moment,
                next_update=moment + NEXT_UPDATE,
                extensions=extensions,
                revoked_certificates=[
                    x509.RevokedCertificateBuilder(serial, at, reasons[reason]).build()
                    for serial, at, reason in revoked
                ],
            )
            return builder.sign(issuer.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

        return make

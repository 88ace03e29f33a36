"""The bare loop: what the cryptography itself costs, with nothing decided and nothing kept."""

import secrets
import time
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from bench.issuance.issuer import BASIC_CONSTRAINTS, EXTENDED_KEY_USAGE, LIFETIME, Issuer, extension, key_usage, now
from bench.issuance.rounds import BARE, Contestant


class Bare(Contestant):
    """Parse, check, build, sign, PEM.

    Extensions that never change are made once, and the builder's constructor takes everything at once: the chained
    methods that cryptography documents take 12 % longer, and this is to be the floor.
    """

    name = BARE
    kept = "nowhere"

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer.certificate
        self._key = issuer.key
        self._constant = [
            extension(BASIC_CONSTRAINTS, critical=True),
            extension(key_usage(), critical=True),
            extension(EXTENDED_KEY_USAGE),
            extension(issuer.key_identifier),
        ]

    def issue(self, csrs: Sequence[bytes]) -> float:
        began = time.perf_counter()
        self.issued = [self._one(csr) for csr in csrs]
        return time.perf_counter() - began

    def _one(self, pem: bytes) -> bytes:
        csr = x509.load_pem_x509_csr(pem)
        if not csr.is_signature_valid:
            raise ValueError("the request is not signed with its key")
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        public_key, moment = csr.public_key(), now()
        identifier = extension(x509.SubjectKeyIdentifier.from_public_key(public_key))
        builder = x509.CertificateBuilder(
            issuer_name=self.issuer.subject,
            subject_name=csr.subject,
            public_key=public_key,
            serial_number=secrets.randbits(128) or 1,
            not_valid_before=moment,
            not_valid_after=moment + LIFETIME,
            extensions=[*self._constant, identifier, names],
        )
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

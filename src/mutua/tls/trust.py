"""Trust: the certificates I believe. Verification starts there and is never off."""

import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography import x509

from mutua.errors import UnreadableCertificate
from mutua.pki.certificates import MAX_BUNDLE_BYTES, common_name, issued_by, read_certificates, write_der
from mutua.tls.contexts import client_context
from mutua.tls.files import read_file

MAX_PATH = 8
"""Certificates in a path that is rebuilt; OpenSSL stops at 100, real hierarchies at 4."""


@dataclass(frozen=True, slots=True, repr=False)
class Trust:
    """Anchors, and optionally those of the operating system.

    Attributes:
        anchors: CA certificates; a path must end at one that is self-signed.
        include_system: whether the operating system's anchors count as well.
        partners: certificates of others that a path may end at too, whoever signed them: CAs below one that is not
            believed, and certificates that are known one by one.
        intermediates: CAs of partners that complete a path, and that none ends at.
    """

    anchors: tuple[x509.Certificate, ...] = ()
    include_system: bool = False
    partners: tuple[x509.Certificate, ...] = ()
    intermediates: tuple[x509.Certificate, ...] = ()

    def __post_init__(self) -> None:
        if not self.anchors and not self.include_system:
            raise UnreadableCertificate("trust needs at least one CA certificate", hint="give a bundle with --trust")

    @classmethod
    def load(cls, *sources: str | os.PathLike[str] | bytes) -> "Trust":
        """Trust exactly the CA certificates of these PEM bundles or DER files, given as paths or bytes.

        Raises:
            UnreadableFile, UnreadableCertificate: one of them cannot be read.
        """
        anchors: list[x509.Certificate] = []
        for source in sources:
            data = source if isinstance(source, bytes) else read_file(source, MAX_BUNDLE_BYTES)
            anchors.extend(read_certificates(data))
        return cls(tuple(anchors))

    @classmethod
    def system(cls) -> "Trust":
        """Trust what the operating system trusts: for servers with a public certificate."""
        return cls(include_system=True)

    def client_context(self) -> ssl.SSLContext:
        """A plain ``ssl.SSLContext`` for a client without an identity, host names checked."""
        return client_context(self)

    def load_into(self, context: ssl.SSLContext) -> None:
        """Make these the anchors of ``context``.

        Raises:
            UnreadableCertificate: OpenSSL cannot read one of them.
        """
        if anchors := self.anchors + self.partners:
            try:
                context.load_verify_locations(cadata=b"".join(map(write_der, anchors)))
            except ssl.SSLError as error:
                raise UnreadableCertificate(f"OpenSSL cannot read a CA certificate: {error}") from None
        if self.partners:
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            # Ours stand the strict test; what others issue is what it is, and is known by its key or whole.
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if self.include_system:
            context.load_default_certs(
                ssl.Purpose.SERVER_AUTH if context.protocol == ssl.PROTOCOL_TLS_CLIENT else ssl.Purpose.CLIENT_AUTH
            )

    def path(self, leaf: x509.Certificate) -> tuple[x509.Certificate, ...]:
        """The path from ``leaf`` up through these anchors, each signature checked, as far as it goes.

        A resumed TLS session has lost the path that its first handshake verified; this finds it again.
        """
        path = [leaf]
        while path[-1].subject != path[-1].issuer and len(path) < MAX_PATH:
            issuer = next((each for each in self._authorities() if issued_by(path[-1], each)), None)
            if issuer is None:
                break
            path.append(issuer)
        return tuple(path)

    def _authorities(self) -> Iterator[x509.Certificate]:
        yield from self.anchors
        yield from self.partners
        yield from self.intermediates

    def __repr__(self) -> str:
        names = [common_name(anchor.subject) for anchor in self.anchors] + ["the system's"] * self.include_system
        return f"<Trust {', '.join(names)}>"

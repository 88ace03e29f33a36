"""PeerCertificate: the certificate the other side proved to hold, as every door hands it to the gate."""

import _ssl
import ssl
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mutua.errors import UnreadableCertificate
from mutua.pki.certificates import read_certificate
from mutua.pki.foreign import MALFORMED, parsing
from mutua.pki.keys import PublicKey
from mutua.pki.thumbprints import spki_s256, x5t_s256

if TYPE_CHECKING:
    from mutua.tls.trust import Trust


REMEMBERED = 1024
"""Peers whose certificate need not be parsed again when they connect again; about 5 KiB each."""


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """A verified peer certificate.

    Attributes:
        leaf: the certificate whose key the peer holds.
        chain: the verified path in DER, the leaf first, the root last.
        thumbprint: the leaf's x5t#S256.
        not_before, not_after: the leaf's validity, UTC.
        resumed: whether the TLS session was resumed, so that no certificate was verified in this handshake.
        begins, ends: the leaf's validity again, in seconds since 1970: reckoned once, for many decisions.
    """

    leaf: x509.Certificate = field(repr=False)
    chain: tuple[bytes, ...] = field(repr=False)
    thumbprint: str
    not_before: datetime
    not_after: datetime
    resumed: bool = False
    begins: float = field(init=False, repr=False, compare=False)
    ends: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "begins", self.not_before.timestamp())
        object.__setattr__(self, "ends", self.not_after.timestamp())

    @property
    def key(self) -> str:
        """The SPKI hash of the leaf's key."""
        return _key(self.chain[0])

    @property
    def issuer_keys(self) -> tuple[str, ...]:
        """The SPKI hashes of the CAs on the verified path, from the leaf's issuer up; none where no path is known."""
        return tuple(map(_key, self.chain[1:]))

    @classmethod
    def read(cls, chain: tuple[bytes, ...], *, resumed: bool = False) -> "PeerCertificate":
        """Read the chain a TLS layer has verified, each certificate in DER.

        Raises:
            UnreadableCertificate: the leaf cannot be read.
        """
        return _read(chain, resumed)

    @classmethod
    def of_connection(
        cls, connection: ssl.SSLObject | ssl.SSLSocket, trust: "Trust | None" = None
    ) -> "PeerCertificate | None":
        """The peer of a finished handshake; ``None`` where it showed no certificate.

        Args:
            connection: a connection whose context demanded verification.
            trust: rebuilds the path of a resumed session, which OpenSSL has forgotten.
        """
        leaf = connection.getpeercert(binary_form=True)
        if leaf is None:
            return None
        chain = _verified_chain(connection)
        if not chain:
            path = trust.path(read_certificate(leaf)) if trust else ()
            chain = tuple(each.public_bytes(Encoding.DER) for each in path) or (leaf,)
        return cls.read(chain, resumed=bool(connection.session_reused))


@lru_cache(maxsize=REMEMBERED)
def _read(chain: tuple[bytes, ...], resumed: bool) -> PeerCertificate:  # noqa: FBT001 -- part of the cache's key
    """Parse only what the gate asks for: this runs in every handshake, on what a TLS layer has accepted."""
    refusal = UnreadableCertificate("the peer's certificate cannot be read")
    try:
        with parsing(refusal):
            leaf = x509.load_der_x509_certificate(chain[0])
            not_before, not_after = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    except (ValueError, IndexError, x509.InvalidVersion):
        raise refusal from None
    return PeerCertificate(leaf, chain, x5t_s256(chain[0]), not_before, not_after, resumed)


@lru_cache(maxsize=REMEMBERED)
def _key(der: bytes) -> str:
    """The SPKI hash of a certificate's key; empty for a key that cannot be read, which is nobody's."""
    try:
        with parsing(UnreadableCertificate("the key cannot be read")):
            key = x509.load_der_x509_certificate(der).public_key()
            return spki_s256(key) if isinstance(key, PublicKey) else ""
    except (UnreadableCertificate, *MALFORMED):
        return ""


def _verified_chain(connection: Any) -> tuple[bytes, ...]:
    if hasattr(connection, "get_verified_chain"):  # public from Python 3.13
        return tuple(connection.get_verified_chain() or ())
    chain = connection._sslobj.get_verified_chain()  # noqa: SLF001 -- there since 3.10, undocumented until 3.13
    return tuple(certificate.public_bytes(_ssl.ENCODING_DER) for certificate in chain or ())

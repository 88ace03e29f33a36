"""Identity: a private key with its certificate chain. Who I am."""

import os
import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509

from mutua.errors import KeyMismatch, UnreadableCertificate, UnreadableFile, UnreadableKey
from mutua.pki.certificates import issued_by, names_of, read_certificates, write_pem
from mutua.pki.keys import (
    MAX_KEY_BYTES,
    PrivateKey,
    PublicKey,
    accepted_public_key,
    public_key_bytes,
    read_private_key,
    write_private_key,
)
from mutua.pki.names import Name
from mutua.pki.pem import pem_blocks
from mutua.pki.pkcs12 import MAX_CERTIFICATES, looks_like_pkcs12, read_pkcs12
from mutua.pki.thumbprints import spki_s256, x5t_s256
from mutua.tls.contexts import client_context, server_context
from mutua.tls.files import load_cert_chain, read_file

if TYPE_CHECKING:
    from mutua.tls.trust import Trust

MAX_IDENTITY_BYTES = 256 * 1024
"""A key with a chain of ten RSA-4096 certificates takes under 40 KiB."""

KEY_FILE = "key.pem"
CHAIN_FILE = "chain.pem"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Identity:
    """A private key and its certificate chain, leaf first, without the root.

    Attributes:
        key: the private key; it is in no ``repr`` and no pickle.
        chain: the leaf and the intermediates above it, in order.
    """

    key: PrivateKey
    chain: tuple[x509.Certificate, ...]

    def __post_init__(self) -> None:
        if not self.chain:
            raise UnreadableCertificate("an identity needs a certificate", hint="give the certificate file as well")
        leaf_key = accepted_public_key(self.chain[0].public_key())
        own_key = self.key.public_key()
        if public_key_bytes(leaf_key) != public_key_bytes(own_key):
            raise KeyMismatch(
                f"the key ({spki_s256(own_key)}) does not belong to the certificate ({spki_s256(leaf_key)})",
                hint="find the key that was made with this certificate's request",
            )

    @classmethod
    def load(
        cls,
        source: str | os.PathLike[str] | bytes,
        *,
        key: str | os.PathLike[str] | bytes | None = None,
        password: str | bytes | None = None,
    ) -> "Identity":
        """Load an identity from what one is usually sent.

        Args:
            source: a PEM file with the chain and the key in any order, a PKCS#12 file (``.p12``, ``.pfx``), a
                folder with ``key.pem`` and ``chain.pem``, or the bytes of such a file.
            key: the private key, where it is not in ``source``: a path or the bytes.
            password: opens an encrypted key or PKCS#12 file.

        Raises:
            UnreadableFile, UnreadableKey, UnreadableCertificate: something is missing or damaged.
            EncryptedKey: a password is needed. WrongPassword: it does not open the key.
            KeyMismatch: the key is not the certificate's.
        """
        if not isinstance(source, bytes) and Path(source).is_dir():
            folder = Path(source).resolve()
            try:
                return cls.load(
                    folder / CHAIN_FILE, key=key if key is not None else folder / KEY_FILE, password=password
                )
            except UnreadableFile:
                if Path(source).resolve() == folder:
                    raise
                return cls.load(source, key=key, password=password)  # replaced while we read it
        secret = password.encode() if isinstance(password, str) else password
        data = source if isinstance(source, bytes) else read_file(source, MAX_IDENTITY_BYTES)
        if looks_like_pkcs12(data):
            return cls._of(*read_pkcs12(data, secret))
        certificates = read_certificates(data)
        if key is None:
            key_data = _private_key_block(data)
        else:
            key_data = key if isinstance(key, bytes) else read_file(key, MAX_KEY_BYTES)
        return cls._of(read_private_key(key_data, secret), certificates)

    @classmethod
    def _of(cls, key: PrivateKey, certificates: tuple[x509.Certificate, ...]) -> "Identity":
        """Order the chain from the key's own certificate upwards; certificates that do not belong are left out."""
        if len(certificates) > MAX_CERTIFICATES:
            raise UnreadableCertificate(
                f"{len(certificates)} certificates are too many for an identity", hint="give its own chain only"
            )
        own = public_key_bytes(key.public_key())
        leaf = next((each for each in certificates if _spki(each) == own), certificates[0])
        chain, rest = [leaf], [each for each in certificates if each is not leaf]
        while rest and chain[-1].subject != chain[-1].issuer:
            issuer = next((each for each in rest if issued_by(chain[-1], each)), None)
            if issuer is None or issuer.subject == issuer.issuer:
                break
            chain.append(issuer)
            rest.remove(issuer)
        return cls(key, tuple(chain))

    @property
    def certificate(self) -> x509.Certificate:
        """The leaf."""
        return self.chain[0]

    @property
    def thumbprint(self) -> str:
        """The leaf's x5t#S256."""
        return x5t_s256(self.chain[0])

    @property
    def names(self) -> tuple[Name, ...]:
        """The names the leaf carries."""
        return names_of(self.chain[0])

    @property
    def not_after(self) -> datetime:
        """When the leaf expires, UTC."""
        return self.chain[0].not_valid_after_utc

    def client_context(self, trust: "Trust") -> ssl.SSLContext:
        """A plain ``ssl.SSLContext`` that presents this identity and believes ``trust``, host names checked."""
        context = client_context(trust)
        load_cert_chain(context, self.key, self.chain_pem())
        return context

    def server_context(self, trust: "Trust", *, certificate_optional: bool = False) -> ssl.SSLContext:
        """An ``ssl.SSLContext`` for a server that demands a client certificate which ``trust`` vouches for.

        With ``certificate_optional`` a client may also show none, and a gate has to look at each request.
        """
        context = server_context(trust, certificate_optional=certificate_optional)
        load_cert_chain(context, self.key, self.chain_pem())
        return context

    def chain_pem(self) -> bytes:
        """The chain in PEM, leaf first."""
        return write_pem(self.chain)

    def key_pem(self, password: bytes | None = None) -> bytes:
        """The private key as PKCS#8 in PEM, encrypted if a password is given. The caller keeps it safe."""
        return write_private_key(self.key, password)

    def __repr__(self) -> str:
        names = ", ".join(str(name) for name in self.names)
        return f"<Identity {names or self.thumbprint} until {self.not_after:%Y-%m-%d}>"

    def __reduce__(self) -> str:
        raise TypeError("an Identity holds a private key and cannot be pickled")


def _spki(certificate: x509.Certificate) -> bytes | None:
    key = certificate.public_key()
    return public_key_bytes(key) if isinstance(key, PublicKey) else None


def _private_key_block(data: bytes) -> bytes:
    """The private key's PEM block alone: cryptography reads the first block of a file only."""
    for block in pem_blocks(data):
        if block.label.endswith("PRIVATE KEY"):
            return block.encoding
    raise UnreadableKey("there is no private key in the file", hint="give the key's file with --key")

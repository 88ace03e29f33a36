"""Identity: a private key with its certificate chain. Who I am."""

import os
import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509

from mutua.errors import KeyMismatch, UnreadableCertificate, UnreadableFile
from mutua.pki.certificates import names_of, write_pem
from mutua.pki.chain_order import MissingIssuer, missing_issuer
from mutua.pki.keys import PrivateKey, accepted_public_key, public_key_bytes, write_private_key
from mutua.pki.names import Name
from mutua.pki.thumbprints import spki_s256, x5t_s256
from mutua.tls.contexts import client_context, server_context
from mutua.tls.files import load_cert_chain, read_file
from mutua.tls.identity_parts import assemble, contents_of, is_folder

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
        chain: the leaf and the intermediates above it, in order. This is what is sent.
        root: the self-signed certificate the chain ends at, where it came along; never sent.
    """

    key: PrivateKey
    chain: tuple[x509.Certificate, ...]
    root: x509.Certificate | None = None

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
        """Load an identity from what one is sent: docs/identities.md lists the forms.

        The key decides which certificate is the identity's own; of several that fit, the newest that a CA issued.
        The chain is put in order, and what does not belong to it is left out.

        Args:
            source: the certificates, and the key unless it is apart: a path to PEM, DER, PKCS#12 (``.p12``,
                ``.pfx``) or PKCS#7 (``.p7b``); a folder with ``key.pem`` and ``chain.pem``; the bytes of such a
                file; or a ``str`` that is its contents, PEM or base64, and so is not taken for a path.
            key: the private key, where it is apart, in any of these ways; keys in ``source`` are passed over then.
            password: opens what is encrypted; text is taken as UTF-8.

        Raises:
            UnreadableFile, UnreadableContents, UnreadableKey, UnreadableCertificate: something is missing, damaged,
                or something else.
            EncryptedKey: a password is needed. WrongPassword: it does not open the key.
            KeyMismatch: the key is no certificate's.
        """
        secret = password.encode() if isinstance(password, str) else password
        if not isinstance(source, bytes) and is_folder(source):
            folder = Path(source).resolve()
            try:
                data = read_file(folder / CHAIN_FILE, MAX_IDENTITY_BYTES)
                return cls._of(data, folder / KEY_FILE if key is None else key, secret)
            except UnreadableFile:
                if Path(source).resolve() == folder:
                    raise
                return cls.load(source, key=key, password=password)  # replaced while we read it
        return cls._of(contents_of(source, MAX_IDENTITY_BYTES), key, secret)

    @classmethod
    def _of(cls, data: bytes, key: str | os.PathLike[str] | bytes | None, password: bytes | None) -> "Identity":
        chosen, ordered = assemble(data, None if key is None else contents_of(key, MAX_IDENTITY_BYTES), password)
        return cls(chosen, ordered.chain, ordered.root)

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

    @property
    def missing_issuer(self) -> MissingIssuer | None:
        """Who issued the last of the chain and did not come along; ``None`` where the root did.

        Where ``perhaps_root`` is set, as it is for identities of a home, all that servers need may well be there.
        """
        return missing_issuer(self.chain, self.root)

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

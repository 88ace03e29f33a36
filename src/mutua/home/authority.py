"""The authority at work: ``ca`` decides, a key signs, one transaction commits, and only then it is handed out."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from mutua.errors import UnknownCertificate
from mutua.home.issuing import Issued, Issuing, Order
from mutua.pki.keys import KeyType, PublicKey
from mutua.pki.names import DnsName, Name, parse_name
from mutua.pki.profiles import CLIENT, SERVER, Profile
from mutua.pki.randomness import generate_key
from mutua.store import inventory
from mutua.store.inventory import CertificateRecord, CertificateState, Selection
from mutua.tls.identity import Identity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from cryptography import x509

    from mutua.home.home import Home


class Authority:
    """Certificates for a home's servers and clients: ``home.authority``."""

    def __init__(self, home: "Home") -> None:
        self._home = home
        self.issuing = Issuing(home)

    def issue_server(
        self,
        *names: str,
        key_type: KeyType = KeyType.P256,
        lifetime: timedelta | None = None,
        authority: str | None = None,
    ) -> Identity:
        """Make a key and a server certificate.

        Args:
            names: what clients will call it, such as ``api.acme.example`` and ``127.0.0.1``.
            key_type: P-256 unless said otherwise.
            lifetime: at most 398 days; 90 when not given.
            authority: the id of the CA that is to sign; the one for servers when not given.

        Raises:
            InvalidName, InvalidLifetime: what was asked for is not issued.
        """
        parsed = [parse_name(name) for name in names]
        key = generate_key(key_type)
        made = self._issue(
            Order(profile=SERVER, names=parsed, public_key=key.public_key(), lifetime=lifetime, authority=authority)
        )
        return Identity(key, made.chain)

    def issue_client(
        self,
        client: str,
        *names: str,
        key_type: KeyType = KeyType.P256,
        lifetime: timedelta | None = None,
        authority: str | None = None,
    ) -> Identity:
        """Make a key and a certificate with which a registered client proves itself.

        Args:
            client: its name in the registry.
            names: for the SubjectAltName; the client's name when none is given.
            key_type: P-256 unless said otherwise.
            lifetime: at most 365 days; 90 when not given.
            authority: the id of the CA that is to sign; the one for clients when not given.

        Raises:
            UnknownClient: the registry has none of that name.
            InvalidName, InvalidLifetime: what was asked for is not issued.
        """
        parsed: Sequence[Name] = [parse_name(name) for name in names] or [DnsName(client)]
        self._home.clients.require(client)
        key = generate_key(key_type)
        order = Order(
            profile=CLIENT,
            names=parsed,
            public_key=key.public_key(),
            client=client,
            common_name=client,
            lifetime=lifetime,
            authority=authority,
        )
        return Identity(key, self._issue(order).chain)

    def issue(
        self,
        profile: Profile,
        names: Sequence[Name],
        public_key: PublicKey,
        *,
        client: str | None = None,
        common_name: str = "",
        lifetime: timedelta | None = None,
    ) -> "x509.Certificate":
        """Certify a public key. The certificate is returned once its row and its event are on disk.

        Args:
            profile: ``SERVER`` or ``CLIENT``.
            names: for the SubjectAltName.
            public_key: whose key it is.
            client: the registered client that the certificate will prove; a client certificate that is
                bound to none is valid and unknown.
            common_name: the subject; the first name when not given.
            lifetime: the profile's own when not given.
        """
        order = Order(
            profile=profile,
            names=names,
            public_key=public_key,
            client=client,
            common_name=common_name,
            lifetime=lifetime,
        )
        return self._issue(order).certificate

    def certificates(
        self,
        *,
        client: str | None = None,
        profile: str | None = None,
        authority: str | None = None,
        state: CertificateState | None = None,
        expiring_before: "datetime | None" = None,
        name: str | None = None,
    ) -> "Iterator[CertificateRecord]":
        """The inventory, the newest first, read as it is iterated.

        Args:
            client: only those of this client.
            profile: only those of this profile; without it all but the CAs' own.
            authority: only those that this CA signed.
            state: only those in this state now.
            expiring_before: only those that end before then and have not ended yet.
            name: only those with exactly this name in the SubjectAltName.
        """
        selection = Selection(
            now=self._home.now(),
            client=client,
            profile=profile,
            authority=authority,
            state=state,
            expiring_before=expiring_before,
            name=name,
        )
        with self._home.store.read() as connection:
            yield from inventory.everything(connection, selection)

    def certificate(self, text: str) -> CertificateRecord:
        """One certificate by its thumbprint or serial, or the first 6 characters or more of either.

        Raises:
            UnknownCertificate: none or several match.
        """
        with self._home.store.read() as connection:
            found = inventory.find(connection, text)
        if len(found) != 1:
            problem = "several certificates match" if found else "the inventory has no certificate"
            raise UnknownCertificate(f"{problem} {text[:80]!r}", hint="mutua cert list")
        return found[0]

    def _issue(self, order: Order) -> Issued:
        (issued,) = self.issuing.issue([order])
        if issued.error is not None:
            raise issued.error
        return issued

"""The authority at work: ``ca`` decides, a key signs, one transaction commits, and only then it is handed out."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509

from mutua.ca.issuance import draft_end_entity
from mutua.errors import AlreadyRevoked, InvalidInput, UnknownCertificate, UnknownClient, UnreadableKey, UnreadableStore
from mutua.pki.keys import KeyType, PrivateKey, PublicKey
from mutua.pki.names import DnsName, Name, parse_name
from mutua.pki.profiles import CLIENT, ISSUING_CA, ROOT, SERVER, Profile
from mutua.pki.randomness import generate_key, new_serial
from mutua.registry.clients import Credential, CredentialKind
from mutua.store import authorities, inventory, registry
from mutua.store.authorities import AuthorityRecord
from mutua.store.inventory import CertificateRecord
from mutua.tls.identity import Identity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mutua.home.home import Home

REVOCATION_REASONS = ("unspecified", "key_compromise", "affiliation_changed", "superseded", "cessation_of_operation")
"""Those of RFC 5280 section 5.3.1 that fit an end entity and cannot be taken back."""


class Authority:
    """A home's CAs: ``home.authority``."""

    def __init__(self, home: "Home") -> None:
        self._home = home
        self._unsealed: dict[str, PrivateKey] = {}

    def authorities(self) -> tuple[AuthorityRecord, ...]:
        """Every CA, the root first."""
        with self._home.store.read() as connection:
            return authorities.everyone(connection)

    @property
    def root(self) -> AuthorityRecord:
        """The root CA."""
        return self._one(ROOT)

    @property
    def issuing(self) -> AuthorityRecord:
        """The CA that signs now."""
        return self._one(ISSUING_CA)

    def issue_server(
        self, *names: str, key_type: KeyType = KeyType.P256, lifetime: timedelta | None = None
    ) -> Identity:
        """Make a key and a server certificate.

        Args:
            names: what clients will call it, such as ``api.acme.example`` and ``127.0.0.1``.
            key_type: P-256 unless said otherwise.
            lifetime: at most 398 days; 90 when not given.

        Raises:
            InvalidName, InvalidLifetime: what was asked for is not issued.
        """
        parsed = [parse_name(name) for name in names]
        key = generate_key(key_type)
        leaf = self.issue(SERVER, parsed, key.public_key(), lifetime=lifetime)
        return Identity(key, (leaf, self.issuing.certificate))

    def issue_client(
        self,
        client: str,
        *names: str,
        key_type: KeyType = KeyType.P256,
        lifetime: timedelta | None = None,
    ) -> Identity:
        """Make a key and a certificate with which a registered client proves itself.

        Args:
            client: its name in the registry.
            names: for the SubjectAltName; the client's name when none is given.
            key_type: P-256 unless said otherwise.
            lifetime: at most 365 days; 90 when not given.

        Raises:
            UnknownClient: the registry has none of that name.
            InvalidName, InvalidLifetime: what was asked for is not issued.
        """
        parsed: Sequence[Name] = [parse_name(name) for name in names] or [DnsName(client)]
        self._home.clients.get(client)
        key = generate_key(key_type)
        leaf = self.issue(CLIENT, parsed, key.public_key(), client=client, common_name=client, lifetime=lifetime)
        return Identity(key, (leaf, self.issuing.certificate))

    def issue(
        self,
        profile: Profile,
        names: Sequence[Name],
        public_key: PublicKey,
        *,
        client: str | None = None,
        common_name: str = "",
        lifetime: timedelta | None = None,
    ) -> x509.Certificate:
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
        issuer = self.issuing
        now = self._home.now()
        draft = draft_end_entity(
            profile,
            names,
            public_key,
            issuer=issuer.certificate,
            serial=new_serial(),
            now=now,
            common_name=common_name,
            lifetime=lifetime,
        )
        certificate = draft.sign(self._key(issuer))
        with self._home.store.write() as connection:
            if client is not None and registry.find(connection, client) is None:
                raise UnknownClient(f"the registry knows no client {client!r}", hint=f"mutua client add {client}")
            thumbprint = inventory.add(
                connection, certificate, authority=issuer.id, profile=profile.name, issued_at=now
            )
            if client is not None:
                registry.add_credential(connection, client, Credential(CredentialKind.ISSUED, thumbprint))
            facts = {
                "authority": issuer.id,
                "client": client,
                "names": [str(name) for name in draft.names],
                "not_after": draft.not_after.isoformat(),
                "profile": profile.name,
                "serial": f"{draft.serial:032x}",
            }
            self._home.record(connection, "certificate.issued", thumbprint, facts)
        return certificate

    def certificates(self, *, client: str | None = None, profile: str | None = None) -> "Iterator[CertificateRecord]":
        """The inventory, the newest first, read as it is iterated."""
        with self._home.store.read() as connection:
            yield from inventory.everything(connection, client=client, profile=profile)

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

    def revoke(self, text: str, *, reason: str = "unspecified") -> CertificateRecord:
        """Refuse a certificate from now on, on every connection; it cannot be taken back.

        Args:
            text: as for ``certificate``.
            reason: one of ``REVOCATION_REASONS``.

        Raises:
            UnknownCertificate: none or several match. AlreadyRevoked: it was revoked before.
            InvalidInput: the reason is none of them.
        """
        if reason not in REVOCATION_REASONS:
            raise InvalidInput(f"{reason[:40]!r} is no reason to revoke", hint=", ".join(REVOCATION_REASONS))
        record = self.certificate(text)
        with self._home.store.write() as connection:
            if inventory.find(connection, record.thumbprint)[0].revoked_at is not None:
                raise AlreadyRevoked(
                    f"the certificate {record.thumbprint} is revoked already", hint="nothing is left to do"
                )
            inventory.revoke(connection, record.thumbprint, reason=reason, at=self._home.now())
            self._home.record(connection, "certificate.revoked", record.thumbprint, {"reason": reason})
        return self.certificate(record.thumbprint)

    def _one(self, profile: Profile) -> AuthorityRecord:
        found = [record for record in self.authorities() if record.profile == profile.name]
        if not found:
            raise UnreadableStore(f"the store has no {profile.name} CA", hint="restore it from a backup")
        return found[-1]

    def _key(self, record: AuthorityRecord) -> PrivateKey:
        if record.id not in self._unsealed:
            if record.sealed_key is None:
                raise UnreadableKey(f"the key of {record.id!r} is not in this store", hint="restore it")
            self._unsealed[record.id] = self._home.sealer.unseal(record.id, record.sealed_key)
        return self._unsealed[record.id]

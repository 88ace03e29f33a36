"""The CAs of a home: several below one root, each with its purpose; made, followed up, retired, moved out and in."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cryptography import x509

from mutua.ca.hierarchy import (
    AuthorityState,
    Purpose,
    accepted_authority_id,
    constraints_in,
    constraints_of,
    draft_issuing_ca,
    draft_root,
    next_id,
)
from mutua.ca.revocation import addresses
from mutua.errors import AuthorityExists, AuthorityInUse, InvalidAuthority, UnknownAuthority, UnreadableStore
from mutua.pki.certificates import issued_by, may_sign, write_der
from mutua.pki.draft import Constraints, Pointers
from mutua.pki.keys import KeyType, key_type_of
from mutua.pki.profiles import ISSUING_CA, ROOT
from mutua.pki.randomness import new_serial
from mutua.pki.thumbprints import x5t_s256
from mutua.store import authorities, inventory
from mutua.store.authorities import AuthorityRecord
from mutua.store.events import Event
from mutua.store.inventory import CertificateRecord
from mutua.tls.identity import Identity

if TYPE_CHECKING:
    from datetime import timedelta

    from sqlalchemy import Connection

    from mutua.home.home import Home


class Hierarchy:
    """The CAs of a home: ``home.hierarchy``."""

    def __init__(self, home: "Home") -> None:
        self._home = home

    def everyone(self) -> tuple[AuthorityRecord, ...]:
        """Every CA, the oldest first."""
        with self._home.store.read() as connection:
            return authorities.everyone(connection)

    def trusted(self) -> tuple[AuthorityRecord, ...]:
        """The CAs whose certificates count: all but the retired."""
        return tuple(each for each in self.everyone() if each.state is not AuthorityState.RETIRED)

    def get(self, authority: str) -> AuthorityRecord:
        """One CA.

        Raises:
            UnknownAuthority: there is none of that name.
        """
        for each in self.everyone():
            if each.id == authority:
                return each
        raise UnknownAuthority(f"there is no CA {authority[:80]!r}", hint="mutua ca show")

    @property
    def root(self) -> AuthorityRecord:
        """The newest root that is not retired."""
        return self._newest(ROOT.name)

    @property
    def issuing(self) -> AuthorityRecord:
        """The newest issuing CA that signs."""
        return self._newest(ISSUING_CA.name)

    def above(self, record: AuthorityRecord) -> tuple[x509.Certificate, ...]:
        """A CA's certificate and those above it, without the root: what a server sends behind its own."""
        known = {each.id: each for each in self.everyone()}
        chain = []
        at: AuthorityRecord | None = record
        while at is not None and at.certificate.subject != at.certificate.issuer:
            chain.append(at.certificate)
            at = known.get(at.parent) if at.parent is not None else None
        return tuple(chain)

    def found(self, key_type: KeyType) -> None:
        """Make the first root and the issuing CA below it."""
        now, organization = self._home.now(), self._home.settings.name
        root_key, stored = self._home.keys.make("root", key_type)
        certificate = draft_root(organization, root_key.public_key(), serial=new_serial(), now=now).sign(root_key)
        root = AuthorityRecord(
            id="root",
            profile=ROOT.name,
            purpose=Purpose.ANY,
            state=AuthorityState.ACTIVE,
            parent=None,
            certificate=certificate,
            key=stored,
            created_at=now,
        )
        issuing = self._draw_up("issuing-1", root, Purpose.ANY, constraints_of(Purpose.ANY), key_type, None)
        with self._home.store.write() as connection:
            for record in (root, issuing):
                self._write(connection, record)

    def add(
        self,
        authority: str,
        *,
        purpose: Purpose = Purpose.ANY,
        parent: str = "root",
        path_length: int = 0,
        names: Iterable[str] = (),
        key_type: KeyType = KeyType.P256,
        lifetime: "timedelta | None" = None,
    ) -> AuthorityRecord:
        """Make another issuing CA.

        Args:
            authority: its id, which stands in its certificate's name, in URLs and file names.
            purpose: what it issues for; the most specific CA issues.
            parent: the CA that signs it.
            path_length: how many further CAs may follow below it.
            names: the only names below it; see ``mutua.ca.hierarchy.constraints_of``.
            key_type: of its key.
            lifetime: 1825 days when not given; it never outlives its parent.

        Raises:
            AuthorityExists: there is one of that name. OfflineKey: the parent's key was exported.
            InvalidAuthority, UnknownAuthority, InvalidLifetime: it cannot be made so.
        """
        accepted_authority_id(authority)
        constraints = constraints_of(purpose, path_length=path_length, names=names)
        known = {each.id: each for each in self.everyone()}
        if authority in known:
            raise AuthorityExists(f"there is a CA {authority!r} already", hint="mutua ca show")
        signer = self._signer(parent, known.get(parent))
        record = self._draw_up(authority, signer, purpose, constraints, key_type, lifetime)
        self._store(record)
        return record

    def rotate(self, authority: str | None = None) -> tuple[AuthorityRecord, AuthorityRecord]:
        """Make the next issuing CA in place of one, which signs no more certificates and stays trusted.

        Args:
            authority: which to follow up; the newest that signs when not given.

        Returns:
            The old one and its successor.

        Raises:
            OfflineKey: the root's key was exported. InvalidAuthority: it is a root, or has a successor.
        """
        old = self.issuing if authority is None else self.get(authority)
        if old.profile != ISSUING_CA.name or old.state is not AuthorityState.ACTIVE or old.parent is None:
            raise InvalidAuthority(
                f"the CA {old.id!r} cannot be rotated: it is not an issuing CA that signs", hint="mutua ca show"
            )
        everyone = self.everyone()
        parent = next(each for each in everyone if each.id == old.parent)
        successor = self._draw_up(
            next_id(old.id, (each.id for each in everyone)),
            self._signer(parent.id, parent),
            old.purpose,
            constraints_in(old.certificate),
            key_type_of(old.certificate.public_key()),
            None,
        )
        self._store(successor, supersedes=old.id)
        return self.get(old.id), successor

    def retire(self, authority: str, *, force: bool = False) -> AuthorityRecord:
        """Trust a CA no more: what it issued is refused from now on.

        Raises:
            AuthorityInUse: certificates below it are still good, and ``force`` was not given.
            InvalidAuthority: it is the only one of its kind. UnknownAuthority: there is none of that name.
        """
        record = self.get(authority)
        if record.profile == ROOT.name or record.state is AuthorityState.ACTIVE:
            raise InvalidAuthority(
                f"the CA {authority!r} has no successor that signs in its place", hint=f"mutua ca rotate {authority}"
            )
        with self._home.store.write() as connection:
            left = inventory.in_use(connection, authority, self._home.now())
            if left and not force:
                raise AuthorityInUse(
                    f"{left} certificates below the CA {authority!r} are still good",
                    hint=f"mutua cert list --ca {authority}; renew them first, or --force to refuse them all",
                )
            authorities.set_state(connection, authority, AuthorityState.RETIRED)
            self._home.record(connection, self._home.event("authority.retired", authority, {"in_use": left}))
        self._home.authority.issuing.forget()
        self._home.publish_bundle()
        return self.get(authority)

    def take_in(self, authority: str, identity: Identity, *, purpose: Purpose = Purpose.ANY) -> AuthorityRecord:
        """Take in a CA that was made elsewhere; its key is sealed in the store.

        It issues only where it is named, or where no CA of this home's own has the purpose.

        Args:
            authority: the id it is to have.
            identity: its certificate and key.
            purpose: what it is to issue for.

        Raises:
            AuthorityExists: there is one of that name, or with that certificate.
            InvalidAuthority: it is no CA, or has expired. UnreadableKey: its key is too weak.
        """
        accepted_authority_id(authority)
        certificate, now = identity.certificate, self._home.now()
        if not may_sign(certificate):
            raise InvalidAuthority(
                "the certificate is not a CA's", hint="look: mutua cert inspect FILE; a CA has CA:TRUE and keyCertSign"
            )
        if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
            raise InvalidAuthority(
                f"the CA is good from {certificate.not_valid_before_utc:%Y-%m-%d} to "
                f"{certificate.not_valid_after_utc:%Y-%m-%d}, and not now",
                hint="get a newer certificate for it",
            )
        for each in self.everyone():
            if each.certificate == certificate:
                raise AuthorityExists(f"the CA is here as {each.id!r}", hint=f"mutua ca show {each.id}")
        above = None if certificate.subject == certificate.issuer else self.issuer_of(certificate)
        record = AuthorityRecord(
            id=authority,
            profile=ISSUING_CA.name,
            purpose=purpose,
            state=AuthorityState.ACTIVE,
            parent=None if above is None else above.id,
            certificate=certificate,
            key=self._home.sealer.seal(authority, identity.key),
            created_at=now,
        )
        self._store(record)
        return record

    def issuer_of(self, certificate: x509.Certificate) -> AuthorityRecord | None:
        """The CA of this home that signed a certificate, if one did."""
        return next((each for each in self.everyone() if issued_by(certificate, each.certificate)), None)

    def _store(self, record: AuthorityRecord, *, supersedes: str | None = None) -> None:
        with self._home.store.write() as connection:
            if record.id in authorities.states(connection):
                raise AuthorityExists(f"there is a CA {record.id!r} already", hint="mutua ca show")
            self._write(connection, record)
            if supersedes is not None:
                authorities.set_state(connection, supersedes, AuthorityState.SUPERSEDED)
                event = self._home.event("authority.superseded", supersedes, {"by": record.id})
                self._home.record(connection, event)
        self._home.authority.issuing.forget()
        self._home.publish_bundle()
        self._home.crls.publish_due()

    def _write(self, connection: "Connection", record: AuthorityRecord) -> None:
        """The CA, and its certificate in the inventory: that of an issuing CA can be revoked like any other."""
        authorities.add(connection, record)
        event = self._home.record(connection, self._created(record))
        certificate, der = record.certificate, write_der(record.certificate)
        row = CertificateRecord(
            id=event,
            thumbprint=x5t_s256(der),
            authority=record.parent or record.id,
            serial=f"{certificate.serial_number:032x}",
            profile=record.profile,
            client=None,
            subject=certificate.subject.rfc4514_string(),
            names=(),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            issued_at=record.created_at,
            der=der,
        )
        inventory.add(connection, [row])

    def _draw_up(
        self,
        authority: str,
        parent: AuthorityRecord,
        purpose: Purpose,
        constraints: Constraints,
        key_type: KeyType,
        lifetime: "timedelta | None",
    ) -> AuthorityRecord:
        # Asked for before the new key is made: a token would keep a key that nobody signed.
        signer = self._home.keys.of(parent)
        key, stored = self._home.keys.make(authority, key_type)
        now = self._home.now()
        draft = draft_issuing_ca(
            self._home.settings.name,
            key.public_key(),
            root=parent.certificate,
            serial=new_serial(),
            now=now,
            common_name=_common_name(authority),
            constraints=constraints,
            lifetime=lifetime,
            pointers=self._pointers(parent.id),
        )
        return AuthorityRecord(
            id=authority,
            profile=ISSUING_CA.name,
            purpose=purpose,
            state=AuthorityState.ACTIVE,
            parent=parent.id,
            certificate=draft.sign(signer),
            key=stored,
            created_at=now,
        )

    def _pointers(self, parent: str) -> Pointers | None:
        base = self._home.settings.revocation_url
        return None if base is None else addresses(base, parent, None)

    def _signer(self, name: str, record: AuthorityRecord | None) -> AuthorityRecord:
        if record is None:
            raise UnknownAuthority(f"there is no CA {name[:80]!r}", hint="mutua ca show")
        if record.state is AuthorityState.RETIRED:
            raise InvalidAuthority(f"the CA {name!r} is retired", hint="mutua ca show")
        return record

    def _created(self, record: AuthorityRecord) -> Event:
        facts = {
            "certificate": x5t_s256(write_der(record.certificate)),
            "key": self._home.keys.digest(record.key),
            "not_after": record.certificate.not_valid_after_utc.isoformat(),
            "parent": record.parent,
            "profile": record.profile,
            "purpose": record.purpose.value,
        }
        return self._home.event("authority.created", record.id, facts)

    def _newest(self, profile: str) -> AuthorityRecord:
        found = [each for each in self.everyone() if each.profile == profile and each.state is AuthorityState.ACTIVE]
        if not found:
            raise UnreadableStore(f"the store has no {profile} CA", hint="restore it from a backup")
        return found[-1]


def _common_name(authority: str) -> str:
    """``issuing-2`` is shown as ``Issuing CA 2``, ``partner-acme`` as itself."""
    stem, _, number = authority.rpartition("-")
    return f"Issuing CA {number}" if stem == "issuing" and number.isdigit() else authority

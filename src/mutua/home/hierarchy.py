"""The CAs of a home: several below one root, each with its purpose; made, followed up, retired, moved out and in."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from cryptography import x509

from mutua.ca.adoption import require_adoptable, require_new
from mutua.ca.hierarchy import (
    AuthorityState,
    Purpose,
    accepted_authority_id,
    constraints_in,
    constraints_of,
    draft_issuing_ca,
    draft_root,
    next_id,
    numbered,
)
from mutua.ca.revocation import addresses
from mutua.errors import AuthorityExists, InvalidAuthority, UnknownAuthority, UnreadableStore
from mutua.home.issuers import is_limited
from mutua.home.retirement import retire
from mutua.pki.certificates import issued_by, write_der
from mutua.pki.crl import RevocationReason
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
        return self._active(ROOT.name)[-1]

    @property
    def issuing(self) -> AuthorityRecord:
        """The CA that signs what no other was made for; the newest where there are several."""
        return max(self._active(ISSUING_CA.name), key=_generality)

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
        signer = self._signer(parent, known.get(parent), purpose)
        return self._store(self._draw_up(authority, signer, purpose, constraints, key_type, lifetime))

    def rotate(self, authority: str | None = None) -> tuple[AuthorityRecord, AuthorityRecord]:
        """Make the next issuing CA in place of one, which signs no more certificates and stays trusted.

        Args:
            authority: which to follow up; the one that signs what no other was made for when not given.

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
            self._next_id(old.id, {each.id for each in everyone}),
            self._signer(parent.id, parent, old.purpose),
            old.purpose,
            constraints_in(old.certificate),
            key_type_of(old.certificate.public_key()),
            None,
        )
        successor = self._store(successor, supersedes=old.id)
        return replace(old, state=AuthorityState.SUPERSEDED), successor

    def retire(
        self, authority: str, *, force: bool = False, reason: str = RevocationReason.SUPERSEDED.value
    ) -> AuthorityRecord:
        """Trust a CA no more, nor those below it: what they issued is refused from now on.

        Its certificate goes onto the CRL of the CA above, at once or as soon as that one's key can be used again.

        Args:
            authority: which.
            force: also while certificates below it are in use. One whose successor was seen in use is not any more.
            reason: of RFC 5280 section 5.3.1, for that CRL; ``ca_compromise`` where its key was lost.

        Raises:
            AuthorityInUse: certificates or CAs below it are still good, and ``force`` was not given.
            InvalidAuthority: it is the root, or the only one that issues for some purpose, or retired already.
            InvalidInput: the reason is none for a CA. UnknownAuthority: there is none of that name.
        """
        with self._home.store.write() as connection:
            retire(self._home, connection, authority, force=force, reason=reason)
        self._home.authority.issuing.forget()
        self._home.publish()
        return self.get(authority)

    def take_in(self, authority: str, identity: Identity, *, purpose: Purpose = Purpose.ANY) -> AuthorityRecord:
        """Take in a CA that was made elsewhere; its key is sealed in the store.

        It issues only where it is named, or where no CA of this home's own has the purpose.

        Args:
            authority: the id it is to have.
            identity: its certificate and key.
            purpose: what it is to issue for.

        Raises:
            AuthorityExists: there is one of that name, or of its own name and key.
            InvalidAuthority: it is no CA, or has expired, or is not for that purpose. UnreadableKey: it is too weak.
        """
        accepted_authority_id(authority)
        certificate, now = identity.certificate, self._home.now()
        require_adoptable(certificate, purpose, now=now)
        require_new(certificate, ((each.id, each.certificate) for each in self.everyone()))
        above = None if certificate.subject == certificate.issuer else self.issuer_of(certificate)
        record = AuthorityRecord(
            id=authority,
            profile=ISSUING_CA.name,
            purpose=purpose,
            state=AuthorityState.ACTIVE,
            parent=None if above is None else above.id,
            certificate=certificate,
            key=self._home.keys.seal(authority, identity.key),
            created_at=now,
        )
        return self._store(record)

    def issuer_of(self, certificate: x509.Certificate) -> AuthorityRecord | None:
        """The CA of this home that signed a certificate, if one did."""
        return next((each for each in self.everyone() if issued_by(certificate, each.certificate)), None)

    def _next_id(self, current: str, taken: set[str]) -> str:
        while not self._home.keys.is_free(name := next_id(current, taken)):
            taken.add(name)
        return name

    def _store(self, record: AuthorityRecord, *, supersedes: str | None = None) -> AuthorityRecord:
        with self._home.store.write() as connection:
            states = authorities.states(connection)
            if supersedes is not None and states[supersedes] is not AuthorityState.ACTIVE:
                raise InvalidAuthority(f"the CA {supersedes!r} was rotated meanwhile", hint="mutua ca show")
            if record.id in states:
                raise AuthorityExists(f"there is a CA {record.id!r} already", hint="mutua ca show")
            if record.parent is not None and states[record.parent] is AuthorityState.RETIRED:
                raise InvalidAuthority(f"the CA {record.parent!r} above it is retired", hint="mutua ca show")
            record = self._home.keys.sealed(connection, record)
            self._write(connection, record)
            if supersedes is not None:
                authorities.set_state(connection, supersedes, AuthorityState.SUPERSEDED)
                event = self._home.event("authority.superseded", supersedes, {"by": record.id})
                self._home.record(connection, event)
        self._home.authority.issuing.forget()
        self._home.publish()
        return record

    def _write(self, connection: "Connection", record: AuthorityRecord) -> None:
        """The CA, and its certificate in the inventory: that of an issuing CA can be revoked like any other."""
        authorities.add(connection, record)
        event = self._home.record(connection, self._created(record))
        certificate, der = record.certificate, write_der(record.certificate)
        row = CertificateRecord(
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
        inventory.add(connection, [row], first=event)

    def _draw_up(
        self,
        authority: str,
        parent: AuthorityRecord,
        purpose: Purpose,
        constraints: Constraints,
        key_type: KeyType,
        lifetime: "timedelta | None",
    ) -> AuthorityRecord:
        # What can be refused is decided before the new key is made: a token would keep one that nobody signed.
        signer, now = self._home.keys.of(parent), self._home.now()
        draft = draft_issuing_ca(
            self._home.settings.name,
            signer.public_key(),
            root=parent.certificate,
            serial=new_serial(),
            now=now,
            common_name=_common_name(authority),
            constraints=constraints,
            lifetime=lifetime,
            pointers=self._pointers(parent.id),
        )
        key, stored = self._home.keys.make(authority, key_type)
        return AuthorityRecord(
            id=authority,
            profile=ISSUING_CA.name,
            purpose=purpose,
            state=AuthorityState.ACTIVE,
            parent=parent.id,
            certificate=draft._replace(public_key=key.public_key()).sign(signer),
            key=stored,
            created_at=now,
        )

    def _pointers(self, parent: str) -> Pointers | None:
        base = self._home.settings.revocation_url
        return None if base is None else addresses(base, parent, None)

    def _signer(self, name: str, record: AuthorityRecord | None, purpose: Purpose) -> AuthorityRecord:
        if record is None:
            raise UnknownAuthority(f"there is no CA {name[:80]!r}", hint="mutua ca show")
        if record.state is not AuthorityState.ACTIVE:
            raise InvalidAuthority(
                f"the CA {name!r} above it is {record.state} and signs no more", hint="mutua ca add NAME --under CA"
            )
        if record.purpose not in {Purpose.ANY, purpose}:
            only = f"the CA {name!r} above it is for {record.purpose} certificates only"
            raise InvalidAuthority(only, hint=f"--purpose {record.purpose}")
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
        event = self._home.event("authority.created", record.id, facts)
        return event._replace(at=record.created_at)

    def _active(self, profile: str) -> list[AuthorityRecord]:
        found = [each for each in self.everyone() if each.profile == profile and each.state is AuthorityState.ACTIVE]
        if not found:
            raise UnreadableStore(f"the store has no {profile} CA", hint="restore it from a backup")
        return found


def _generality(each: AuthorityRecord) -> tuple[object, ...]:
    """Our own before one taken in, one for all names before one for some, one for every purpose before the rest."""
    return each.parent is not None, not is_limited(each.certificate), each.purpose is Purpose.ANY, each.created_at


def _common_name(authority: str) -> str:
    """``issuing-2`` is shown as ``Issuing CA 2``, ``partner-acme`` as itself."""
    stem, number = numbered(authority)
    return f"Issuing CA {number}" if stem == "issuing" else authority

"""Revoking certificates, holding them, and letting those on hold go: each one transaction with its event."""

from datetime import datetime
from typing import TYPE_CHECKING

from mutua.ca import revocation as rules
from mutua.errors import InvalidInput
from mutua.pki.crl import Revocation as Revoked
from mutua.pki.crl import RevocationReason
from mutua.pki.profiles import ISSUING_CA, ROOT
from mutua.store import inventory, revocations
from mutua.store.inventory import CertificateRecord

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mutua.home.home import Home

_CAS = {ROOT.name, ISSUING_CA.name}


class Revocation:
    """Revocation in a home: ``home.revocation``."""

    def __init__(self, home: "Home") -> None:
        self._home = home

    def revoke(
        self, text: str, *, reason: str = "unspecified", invalid_since: datetime | None = None
    ) -> CertificateRecord:
        """Refuse a certificate from now on, on every connection.

        It cannot be taken back, unless the reason is ``certificate_hold``. The CRLs follow at once where the CA's key
        can be used here, and otherwise as soon as a process runs that can; the gate does not wait for them.

        Args:
            text: a thumbprint or serial, or the first 6 characters or more of either.
            reason: one of RFC 5280 section 5.3.1, as in ``mutua.pki.crl.RevocationReason``.
            invalid_since: when the key is thought to have been lost, UTC, not in the future.

        Raises:
            UnknownCertificate: none or several match. AlreadyRevoked: it was revoked before.
            InvalidInput: the reason is none, or none for such a certificate; or the time lies in the future.
        """
        if reason not in {each.value for each in RevocationReason}:
            raise InvalidInput(f"{reason[:40]!r} is no reason to revoke", hint=", ".join(RevocationReason))
        found = self._home.authority.certificate(text)
        with self._home.store.write() as connection:
            self.write(connection, found.thumbprint, RevocationReason(reason), invalid_since)
            revoked = _current(connection, found.thumbprint)
        self._home.publish()
        return revoked

    def release(self, text: str) -> CertificateRecord:
        """Let a certificate on hold be used again.

        Raises:
            UnknownCertificate: none or several match. NotOnHold: it is not on hold.
        """
        found = self._home.authority.certificate(text)
        with self._home.store.write() as connection:
            record = _current(connection, found.thumbprint)
            rules.release(_revoked(record))
            happened = self._home.event("certificate.released", record.thumbprint, _place(record))
            event = self._home.record(connection, happened)
            revocations.remove(connection, record, event=event)
            released = _current(connection, found.thumbprint)
        self._home.publish()
        return released

    def write(
        self,
        connection: "Connection",
        thumbprint: str,
        reason: RevocationReason,
        invalid_since: datetime | None = None,
    ) -> None:
        """Revoke within a transaction; raises as ``revoke`` does."""
        record = _current(connection, thumbprint)
        decided = rules.revoke(
            reason,
            is_ca=record.profile in _CAS,
            now=self._home.now(),
            current=_revoked(record),
            invalid_since=invalid_since,
        )
        facts = {
            **_place(record),
            "invalid_since": None if decided.invalid_since is None else decided.invalid_since.isoformat(),
            "reason": decided.reason.value,
            "revoked_at": decided.revoked_at.isoformat(),
        }
        event = self._home.record(connection, self._home.event("certificate.revoked", thumbprint, facts))
        revocations.put(connection, record, decided, event=event)


def _current(connection: "Connection", thumbprint: str) -> CertificateRecord:
    found = inventory.by_thumbprint(connection, thumbprint)
    assert found is not None, "a certificate never leaves the inventory"
    return found


def _place(record: CertificateRecord) -> dict[str, object]:
    """Which CRLs an event is about."""
    return {"authority": record.authority, "shard": record.shard or 0}


def _revoked(record: CertificateRecord) -> Revoked | None:
    if record.revoked_at is None or record.reason is None:
        return None
    return Revoked(record.revoked_at, RevocationReason(record.reason), record.invalid_since)

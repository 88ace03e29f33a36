"""From what is to be certified to a certificate on disk: draft, sign, commit with its event, and only then hand out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from sqlalchemy import Connection

from mutua.ca.issuance import draft_end_entity
from mutua.ca.revocation import addresses, shard_of
from mutua.errors import MutuaError, RefusedRequest, UnknownAuthority, UnknownClient
from mutua.home.commits import GroupCommit
from mutua.home.issuers import Issuers
from mutua.pki.certificates import write_der
from mutua.pki.draft import Draft, Pointers
from mutua.pki.keys import PublicKey
from mutua.pki.names import Name
from mutua.pki.profiles import Profile
from mutua.pki.randomness import new_serial
from mutua.pki.thumbprints import x5t_s256
from mutua.store import authorities, inventory, registry
from mutua.store.authorities import AuthorityRecord
from mutua.store.events import Event
from mutua.store.inventory import CertificateRecord

if TYPE_CHECKING:
    from mutua.home.home import Home

ATTEMPTS = 3
"""How often an order is signed anew because its CA was superseded meanwhile."""


class Order(NamedTuple):
    """What is to be certified.

    Attributes:
        profile: ``SERVER``, ``CLIENT`` or ``OCSP``.
        names: for the SubjectAltName.
        public_key: whose key it is.
        client: the registered client that the certificate will prove, if any.
        common_name: the subject; the first name when empty.
        lifetime: the profile's own when ``None``.
        authority: the id of the CA that is to sign; ``None`` for the one whose purpose fits.
        max_valid: how many certificates the client may have at once; ``None`` for any number.
        supersedes: the id of the certificate that this one renews.
        check: asked within the transaction, with the row that will be written; raises a ``MutuaError`` to stop it.
    """

    profile: Profile
    names: Sequence[Name]
    public_key: PublicKey
    client: str | None = None
    common_name: str = ""
    lifetime: timedelta | None = None
    authority: str | None = None
    max_valid: int | None = None
    supersedes: int | None = None
    check: Callable[[Connection, CertificateRecord], None] | None = None


class Drafted(NamedTuple):
    """An order whose certificate only lacks its signature.

    Attributes:
        order: what was asked for.
        issuer: the CA that is to sign.
        draft: what the certificate will say.
        shard: the part of the CA's CRL that will cover it.
        at: when it was drafted, UTC.
    """

    order: Order
    issuer: AuthorityRecord
    draft: Draft
    shard: int | None
    at: datetime


@dataclass(slots=True, kw_only=True)
class Issued:
    """An order with its certificate, on the way to disk.

    Attributes:
        order: what was asked for.
        issuer: the CA that signed.
        certificate: handed out only when ``error`` is ``None`` after the commit.
        chain: the certificate, and every CA above it but the root.
        record: its row.
        error: why it was not written.
        superseded: whether the CA got a successor between the signature and the commit, so that it must sign.
    """

    order: Order
    issuer: AuthorityRecord
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    record: CertificateRecord
    error: MutuaError | None = None
    superseded: bool = False


class Issuing:
    """Signs and commits for a home.

    Args:
        home: whose.
    """

    def __init__(self, home: "Home") -> None:
        self._home = home
        self._issuers = Issuers(home)
        self._commits: GroupCommit[Issued] = GroupCommit(self._write)

    def issue(self, orders: Sequence[Order]) -> list[Issued]:
        """Sign and commit, everything in one transaction, together with what other threads commit at this moment.

        Each of the answers has its certificate on disk, or its own error and nothing on disk.

        Raises:
            MutuaError: nothing was signed, or nothing was written.
        """
        return self.commit(self.sign(orders))

    def sign(self, orders: Sequence[Order]) -> list[Issued]:
        """Draft and sign; nothing of it may leave the process before ``commit``."""
        return [self.finish(drafted) for drafted in [self.draft(order) for order in orders]]

    def commit(self, issued: list[Issued]) -> list[Issued]:
        """Commit what was signed; the answers are those of ``issue``."""
        self._commits.commit(issued)
        for _ in range(ATTEMPTS):
            again = [place for place, each in enumerate(issued) if each.superseded]
            if not again:
                break
            fresh = {place: each for place in again if (each := self._signed_anew(issued[place])) is not None}
            if fresh:
                self._commits.commit([*fresh.values()])
            for place, each in fresh.items():
                issued[place] = each
        return issued

    def _signed_anew(self, issued: Issued) -> Issued | None:
        """The order signed by the CA that is there now; its error is its own where there is none."""
        try:
            (fresh,) = self.sign([issued.order])
        except MutuaError as error:
            issued.error, issued.superseded = error, False
            return None
        return fresh

    def above(self, issuer: AuthorityRecord) -> tuple[x509.Certificate, ...]:
        """A CA and those above it, without the root."""
        return self._issuers.above(issuer)

    def forget(self) -> None:
        """Look the CAs up anew."""
        self._issuers.forget()

    def draft(self, order: Order) -> Drafted:
        """Decide what the certificate will say.

        Raises:
            InvalidName, InvalidLifetime, UnknownAuthority: it cannot be made.
        """
        now = self._home.now()
        issuer = self._issuers.of(order.profile, order.authority)
        serial, shards = new_serial(now), self._home.settings.crl_shards
        shard = shard_of(serial, shards) if shards > 1 and not order.profile.no_check else None
        draft = draft_end_entity(
            order.profile,
            order.names,
            order.public_key,
            issuer=issuer.certificate,
            serial=serial,
            now=now,
            common_name=order.common_name,
            lifetime=order.lifetime,
            pointers=self._pointers(issuer.id, shard, order.profile),
        )
        return Drafted(order, issuer, draft, shard, now)

    def finish(self, drafted: Drafted) -> Issued:
        """Sign what was drafted; it may not leave the process before ``commit``.

        Raises:
            InvalidName: the CA is limited to other names. OfflineKey and the like: its key cannot be used here.
        """
        certificate = drafted.draft.sign(self._home.keys.of(drafted.issuer))
        return Issued(
            order=drafted.order,
            issuer=drafted.issuer,
            certificate=certificate,
            chain=self._issuers.chain(certificate, drafted.issuer),
            record=_record(drafted, certificate),
        )

    def _pointers(self, authority: str, shard: int | None, profile: Profile) -> Pointers | None:
        base = self._home.settings.revocation_url
        if base is None:
            return None
        pointers = addresses(base, authority, shard)
        return replace(pointers, ocsp=None) if profile.no_check else pointers

    def _write(self, items: Sequence[Issued]) -> None:
        with self._home.store.write() as connection:
            self._admit(connection, items)
            written = [each for each in items if each.error is None]
            if not written:
                return
            last = self._home.record_all(connection, map(self._event, written))
            inventory.add(connection, [each.record for each in written], first=last - len(written) + 1)

    def _admit(self, connection: Connection, items: Sequence[Issued]) -> None:
        """Give every item that must not be written its error; what was looked up before signing may have changed."""
        states = authorities.states(connection)
        self._issuers.compare(states)
        clients = {each.order.client for each in items if each.order.client is not None}
        known = registry.names(connection, clients) if clients else set()
        limits = {
            client: most
            for each in items
            if (client := each.order.client) is not None and (most := each.order.max_valid) is not None
        }
        counted = inventory.count_valid(connection, limits, self._home.now()) if limits else {}
        for each in items:
            client = each.order.client
            try:
                if states.get(each.issuer.id) is not each.issuer.state:
                    each.superseded = True
                    self.forget()  # whatever was looked up before this moment, by any thread
                    raise UnknownAuthority(f"the CA {each.issuer.id!r} signs no more", hint="mutua ca show")
                if client is not None and client not in known:
                    raise UnknownClient(f"the registry knows no client {client!r}", hint=f"mutua client add {client}")
                if client is not None and each.order.max_valid is not None:
                    _count(counted, client, each.order.max_valid)
                if each.order.check is not None:
                    each.order.check(connection, each.record)
            except MutuaError as error:
                each.error = error

    def _event(self, each: Issued) -> Event:
        record = each.record
        facts: dict[str, object] = {
            "authority": record.authority,
            "client": record.client,
            "names": record.names,
            "not_after": record.not_after.isoformat(),
            "profile": record.profile,
            "serial": record.serial,
        }
        if record.shard is not None:
            facts["shard"] = record.shard
        if record.supersedes is not None:
            facts["supersedes"] = record.supersedes
        return Event(
            at=record.issued_at,
            actor=self._home.actor,
            kind="certificate.issued",
            subject=record.thumbprint,
            body=facts,
        )


def _count(counted: dict[str, int], client: str, most: int) -> None:
    if counted[client] >= most:
        raise RefusedRequest(
            (f"the client {client!r} has {counted[client]} valid certificates, and may have {most}",),
            hint=f"mutua cert list --client {client}",
        )
    counted[client] += 1


def _record(drafted: Drafted, certificate: x509.Certificate) -> CertificateRecord:
    draft, der = drafted.draft, write_der(certificate)
    return CertificateRecord(
        thumbprint=x5t_s256(der),
        authority=drafted.issuer.id,
        serial=f"{draft.serial:032x}",
        profile=draft.profile.name,
        client=drafted.order.client,
        subject=draft.subject.rfc4514_string(),
        names=tuple(map(str, draft.names)),
        not_before=draft.not_before,
        not_after=draft.not_after,
        issued_at=drafted.at,
        shard=drafted.shard,
        supersedes=drafted.order.supersedes,
        der=der,
    )

"""Renewal: a certificate's holder gets the next one, with the same names, client, profile and lifetime."""

from contextlib import suppress
from typing import TYPE_CHECKING

from cryptography import x509

from mutua.ca.hierarchy import AuthorityState
from mutua.ca.policy import judge
from mutua.ca.renewal import Renewable, Successor, may_renew, superseded_due
from mutua.ca.renewal import Renewal as Kept
from mutua.errors import AlreadyRevoked, RefusedRenewal, UnknownAuthority
from mutua.home.issuing import Order
from mutua.home.requests import Signed
from mutua.pki.certificates import names_of, read_certificate
from mutua.pki.crl import RevocationReason
from mutua.pki.profiles import PROFILES
from mutua.pki.requests import CertificateRequest, read_request
from mutua.pki.thumbprints import x5t_s256
from mutua.store import authorities, inventory, registry, sightings
from mutua.store.inventory import CertificateRecord
from mutua.tls.peer import PeerCertificate

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mutua.home.home import Home

MAX_UNSEEN = 16
"""How often one certificate is renewed while no successor has been seen: an agent that keeps losing its answer, or
does not keep it, cannot fill the store in its grace time. The count of a client's certificates does not stop it."""

PAGE = 500
"""Superseded certificates that are revoked in one transaction."""

MAX_REVOKED = 5000
"""Those that are revoked at one go: whoever does it has CRLs to make too, and comes again in a minute."""

_RENEWED = {"server", "client"}


class Renewal:
    """Renewals at a home: ``home.renewal``."""

    def __init__(self, home: "Home") -> None:
        self._home = home

    def by_connection(self, peer: PeerCertificate, request: bytes) -> Signed:
        """Renew the certificate that a TLS connection has proved possession of.

        Args:
            peer: of the connection that the request came over; not one that a header tells of.
            request: a CSR in PEM or DER, for a new key or the same; what it says of names does not matter.

        Raises:
            RefusedRenewal: the certificate is none of ours, or cannot be renewed; the message says why.
            RefusedRequest, UnreadableRequest: the request itself is no good.
        """
        return self._renew(peer.thumbprint, read_request(request))

    def by_statement(self, statement: str, *, request: bytes | None = None) -> Signed:
        """Renew the certificate whose key has signed a renewal statement; see ``mutua.pki.statements``.

        Args:
            statement: with the request in it.
            request: what came beside it, DER, where a protocol wants it there: nothing but the same request.

        Raises:
            UnreadableStatement: it is no such statement.
            RefusedRenewal, RefusedRequest, UnreadableRequest: as for ``by_connection``.
        """
        from mutua.pki.statements import read_statement, verify_statement  # noqa: PLC0415 -- JOSE loads slowly

        thumbprint = read_statement(statement).thumbprint
        with self._home.store.read() as connection:
            record = inventory.by_thumbprint(connection, thumbprint)
            if record is None:
                raise _unknown(thumbprint)
            issuer = _issuer(connection, record)
        signed = verify_statement(
            statement, read_certificate(record.der), now=self._home.now(), audience=x5t_s256(issuer)
        )
        if request is not None and request != signed.der:
            raise RefusedRenewal("the request is not the one in the statement", hint="send the one that was signed")
        return self._renew(thumbprint, signed)

    def revoke_superseded(self) -> int:
        """Revoke what was renewed and has had its grace, if the settings say so; how many, at most some thousands."""
        settings, now, revoked, last = self._home.settings, self._home.now(), 0, 0
        grace = settings.renewal_grace
        while settings.revoke_superseded and revoked < MAX_REVOKED:
            with self._home.store.read() as connection:
                page = inventory.superseded_before(connection, now - grace, now, after=last, limit=PAGE)
                found = [_renewable(connection, each) for each in page]
            if not page:
                break
            last = page[-1].id
            due = set(superseded_due(found, grace=grace, now=now, enabled=True))
            revoked += self._revoke([each.thumbprint for each in page if each.id in due])
        return revoked

    def _revoke(self, thumbprints: list[str]) -> int:
        """Revoke them in one transaction, but for those that another process was faster with."""
        revoked = 0
        with self._home.store.write() as connection:
            for each in thumbprints:
                with suppress(AlreadyRevoked):
                    self._home.revocation.write(connection, each, RevocationReason.SUPERSEDED)
                    revoked += 1
        return revoked

    def _renew(self, thumbprint: str, request: CertificateRequest) -> Signed:
        try:
            return self._issue(thumbprint, request, same_authority=True)
        except UnknownAuthority:
            # Its CA was rotated at this very moment.
            return self._issue(thumbprint, request, same_authority=False)

    def _issue(self, thumbprint: str, request: CertificateRequest, *, same_authority: bool) -> Signed:
        with self._home.store.read() as connection:
            record = inventory.by_thumbprint(connection, thumbprint)
            if record is None or record.profile not in _RENEWED:
                raise _unknown(thumbprint)
            kept = self._check(connection, record)
            # Whoever trusts one CA only trusts what follows too, until the CA itself is followed up.
            same = same_authority and authorities.states(connection)[record.authority] is AuthorityState.ACTIVE
        policy = self._home.settings.policies[record.profile]
        approval = judge(
            request,
            policy,
            profile=kept.profile,
            client=kept.client,
            names=kept.names,
            lifetime=min(kept.lifetime, policy.max_lifetime or kept.lifetime),
            valid_now=0,  # a successor takes the place of what it renews, in the count too
        )

        def check(connection: "Connection", _: CertificateRecord) -> None:
            """Nothing has happened since; and whoever renews a certificate has it in use."""
            current = inventory.by_thumbprint(connection, thumbprint)
            assert current is not None
            self._check(connection, current)
            sightings.put(connection, {thumbprint: self._home.now()})

        order = Order(
            profile=kept.profile,
            names=kept.names,
            public_key=request.public_key,
            client=kept.client,
            common_name=approval.common_name,
            lifetime=approval.lifetime,
            authority=record.authority if same else None,
            supersedes=record.id,
            check=check,
        )
        (issued,) = self._home.authority.issuing.issue([order])
        return Signed.of(issued, approval.dropped)

    def _check(self, connection: "Connection", record: CertificateRecord) -> Kept:
        """What the renewal of a certificate keeps, if it may be renewed now."""
        found = _renewable(connection, record)
        kept = may_renew(found, grace=self._home.settings.renewal_grace, now=self._home.now())
        if len(found.successors) >= MAX_UNSEEN:
            raise RefusedRenewal(
                f"the certificate was renewed {len(found.successors)} times, and none of its successors is in use",
                hint="use one of them: mutua cert list, mutua cert export",
            )
        return kept


def _renewable(connection: "Connection", record: CertificateRecord) -> Renewable:
    """A certificate of the inventory as the rules of renewal see it."""
    return Renewable(
        id=record.id,
        profile=PROFILES[record.profile],
        names=names_of(read_certificate(record.der)),
        client=record.client,
        client_state=None if record.client is None else registry.state(connection, record.client),
        not_before=record.not_before,
        not_after=record.not_after,
        issuer_not_after=_issuer(connection, record).not_valid_after_utc,
        revoked="its CA is retired" if record.retired else record.reason,
        successors=tuple(
            Successor(
                each.thumbprint,
                each.issued_at,
                seen=sightings.first_seen(connection, each.id) is not None,
                revoked=each.revoked_at is not None,
            )
            for each in inventory.successors(connection, record.id)
        ),
    )


def _issuer(connection: "Connection", record: CertificateRecord) -> x509.Certificate:
    return next(each.certificate for each in authorities.everyone(connection) if each.id == record.authority)


def _unknown(thumbprint: str) -> RefusedRenewal:
    return RefusedRenewal(
        f"the certificate {thumbprint[:60]!r} is none that this authority renews",
        hint="an operator issues a new one: mutua cert sign, or mutua cert issue",
    )

"""Invitations: a token that lets whoever holds it have one certificate, once, before a certain time."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from mutua.ca.issuance import MAX_NAMES
from mutua.ca.policy import judge
from mutua.errors import (
    InvalidInput,
    InvalidLifetime,
    InvalidName,
    RefusedEnrolment,
    UnknownAuthority,
    UnknownClient,
    UnknownInvitation,
)
from mutua.home.issuing import Order
from mutua.home.requests import Signed
from mutua.pki.certificates import read_certificate
from mutua.pki.names import DnsName, Name, parse_name
from mutua.pki.profiles import CLIENT, SERVER, Profile
from mutua.pki.randomness import new_token
from mutua.pki.requests import CertificateRequest, read_request
from mutua.registry.clients import Client, ClientState, accepted_client_name
from mutua.registry.invitations import Invitation, accepted_est_url, token_hash
from mutua.store import inventory, invitations, registry
from mutua.store.inventory import CertificateRecord, CertificateState
from mutua.store.invitations import InvitationRecord

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mutua.home.home import Home

EXPIRES = timedelta(hours=24)
"""How long an invitation is good when nothing is said."""

MAX_EXPIRES = timedelta(days=30)
"""How long it may be good: somebody has it in a mailbox for all that time."""

MAX_OPEN = 1000
"""Open invitations of one client: as many machines as join in a day, and no end of them by a script gone wrong."""

_PROFILES = {profile.name: profile for profile in (CLIENT, SERVER)}
_HINT = "an operator invites anew: mutua client invite"


class Invitations:
    """The invitations of a home: ``home.invitations``."""

    def __init__(self, home: "Home") -> None:
        self._home = home

    def invite(
        self,
        client: str,
        *,
        url: str | None = None,
        profile: str = "client",
        names: Sequence[Name] = (),
        expires: timedelta = EXPIRES,
        lifetime: timedelta | None = None,
        add: bool = False,
    ) -> Invitation:
        """Make an invitation. Only the hash of its token is kept: what is returned cannot be had again.

        Args:
            client: whom it is for.
            url: where the EST server is; ``est_url`` of the settings when not given.
            profile: ``client`` or ``server``.
            names: what will be certified, whatever the request says; a client's own name when not given.
            expires: for how long it is good, up to 30 days.
            lifetime: of the certificate; the profile's own when not given, as far as the policy goes.
            add: register the client if it is not there.

        Raises:
            UnknownClient: the registry has none of that name. InvalidClientName: none can be called so.
            InvalidName, InvalidLifetime, InvalidAddress, InvalidInput: no certificate could come of it.
        """
        name, base = accepted_client_name(client), self._url(url)
        kind = _PROFILES.get(profile)
        if kind is None:
            raise InvalidInput(f"{profile[:40]!r} is no profile to be invited for", hint=", ".join(_PROFILES))
        granted = tuple(dict.fromkeys(names)) or ((parse_name(name),) if kind is CLIENT else ())
        _require_fit(granted, kind)
        self._require_times(kind, expires, lifetime)
        token, now = new_token(), self._home.now()
        expires_at = (now + expires).replace(microsecond=0)
        hashed = token_hash(token)
        assert hashed is not None
        facts = {
            "token_hash": hashed,
            "profile": profile,
            "names": list(map(str, granted)),
            "lifetime": None if lifetime is None else lifetime // timedelta(seconds=1),
            "expires_at": expires_at.isoformat(),
        }
        with self._home.store.write() as connection:
            self._require_client(connection, name, add=add)
            event = self._home.record(connection, self._home.event("invitation.made", name, facts))
            record = InvitationRecord(
                id=event,
                client=name,
                token_hash=hashed,
                profile=profile,
                names=tuple(map(str, granted)),
                lifetime=lifetime,
                expires_at=expires_at,
            )
            invitations.add(connection, record)
        return Invitation(
            url=base,
            client=name,
            token=token,
            anchor=self._home.hierarchy.root.certificate,
            profile=profile,
            names=record.names,
            expires_at=expires_at,
        )

    def of(self, client: str) -> list[InvitationRecord]:
        """Every invitation of a client that was not withdrawn, used and expired ones too, the oldest first.

        Raises:
            UnknownClient: the registry has none of that name.
        """
        self._home.clients.require(client)
        with self._home.store.read() as connection:
            return invitations.of(connection, client)

    def withdraw(self, client: str) -> int:
        """Let nobody use any open invitation of a client; what was issued for others stays as it is.

        Returns:
            How many there were.

        Raises:
            UnknownClient: the registry has none of that name. UnknownInvitation: none is open.
        """
        self._home.clients.require(client)
        with self._home.store.write() as connection:
            now = self._home.now()
            found = [each for each in invitations.of(connection, client) if each.is_open(now)]
            if not found:
                raise UnknownInvitation(
                    f"{client!r} has no open invitation", hint=f"see what it has: mutua cert list --client {client}"
                )
            for each in found:
                invitations.remove(connection, each.id)
                facts = {"invitation": each.id}
                self._home.record(connection, self._home.event("invitation.withdrawn", client, facts))
        return len(found)

    def find(self, token: str, *, client: str) -> InvitationRecord:
        """The invitation that a token is of; it may have been used.

        It is looked up by its hash, so that nothing can be learned from how long that takes.

        Args:
            token: what somebody has sent.
            client: who he says he is.

        Raises:
            RefusedEnrolment: there is none, it is another client's, it has expired, or its client is suspended.
        """
        hashed = token_hash(token)
        with self._home.store.read() as connection:
            return self._find(connection, hashed, client)

    def enrol(self, token: str, request: bytes, *, client: str) -> Signed:
        """Certify the key of a request for whoever holds a token.

        The names are the invitation's; what else the request asks for is dropped. The same key may ask again as long
        as the invitation is good, and gets the same certificate: its answer may have been lost.

        Args:
            token: from the invitation.
            request: a CSR in PEM or DER.
            client: who is invited.

        Raises:
            RefusedEnrolment: as for ``find``; or it was used for another key.
            RefusedRequest, UnreadableRequest: the request is no good; the invitation stays open.
        """
        found = self.find(token, client=client)
        parsed = read_request(request)
        if found.used_at is not None:
            return self._once_more(found, parsed)
        try:
            return self._issue(found, parsed)
        except RefusedEnrolment:
            # It may have been the same machine that was faster.
            again = self.find(token, client=client)
            if again.used_at is None:
                raise
            return self._once_more(again, parsed)

    def _issue(self, found: InvitationRecord, request: CertificateRequest) -> Signed:
        profile = _PROFILES[found.profile]
        policy = self._home.settings.policies[found.profile]
        client = found.client if profile is CLIENT else None
        approval = judge(
            request,
            policy,
            profile=profile,
            client=client,
            names=tuple(map(parse_name, found.names)),
            lifetime=found.lifetime,
            valid_now=0,  # counted where it is certain, in the transaction
        )

        def check(connection: "Connection", record: CertificateRecord) -> None:
            """Use it up, unless somebody else was faster, or it was withdrawn."""
            self._find(connection, found.token_hash, found.client)
            facts = {"invitation": found.id, "certificate": record.thumbprint}
            event = self._home.event("invitation.used", found.client, facts)
            if event.at > found.expires_at:  # it ended between the two looks at the clock
                raise _refused(f"the invitation of {found.client!r} has expired")
            if not invitations.use(connection, found.id, record.thumbprint, at=event.at):
                raise _refused("the invitation was used meanwhile")
            self._home.record(connection, event)

        order = Order(
            profile=profile,
            names=approval.names,
            public_key=request.public_key,
            client=client,
            common_name=approval.common_name,
            lifetime=approval.lifetime,
            max_valid=policy.max_valid if client is not None else None,
            check=check,
        )
        (issued,) = self._home.authority.issuing.issue([order])
        return Signed.of(issued, approval.dropped)

    def _once_more(self, found: InvitationRecord, request: CertificateRequest) -> Signed:
        """What was issued for an invitation, for the same key: nothing new is made."""
        assert found.certificate is not None
        with self._home.store.read() as connection:
            record = inventory.by_thumbprint(connection, found.certificate)
        state = None if record is None else record.state(self._home.now())
        if record is None or state is not CertificateState.VALID:
            raise _refused(f"the invitation of {found.client!r} was used, and its certificate is {state or 'gone'}")
        certificate = read_certificate(record.der)
        if certificate.public_key() != request.public_key:
            raise _refused(f"the invitation of {found.client!r} was used already, for another key")
        try:
            above = self._home.authority.issuing.above(self._home.hierarchy.get(record.authority))
        except UnknownAuthority:
            raise _refused(f"the CA of the certificate for {found.client!r} is gone") from None
        return Signed(
            certificate=certificate,
            chain=(certificate, *above),
            der=record.der,
            thumbprint=record.thumbprint,
            dropped=(),
        )

    def _find(self, connection: "Connection", hashed: str | None, client: str) -> InvitationRecord:
        found = None if hashed is None else invitations.by_hash(connection, hashed)
        if found is None:
            raise _refused("there is no such invitation")
        if found.client != client:
            raise _refused(f"the invitation is for {found.client!r}, and not for {client[:80]!r}")
        if self._home.now() > found.expires_at:
            raise _refused(f"the invitation of {client!r} has expired")
        if registry.state(connection, client) is not ClientState.ACTIVE:
            raise _refused(f"{client!r} is suspended")
        return found

    def _require_client(self, connection: "Connection", name: str, *, add: bool) -> None:
        if registry.state(connection, name) is None:
            if not add:
                raise UnknownClient(
                    f"the registry knows no client {name!r}",
                    hint=f"mutua client invite {name} --add, or: mutua client add",
                )
            self._home.clients.write(connection, Client(name=name))
        now = self._home.now()
        if sum(each.is_open(now) for each in invitations.of(connection, name)) >= MAX_OPEN:
            raise InvalidInput(
                f"{name!r} has {MAX_OPEN} open invitations", hint=f"mutua client invite {name} --withdraw"
            )

    def _require_times(self, profile: Profile, expires: timedelta, lifetime: timedelta | None) -> None:
        if not timedelta(seconds=1) <= expires <= MAX_EXPIRES:
            raise InvalidLifetime(
                f"an invitation is good for up to {MAX_EXPIRES.days} days, not {expires}", hint="such as --expires 24h"
            )
        policy = self._home.settings.policies[profile.name]
        longest = min(profile.max_lifetime, policy.max_lifetime or profile.max_lifetime)
        if lifetime is not None and not timedelta(seconds=1) <= lifetime <= longest:
            raise InvalidLifetime(
                f"a {profile.name} certificate lives up to {longest.days} days here, not {lifetime}",
                hint="give a shorter one, or raise max_days in mutua.toml",
            )

    def _url(self, given: str | None) -> str:
        url = given if given is not None else self._home.settings.est_url
        if url is None:
            raise InvalidInput(
                "nobody can tell where the EST server is",
                hint="set est_url in mutua.toml, or give --url https://HOST:PORT",
            )
        return accepted_est_url(url)


def _require_fit(names: tuple[Name, ...], profile: Profile) -> None:
    if not 1 <= len(names) <= MAX_NAMES:
        raise InvalidName(
            f"a certificate carries 1 to {MAX_NAMES} names, not {len(names)}",
            hint="name what it is for: --name api.acme.example",
        )
    if profile is CLIENT and any(isinstance(name, DnsName) and "*" in name.value for name in names):
        raise InvalidName("a client's certificate names one client, not a wildcard", hint="give the full name")


def _refused(why: str) -> RefusedEnrolment:
    return RefusedEnrolment(why, hint=_HINT)

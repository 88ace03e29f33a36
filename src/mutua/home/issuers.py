"""Which CA signs what: the one that is named, or the one for the purpose. Looked up once, until something changes."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from cryptography import x509

from mutua.ca.hierarchy import AuthorityState, Purpose, numbered
from mutua.errors import InvalidName, UnknownAuthority
from mutua.pki.chains import PermittedNames, extension
from mutua.pki.dn import DistinguishedName
from mutua.pki.profiles import ISSUING_CA, OCSP, Profile
from mutua.store import authorities
from mutua.store.authorities import AuthorityRecord

if TYPE_CHECKING:
    from mutua.home.home import Home

Chain = tuple[x509.Certificate, ...]


class Issuers:
    """The CAs of a home as issuance sees them.

    Args:
        home: whose.
    """

    def __init__(self, home: "Home") -> None:
        self._home = home
        self._known: tuple[AuthorityRecord, ...] = ()
        self._above: dict[str, tuple[Chain, bool]] = {}
        self._chosen: dict[tuple[str, str | None], AuthorityRecord] = {}

    def of(self, profile: Profile, authority: str | None = None) -> AuthorityRecord:
        """The CA that signs certificates of a profile now.

        Args:
            profile: of the certificate. A responder's is signed by the CA it speaks for, also by one that signs
                nothing else any more.
            authority: the CA's id; the one for the profile's purpose when not given.

        Raises:
            UnknownAuthority: there is none, or not of that name, or it signs no more.
        """
        chosen = self._chosen.get((profile.name, authority))
        if chosen is None:
            # What is not known here may have been added by another process.
            found = _choose(self._known, profile, authority) or _choose(self._refresh(), profile, authority)
            if found is None:
                which = f" {authority[:80]!r}" if authority else ""
                raise UnknownAuthority(
                    f"there is no CA{which} that signs {profile.name} certificates", hint="mutua ca show"
                )
            chosen = self._chosen[profile.name, authority] = found
        return chosen

    def chain(self, certificate: x509.Certificate, issuer: AuthorityRecord) -> Chain:
        """A new certificate and the CAs above it but the root: what a server sends.

        Raises:
            InvalidName: one of them is limited to other names, so that nobody would accept the certificate.
        """
        found = self._above.get(issuer.id)
        if found is None:
            above = self.above(issuer)
            found = self._above[issuer.id] = above, any(map(is_limited, above))
        above, limited = found
        chain = (certificate, *above)
        if limited:
            for ca, _, names in PermittedNames().breaches(chain):
                subject = str(DistinguishedName.of(ca.subject))
                raise InvalidName(f"the CA {subject} may not certify {names}", hint="name another CA: mutua ca show")
        return chain

    def above(self, issuer: AuthorityRecord) -> Chain:
        """A CA and those above it, without the root."""
        known = {each.id: each for each in self._known or self._refresh()}
        chain = []
        at: AuthorityRecord | None = issuer
        while at is not None and at.certificate.subject != at.certificate.issuer:
            chain.append(at.certificate)
            at = known.get(at.parent) if at.parent is not None else None
        return tuple(chain)

    def forget(self) -> None:
        """Look the CAs up anew."""
        self._known, self._above, self._chosen = (), {}, {}

    def compare(self, states: Mapping[str, AuthorityState]) -> None:
        """Look the CAs up anew if they are not what they were."""
        if states != {each.id: each.state for each in self._known}:
            self.forget()

    def _refresh(self) -> tuple[AuthorityRecord, ...]:
        self.forget()
        with self._home.store.read() as connection:
            self._known = authorities.everyone(connection)
        return self._known


def is_limited(certificate: x509.Certificate) -> bool:
    """Whether a CA may certify some names only (RFC 5280 section 4.2.1.10)."""
    return extension(certificate, x509.NameConstraints) is not None


def _choose(known: tuple[AuthorityRecord, ...], profile: Profile, authority: str | None) -> AuthorityRecord | None:
    if profile is OCSP and authority is not None:
        return next((each for each in known if each.id == authority and each.state is not AuthorityState.RETIRED), None)
    found = [
        each
        for each in known
        if each.state is AuthorityState.ACTIVE and each.profile == ISSUING_CA.name and each.purpose.covers(profile.name)
    ]
    if authority is not None:
        return next((each for each in found if each.id == authority), None)
    began: dict[str, datetime] = {}
    for each in known:
        began.setdefault(numbered(each.id)[0], each.created_at)
    # A successor keeps the place of the one it follows, so that rotating one CA does not make another the first.
    return min(found, key=lambda each: (*_preference(each), began[numbered(each.id)[0]], each.created_at), default=None)


def _preference(each: AuthorityRecord) -> tuple[object, ...]:
    """One for all names first, then the one for the purpose before one for all, then our own before one taken in."""
    return is_limited(each.certificate), each.purpose is Purpose.ANY, each.parent is None

"""What the CRLs of partners' CAs say of a peer: revoked, good, or that nobody knows any more."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from cryptography import x509

from mutua.errors import UnreadableCertificate
from mutua.pki.certificates import common_name, issued_by, read_certificate
from mutua.pki.foreign import MALFORMED, parsing
from mutua.pki.foreign_crl import ForeignCrl
from mutua.pki.keys import accepted_public_key
from mutua.pki.thumbprints import spki_s256
from mutua.registry.credentials import CrlSource, StalePolicy
from mutua.tls.peer import PeerCertificate

REMEMBERED = 1024
"""CAs of partners that need not be read again when one of their clients connects again."""

WARN_AGAIN = timedelta(minutes=1)
"""How soon a client that is let in while a CRL is stale is looked at again, and warned of."""


class Loaded(NamedTuple):
    """A CRL out of the store.

    Attributes:
        digest: of its row; a row with another is read anew.
        crl: verified; ``None`` where the row has none, or none that can be believed.
    """

    digest: str
    crl: ForeignCrl | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the CRLs say of a peer.

    Attributes:
        revoked: why it is refused as revoked; empty where it is not.
        stale: why nobody knows whether it is revoked, for clients that are refused then; empty where it is known.
        tolerated: the same for clients that are let in all the same, by CA.
        until: when it is to be looked at again, for a CRL has ended then, or a warning is due, UTC; ``None`` for never.
    """

    revoked: str = ""
    stale: str = ""
    tolerated: tuple[str, ...] = ()
    until: datetime | None = None


_GOOD = Verdict()
_UNREADABLE = UnreadableCertificate("a certificate of the path cannot be read")


def _unknown(why: str, now: datetime, *, refuses: bool) -> Verdict:
    return Verdict(stale=why) if refuses else Verdict(tolerated=(why,), until=now + WARN_AGAIN)


@dataclass(frozen=True, slots=True)
class _Authority:
    """A CA whose CRLs are read."""

    name: str
    crls: tuple[ForeignCrl, ...]
    refuses: bool

    def judge(self, certificate: x509.Certificate, now: datetime) -> Verdict:
        name = self.name
        # What an ended one lists is revoked all the same: what is not any more has no entry in a newer one.
        if any(crl.serials.lists(certificate.serial_number) for crl in self.crls):
            return Verdict(revoked=f"the CRL of {name} lists the serial number {certificate.serial_number:x}")
        ends = [crl.next_update for crl in self.crls if crl.covers(certificate)]
        if ends and now <= max(ends):
            return Verdict(until=max(ends))
        what = f"the CRL of {name} ended at {max(ends):%Y-%m-%dT%H:%M:%SZ}" if ends else f"no CRL of {name} is there"
        return _unknown(what, now, refuses=self.refuses)


@dataclass(frozen=True, slots=True)
class ForeignRevocations:
    """The CRLs of partners' CAs, immutable.

    Attributes:
        sources: where they come from, and what becomes of clients while they are stale.
        issuers: the CAs that sign them.
        loaded: what was fetched, by address.
    """

    sources: tuple[CrlSource, ...] = ()
    issuers: tuple[x509.Certificate, ...] = ()
    loaded: Mapping[str, Loaded] = field(default_factory=dict)
    _authorities: Mapping[str, _Authority] = field(init=False, repr=False, compare=False)
    _by_name: Mapping[bytes, tuple[x509.Certificate, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_authorities", self._index())
        names: dict[bytes, tuple[x509.Certificate, ...]] = {}
        for each in self.issuers:
            name = each.subject.public_bytes()
            names[name] = (*names.get(name, ()), each)
        object.__setattr__(self, "_by_name", names)

    def with_sources(self, sources: Iterable[CrlSource], issuers: Iterable[x509.Certificate]) -> "ForeignRevocations":
        """The same with exactly these sources and CAs; of a new one nothing is there yet."""
        sources, issuers = tuple(sources), tuple(issuers)
        if (sources, issuers) == (self.sources, self.issuers):
            return self
        return ForeignRevocations(sources, issuers, self.loaded)

    def judge(self, peer: PeerCertificate, now: datetime) -> Verdict:
        """What is known of a peer that is no client by a certificate of ours.

        Args:
            peer: its certificate, with the path that the handshake verified.
            now: UTC.
        """
        if not self._authorities:
            return _GOOD
        try:
            with parsing(_UNREADABLE):
                return self._judge(peer, now)
        except (UnreadableCertificate, *MALFORMED):
            return Verdict(stale="a certificate of its path cannot be read, nor be looked for in a CRL")

    def _judge(self, peer: PeerCertificate, now: datetime) -> Verdict:
        links = list(self._links(peer))
        found = [self._authorities[authority].judge(certificate, now) for certificate, authority in links]
        if links and links[0][0] is not peer.leaf:
            # A CA below the pinned one that nobody has told of: whether it has revoked the client is not known.
            refuses = any(self._authorities[authority].refuses for _, authority in links)
            found.append(_unknown(f"no CRL of {common_name(peer.leaf.issuer)} is registered", now, refuses=refuses))
        return Verdict(
            revoked=next((each.revoked for each in found if each.revoked), ""),
            stale=next((each.stale for each in found if each.stale), ""),
            tolerated=tuple(warning for each in found for warning in each.tolerated),
            until=min((each.until for each in found if each.until is not None), default=None),
        )

    def _links(self, peer: PeerCertificate) -> Iterator[tuple[x509.Certificate, str]]:
        """The certificates of the path that a CA with a CRL signed, each with the hash of that CA's key."""
        if len(peer.chain) == 1 and self._by_name:
            # A pinned certificate ends its own path: the CA above it is found by name, and by its signature.
            for issuer in self._by_name.get(peer.leaf.issuer.public_bytes(), ()):
                if (authority := key_of(issuer)) in self._authorities and _is_issued_by(peer.leaf, issuer):
                    yield peer.leaf, authority
                    return
        for below, authority in zip(peer.chain, peer.issuer_keys, strict=False):
            if authority in self._authorities:
                yield (peer.leaf if below is peer.chain[0] else _certificate(below)), authority

    def _index(self) -> dict[str, _Authority]:
        crls: dict[str, dict[object, ForeignCrl]] = defaultdict(dict)
        refuses: dict[str, bool] = {}
        for source in self.sources:
            crl = self._from(source)
            authority = crl.authority if crl else source.authorities[0]
            refuses[authority] = refuses.get(authority, False) or source.stale is StalePolicy.REFUSE
            if crl and ((known := crls[authority].get(crl.scope)) is None or known.is_older_than(crl)):
                crls[authority][crl.scope] = crl
        names = {key_of(each): common_name(each.subject) for each in self.issuers}
        return {key: _Authority(names.get(key, key), tuple(crls[key].values()), refuses[key]) for key in refuses}

    def _from(self, source: CrlSource) -> ForeignCrl | None:
        loaded = self.loaded.get(source.url)
        if loaded is None or loaded.crl is None or loaded.crl.authority not in source.authorities:
            return None
        return loaded.crl


@lru_cache(maxsize=REMEMBERED)
def _certificate(der: bytes) -> x509.Certificate:
    """A CA on a path; the handshake has read it already."""
    return read_certificate(der)


@lru_cache(maxsize=REMEMBERED)
def _is_issued_by(leaf: x509.Certificate, issuer: x509.Certificate) -> bool:
    return issued_by(leaf, issuer)


@lru_cache(maxsize=REMEMBERED)
def key_of(issuer: x509.Certificate) -> str:
    """The SPKI hash of a CA's key."""
    return spki_s256(accepted_public_key(issuer.public_key()))

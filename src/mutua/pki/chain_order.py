"""A chain in order: the leaf, then whoever issued it, out of certificates in any order; and who is missing above it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from mutua.pki.certificates import is_ca, issued_by
from mutua.pki.chains import MAX_DEPTH, MAX_SIGNATURE_CHECKS, extension, is_costly, issuer_key_identifier
from mutua.pki.dn import DistinguishedName

MAX_ISSUER_URLS = 4
"""Addresses of one issuer; certificates of public CAs name one, those of Active Directory two or three."""


@dataclass(frozen=True, slots=True)
class OrderedChain:
    """What of some certificates belongs to a leaf.

    Attributes:
        chain: the leaf and the intermediates above it, in order, without the root.
        root: the self-signed certificate that the chain ends at, where it was among them.
        others: the rest.
    """

    chain: tuple[x509.Certificate, ...]
    root: x509.Certificate | None
    others: tuple[x509.Certificate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingIssuer:
    """Who issued the last certificate of a chain, and is not there.

    Attributes:
        subject: its distinguished name (RFC 4514), as the certificate below it has it.
        key_identifier: its key's identifier in hex, where the certificate below says it (RFC 5280 section 4.2.1.1).
        urls: where the certificate below says that it can be fetched (section 4.2.2.1).
        below: the subject of that certificate.
        perhaps_root: whether that is a CA's, so that only the root may be missing, which nobody sends. Otherwise the
            leaf stands alone: an intermediate is missing, unless servers trust the leaf's issuer itself.
    """

    subject: str
    key_identifier: str | None
    urls: tuple[str, ...]
    below: str
    perhaps_root: bool


def in_order(leaf: x509.Certificate, certificates: Iterable[x509.Certificate]) -> OrderedChain:
    """Build the chain above a leaf; each link's name and signature fits.

    Where several certificates are of one CA, as with cross-signing, one that another CA issued goes before the
    self-signed one, and a newer one before an older: a server takes whichever it trusts.

    Args:
        leaf: where it begins.
        certificates: what came with it; the leaf itself and duplicates may be among them.
    """
    rest = [each for each in dict.fromkeys(certificates) if each != leaf]
    search = _Search(rest)
    chain = [leaf]
    root = leaf if is_self_signed(leaf) else None
    while root is None and len(chain) < MAX_DEPTH:
        issuer = search.issuer_of(chain[-1])
        if issuer is None:
            break
        rest.remove(issuer)
        if is_self_signed(issuer):
            root = issuer
        else:
            chain.append(issuer)
    if root is None:  # reached over another path: the chain follows a cross-signed twin of it
        root = next((each for each in rest if is_self_signed(each) and search.issued_any(chain, each)), None)
        rest = [each for each in rest if each is not root]
    return OrderedChain(tuple(chain), root, tuple(rest))


def missing_issuer(chain: Sequence[x509.Certificate], root: x509.Certificate | None) -> MissingIssuer | None:
    """Who is missing above the last of a chain; ``None`` where the root is there, or the last is its own issuer."""
    last = chain[-1]
    if root is not None or is_self_signed(last):
        return None
    identifier = issuer_key_identifier(last)
    return MissingIssuer(
        subject=str(DistinguishedName.of(last.issuer)),
        key_identifier=identifier.hex() if identifier else None,
        urls=issuer_urls(last),
        below=str(DistinguishedName.of(last.subject)),
        perhaps_root=is_ca(last),
    )


def preferred(certificates: Iterable[x509.Certificate]) -> x509.Certificate:
    """Of several certificates of one key: one that a CA issued before a self-issued one, and of those the newest."""
    return max(certificates, key=_preference)


def issuer_urls(certificate: x509.Certificate) -> tuple[str, ...]:
    """Where a certificate says that its issuer's is: the first few of its caIssuers (RFC 5280 section 4.2.2.1)."""
    access = extension(certificate, x509.AuthorityInformationAccess) or ()
    places = (each.access_location for each in access if each.access_method == AuthorityInformationAccessOID.CA_ISSUERS)
    return tuple(each.value for each in places if isinstance(each, x509.UniformResourceIdentifier))[:MAX_ISSUER_URLS]


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Whether a certificate is signed with its own key; names alone do not tell (RFC 5280 section 6.1)."""
    own = certificate.subject == certificate.issuer and not is_costly(certificate.public_key())
    return own and issued_by(certificate, certificate)


def _preference(certificate: x509.Certificate) -> tuple[bool, datetime, datetime]:
    issued = certificate.subject != certificate.issuer
    return issued, certificate.not_valid_before_utc, certificate.not_valid_after_utc


class _Search:
    """Looks for issuers, and stops where somebody sends hundreds of one name."""

    def __init__(self, among: list[x509.Certificate]) -> None:
        self._among, self._checks = among, 0

    def issuer_of(self, certificate: x509.Certificate) -> x509.Certificate | None:
        named = [each for each in self._among if each.subject == certificate.issuer]
        named.sort(key=_preference, reverse=True)
        return next((each for each in named if self._issued(certificate, each)), None)

    def issued_any(self, certificates: Iterable[x509.Certificate], issuer: x509.Certificate) -> bool:
        return any(self._issued(each, issuer) for each in certificates if each.issuer == issuer.subject)

    def _issued(self, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
        if self._checks == MAX_SIGNATURE_CHECKS or is_costly(issuer.public_key()):
            return False
        self._checks += 1
        return issued_by(certificate, issuer)

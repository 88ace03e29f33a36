"""Chains: the paths from a certificate up to a root that is trusted, and what the CAs on them permit.

Paths are built in the spirit of RFC 4158. Whoever sends certificates chooses how many there are and how they hang
together: hundreds of one name and key, rings, meshes of CAs. So every search has bounds, and meeting one it finds less.
"""

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from mutua.pki.certificates import issued_by
from mutua.pki.keys import MAX_RSA_BITS, MAX_RSA_EXPONENT_BITS

MAX_GIVEN = 100
"""Certificates looked at besides the leaf; a handshake of 100 KiB, OpenSSL's default limit, holds about as many."""

MAX_DEPTH = 8
"""Certificates in a path, leaf and root included, as in rustls-webpki (6 between the two); real ones have 3 or 4."""

MAX_SIGNATURE_CHECKS = 100
"""In one search, as in Go's crypto/x509 and rustls-webpki: 10 ms of P-256, half a second of the costliest RSA."""

MAX_PATHS = 32
"""Paths that one search gives; cross-signing by several roots, as of public CAs, makes four or five."""

MAX_NAME_COMPARISONS = 250_000
"""Of names with name constraints, for one leaf, as in Go's crypto/x509 and rustls-webpki."""

WEAK_HASHES = frozenset({"md5", "sha1"})
"""Collisions for both can be bought; RFC 9155 and RFC 6151 end their use in signatures."""

UNKNOWN = "unknown"

Certificates = Iterable[x509.Certificate]
Extended = x509.Certificate | x509.CertificateRevocationList | x509.RevokedCertificate
E = TypeVar("E", bound=x509.ExtensionType)


class Link(StrEnum):
    """What the issuer's key says of a signature."""

    VERIFIED = "verified"
    BROKEN = "broken"
    UNVERIFIABLE = "unverifiable"


class Ending(StrEnum):
    """Where a path ends."""

    ROOT = "root"
    UNTRUSTED_ROOT = "untrusted_root"
    ISSUER_MISSING = "issuer_missing"
    TOO_LONG = "too_long"
    GAVE_UP = "gave_up"


@dataclass(frozen=True, slots=True)
class Path:
    """A path, good or not.

    Attributes:
        certificates: the leaf first; with ``Ending.ROOT`` the trusted root last.
        links: of each certificate's signature, by the key of the next; for an untrusted root by its own.
        ending: where it ends.
    """

    certificates: tuple[x509.Certificate, ...]
    links: tuple[Link, ...]
    ending: Ending


class Search:
    """One search for paths, within its bounds, among certificates as ``read_certificates`` gives them.

    Args:
        leaf: where paths begin.
        given: certificates that came with it, in any order and believed in nothing.
        trusted: a path ends well at one of these that is a root; the others count as given.
        now: certificates valid then are tried first.

    Attributes:
        exhausted: whether a bound kept something from being seen.
    """

    def __init__(self, leaf: x509.Certificate, given: Certificates, trusted: Certificates, *, now: datetime) -> None:
        known, others = dict.fromkeys(trusted), tuple(dict.fromkeys(given))
        self.exhausted = len(others) > MAX_GIVEN
        self._leaf = _Node(leaf, now, is_trusted=leaf in known)
        nodes = [_Node(each, now, is_trusted=each in known) for each in dict.fromkeys([*known, *others[:MAX_GIVEN]])]
        self._by_subject: dict[bytes, list[_Node]] = defaultdict(list)
        for node in nodes:
            self._by_subject[node.subject].append(node)
        _measure(nodes)
        self._checked: dict[tuple[_Node, bytes], Link] = {}

    def paths(self) -> Iterator[Path]:
        """Every path, the most promising first, until there is no other or a bound is met; always at least one."""
        for count, path in enumerate(self._extend((self._leaf,), ()), 1):
            yield path
            if count == MAX_PATHS:
                self.exhausted = True
                return

    def _extend(self, path: tuple["_Node", ...], links: tuple[Link, ...]) -> Iterator[Path]:
        last = path[-1]
        if last.is_root:
            yield _path(path, links, Ending.ROOT)
        elif last.claims_to_be_a_root and (own := self._link(last, last)) is not Link.BROKEN:
            yield _path(path, (*links, own or Link.UNVERIFIABLE), Ending.UNTRUSTED_ROOT)
        elif len(path) == MAX_DEPTH:
            yield _path(path, links, Ending.TOO_LONG)
        else:
            yield from self._climb(path, links)

    def _climb(self, path: tuple["_Node", ...], links: tuple[Link, ...]) -> Iterator[Path]:
        """Go on with each issuer whose key verifies; with none, with the likeliest, to see what else is wrong."""
        verified, likeliest = False, None
        for issuer in self._issuers(path):
            link = self._link(path[-1], issuer)
            if link is None:
                break
            if link is Link.VERIFIED:
                verified = True
                yield from self._extend((*path, issuer), (*links, link))
            elif likeliest is None and not path[-1].names_another_key_than(issuer):
                likeliest = issuer, link
        if verified:
            return
        if self.exhausted:
            yield _path(path, links, Ending.GAVE_UP)
        elif likeliest is not None:
            yield from self._extend((*path, likeliest[0]), (*links, likeliest[1]))
        elif path[-1].claims_to_be_a_root:
            yield _path(path, (*links, Link.BROKEN), Ending.UNTRUSTED_ROOT)
        else:
            yield _path(path, links, Ending.ISSUER_MISSING)

    def _issuers(self, path: tuple["_Node", ...]) -> list["_Node"]:
        """Who may have issued the last of the path, by name, the likeliest first (RFC 4158 section 3.5)."""
        last, on_path = path[-1], {(node.subject, node.key) for node in path}
        # The same name and key twice in a path is a loop, whatever else the certificates say (RFC 4158 section 5.2).
        found = [node for node in self._by_subject.get(last.issuer, ()) if (node.subject, node.key) not in on_path]
        return sorted(found, key=lambda node: (last.names_another_key_than(node), node.steps, not node.is_valid))

    def _link(self, node: "_Node", issuer: "_Node") -> Link | None:
        """What the issuer's key says of a signature; ``None`` when no more may be checked."""
        question = node, issuer.key
        if question not in self._checked:
            if len(self._checked) == MAX_SIGNATURE_CHECKS:
                self.exhausted = True
                return None
            self._checked[question] = _verify(node.certificate, issuer.certificate)
        return self._checked[question]


class _Node:
    """A certificate, with what a search asks of it over and over."""

    __slots__ = ("certificate", "claims_to_be_a_root", "is_root", "is_valid", "issuer", "issuer_key", "key", "steps",
                 "subject", "subject_key")  # fmt: skip

    def __init__(self, certificate: x509.Certificate, now: datetime, *, is_trusted: bool) -> None:
        self.certificate = certificate
        self.is_valid = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
        self.subject, self.issuer = certificate.subject.public_bytes(), certificate.issuer.public_bytes()
        self.key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.subject_key, self.issuer_key = own_key_identifier(certificate), issuer_key_identifier(certificate)
        # Self-issued and with another key's signature it is a CA's key rollover, not a root.
        self.claims_to_be_a_root = self.subject == self.issuer and not self.names_another_key_than(self)
        self.is_root = is_trusted and self.claims_to_be_a_root
        self.steps = MAX_GIVEN

    def names_another_key_than(self, issuer: "_Node") -> bool:
        """Whether the key identifiers say that this issuer did not sign it. A hint: whoever issues writes them."""
        return None not in {self.issuer_key, issuer.subject_key} and self.issuer_key != issuer.subject_key


def _measure(nodes: list[_Node]) -> None:
    """Note how many steps each is away from a trusted root, going by names alone, so that the shortest way is tried."""
    below: dict[bytes, list[_Node]] = defaultdict(list)
    for node in nodes:
        below[node.issuer].append(node)
    frontier, steps = [node for node in nodes if node.is_root], 0
    while frontier:
        for node in frontier:
            node.steps = min(node.steps, steps)
        frontier = [child for node in frontier for child in below.pop(node.subject, ())]
        steps += 1


def _path(nodes: tuple[_Node, ...], links: tuple[Link, ...], ending: Ending) -> Path:
    return Path(tuple(node.certificate for node in nodes), links, ending)


def _verify(certificate: x509.Certificate, issuer: x509.Certificate) -> Link:
    if is_costly(issuer.public_key()):
        return Link.UNVERIFIABLE
    if has_loose_bits(certificate):
        return Link.BROKEN
    if issued_by(certificate, issuer):
        return Link.VERIFIED
    return Link.UNVERIFIABLE if weakness(certificate) else Link.BROKEN


def leaf_of(certificates: Sequence[x509.Certificate]) -> x509.Certificate:
    """The first that issued none of the others, going by names; in a ring the first of all."""
    issuers = {each.issuer.public_bytes() for each in certificates if each.subject != each.issuer}
    return next((each for each in certificates if each.subject.public_bytes() not in issuers), certificates[0])


def is_costly(key: object) -> bool:
    """Whether the key is of RSA so large that no signature is checked with it."""
    if not isinstance(key, rsa.RSAPublicKey):
        return False
    return key.key_size > MAX_RSA_BITS or key.public_numbers().e.bit_length() > MAX_RSA_EXPONENT_BITS


def has_loose_bits(signed: x509.Certificate) -> bool:
    """Whether the last bits of the signature are called unused, to have another thumbprint; cryptography takes it."""
    return signed.public_bytes(Encoding.DER)[-len(signed.signature) - 1] != 0


def weakness(signed: x509.Certificate | x509.CertificateRevocationList) -> str:
    """The hash below a signature where it is broken, ``unknown`` where nobody knows the algorithm, else nothing."""
    try:
        algorithm = signed.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return UNKNOWN
    return algorithm.name if algorithm is not None and algorithm.name in WEAK_HASHES else ""


def extension(of: Extended, kind: type[E]) -> E | None:
    """The extension's value, or ``None`` where there is none."""
    try:
        return of.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def own_key_identifier(certificate: x509.Certificate) -> bytes | None:
    """How the certificate names its own key (RFC 5280 section 4.2.1.2)."""
    value = extension(certificate, x509.SubjectKeyIdentifier)
    return value.digest if value else None


def issuer_key_identifier(certificate: x509.Certificate) -> bytes | None:
    """How the certificate names the key that signed it (RFC 5280 section 4.2.1.1)."""
    value = extension(certificate, x509.AuthorityKeyIdentifier)
    return value.key_identifier if value else None


class PermittedNames:
    """Names against the name constraints of the CAs above them (RFC 5280 sections 4.2.1.10 and 6.1.3).

    The bound on comparisons holds for all paths that one such object is asked about.
    """

    def __init__(self) -> None:
        self._left = MAX_NAME_COMPARISONS

    def breaches(self, path: tuple[x509.Certificate, ...]) -> Iterator[tuple[x509.Certificate, x509.Certificate, str]]:
        """The CA, the certificate below it, and what is not permitted there, for each such pair in the path."""
        for place, ca in enumerate(path[1:], 1):
            constraints = extension(ca, x509.NameConstraints)
            if constraints is None:
                continue
            # What cryptography passes over, a minimum or a maximum, is not there when it writes them again.
            if constraints.public_bytes() not in ca.tbs_certificate_bytes:
                yield ca, path[0], "names at all: its constraints have parts that RFC 5280 does not allow"
                continue
            for below in (path[0], *(each for each in path[1:place] if each.subject != each.issuer)):
                if refused := self._refused(below, constraints):
                    more = f" and {len(refused) - MAX_SHOWN} more" if len(refused) > MAX_SHOWN else ""
                    yield ca, below, ", ".join(refused[:MAX_SHOWN]) + more

    def _refused(self, certificate: x509.Certificate, constraints: x509.NameConstraints) -> list[str]:
        alternatives = extension(certificate, x509.SubjectAlternativeName) or x509.SubjectAlternativeName([])
        permitted, excluded = constraints.permitted_subtrees or [], constraints.excluded_subtrees or []
        self._left -= (len(alternatives) + 1) * (len(permitted) + len(excluded) + COST_OF_A_NAME)
        if self._left < 0:
            return [f"so many names: {len(alternatives)}, more than can be compared with its constraints"]
        allowed, forbidden = _by_kind(permitted), _by_kind(excluded)
        names = [
            *_names_in(certificate.subject),
            *((type(each), _comparable(each), str(each.value)) for each in alternatives),
        ]
        return [name for kind, value, name in names if not _permits(kind, value, allowed, forbidden)]


MAX_SHOWN = 8
"""Names that are named where many are refused."""

COST_OF_A_NAME = 10
"""How many comparisons it takes to make a name ready for them; a directory name twice that."""

_Kind = type[x509.GeneralName]
_Subtrees = dict[_Kind, list[object]]


def _names_in(subject: x509.Name) -> Iterator[tuple[_Kind, object, str]]:
    """The subject as a directory name, and the mail addresses in it."""
    if list(subject):
        yield x509.DirectoryName, _comparable(x509.DirectoryName(subject)), subject.rfc4514_string()
    for address in subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
        yield x509.RFC822Name, _mailbox(str(address.value)), str(address.value)


def _by_kind(subtrees: Iterable[x509.GeneralName]) -> _Subtrees:
    found: _Subtrees = defaultdict(list)
    for base in subtrees:
        found[type(base)].append(_comparable(base, is_base=True))
    return found


def _permits(kind: _Kind, value: object, permitted: _Subtrees, excluded: _Subtrees) -> bool:
    """Whether a name is inside what is permitted and outside what is excluded for its kind, and both can be told."""
    inside = [_covers(kind, base, value) for base in permitted.get(kind, ())]
    outside = [_covers(kind, base, value, excluding=True) for base in excluded.get(kind, ())]
    return None not in {*inside, *outside} and (any(inside) or not inside) and not any(outside)


def _comparable(name: x509.GeneralName, *, is_base: bool = False) -> object:
    """A name, or the base of a subtree, in the form in which it is compared; ``None`` where that cannot be done."""
    match name:
        case x509.DNSName(value=value):
            return None if value == "." else value.lower().removesuffix(".")
        case x509.RFC822Name(value=value):
            return _mailbox(value if "@" in value or not is_base else f"@{value}")
        case x509.UniformResourceIdentifier(value=value) if is_base:
            return None if set(value) & set("/:@") else value.lower()
        case x509.UniformResourceIdentifier(value=value):
            return _host(value)
        case x509.IPAddress(value=value):
            return value if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network) == is_base else None
        case x509.DirectoryName(value=value):
            return tuple(frozenset((each.oid, _folded(each.value)) for each in rdn) for rdn in value.rdns)
    return None


def _mailbox(address: str) -> tuple[str, str] | None:
    local, at, host = address.rpartition("@")
    return (local, host.lower()) if at and host else None


def _covers(kind: _Kind, base: Any, value: Any, *, excluding: bool = False) -> bool | None:
    """Whether a name lies in a subtree; ``None`` where nobody can tell, which refuses it."""
    if base is None or value is None:
        return None
    if kind is x509.DNSName:
        # A wildcard stands for names below it, one of which may be excluded.
        if excluding and value.startswith("*.") and base.partition(".")[2] == value[2:]:
            return True
        return not base or value == base or bool(value.endswith(base if base.startswith(".") else f".{base}"))
    if kind is x509.IPAddress:
        return bool(value in base)
    if kind is x509.DirectoryName:
        return bool(value[: len(base)] == base)
    if kind is x509.RFC822Name:
        (wanted, base), (local, value) = base, value
        if wanted and wanted != local:
            return False
    return bool(value.endswith(base) if base.startswith(".") else value == base)


def _host(uri: str) -> str | None:
    """The host of a URI's authority where it is a domain: only there does RFC 5280 let constraints apply."""
    try:
        host = urlsplit(uri).hostname or ""
    except ValueError:
        return None
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host or None
    return None


def _folded(value: str | bytes) -> str | bytes:
    """An attribute's value, case and inner spaces folded (RFC 5280 section 7.1)."""
    return " ".join(value.split()).casefold() if isinstance(value, str) else value


def names_another_key(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the AuthorityKeyIdentifier speaks of another CA certificate than ``issuer``, as OpenSSL compares it."""
    named, own = extension(certificate, x509.AuthorityKeyIdentifier), own_key_identifier(issuer)
    return named is not None and (
        (None not in {named.key_identifier, own} and named.key_identifier != own)
        or named.authority_cert_serial_number not in {None, issuer.serial_number}
    )

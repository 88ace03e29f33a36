"""A client's path, verified by us: for a certificate whose handshake somebody else has seen, such as a proxy.

What OpenSSL does in a handshake of our own is done here once more: signatures, validity, CA flags, path length, name
constraints and purpose (RFC 5280 section 6.1), up to a certificate that is trusted. The leaf's own validity and its
revocation are left to the gate, which looks at both on every request.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from mutua.errors import UnreadableCertificate, UnreadableKey
from mutua.pki.certificates import common_name, may_sign, purposes
from mutua.pki.chains import Link, Path, PermittedNames, Search, extension, weakness
from mutua.pki.foreign import MALFORMED, parsing
from mutua.pki.keys import accepted_public_key
from mutua.reasons import Reason
from mutua.tls.trust import Trust

MAX_SENT = 16
"""Certificates of the sender that are looked at: twice what a path may have (``chains.MAX_DEPTH``). Whatever is not
on a path by its names is not even measured against the others."""

_PROCESSED = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.ISSUER_ALTERNATIVE_NAME,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.POLICY_MAPPINGS,
        ExtensionOID.INHIBIT_ANY_POLICY,
    }
)
"""What may be critical: understood here, or of no consequence where no policy is demanded."""


@dataclass(frozen=True, slots=True)
class Distrust:
    """Why there is no path.

    Attributes:
        reason: the stable reason.
        detail: what exactly was wrong, for the log.
    """

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class ClientPath:
    """A verified path.

    Attributes:
        certificates: the leaf first, the one that is trusted last.
        ends_at: when the first of the CAs on it ends; ``None`` for a leaf that is trusted itself.
    """

    certificates: tuple[x509.Certificate, ...]
    ends_at: datetime | None


class ClientPaths:
    """Finds paths that end at what one ``Trust`` believes.

    Args:
        trust: whose anchors, partners and intermediates count.
    """

    def __init__(self, trust: Trust) -> None:
        self._ends = frozenset((*trust.anchors, *trust.partners))
        self._by_subject: dict[bytes, list[x509.Certificate]] = defaultdict(list)
        for each in dict.fromkeys((*trust.anchors, *trust.partners, *trust.intermediates)):
            self._by_subject[each.subject.public_bytes()].append(each)

    def find(self, leaf: bytes, sent: Sequence[bytes], *, now: datetime) -> ClientPath | Distrust:
        """The path of a certificate, or what stands in its way.

        Args:
            leaf: in DER.
            sent: what came with it, in DER and in any order; believed in nothing.
            now: UTC.
        """
        if len(sent) > MAX_SENT:
            return Distrust(Reason.MALFORMED, f"{len(sent)} certificates came with it, more than {MAX_SENT}")
        try:
            with parsing(UnreadableCertificate("not a readable certificate")):
                return self._find(_read(leaf), [_read(each) for each in sent], now)
        except (UnreadableCertificate, *MALFORMED) as error:
            return Distrust(Reason.MALFORMED, f"a forwarded certificate cannot be read: {str(error)[:120]}")

    def _find(self, leaf: x509.Certificate, sent: list[x509.Certificate], now: datetime) -> ClientPath | Distrust:
        search = Search(leaf, *self._of_interest(leaf, sent), now=now)
        permitted = PermittedNames()
        first: Distrust | None = None
        for path in search.paths():
            for candidate in self._candidates(path):
                problem = next(_problems(candidate, permitted, now), None)
                if problem is None:
                    return ClientPath(
                        candidate, min((each.not_valid_after_utc for each in candidate[1:]), default=None)
                    )
                first = first or problem
        return first or Distrust(Reason.UNKNOWN_ISSUER, f"no path to a trusted CA, issuer {_name(leaf.issuer)}")

    def _of_interest(
        self, leaf: x509.Certificate, sent: list[x509.Certificate]
    ) -> tuple[list[x509.Certificate], list[x509.Certificate]]:
        """What was sent and what is trusted, as far as a path by names goes: of a thousand partners mostly none."""
        by_subject: dict[bytes, list[x509.Certificate]] = defaultdict(list)
        for each in sent:
            by_subject[each.subject.public_bytes()].append(each)
        trusted = [each for each in self._by_subject.get(leaf.subject.public_bytes(), ()) if each == leaf]
        given: list[x509.Certificate] = []
        seen: set[bytes] = set()
        wanted = deque([leaf.issuer.public_bytes()])
        while wanted:
            name = wanted.popleft()
            if name in seen:
                continue
            seen.add(name)
            ours, theirs = self._by_subject.get(name, []), by_subject[name]
            trusted += ours
            given += theirs
            wanted += (each.issuer.public_bytes() for each in (*ours, *theirs))
        return given, trusted

    def _candidates(self, path: Path) -> Iterator[tuple[x509.Certificate, ...]]:
        """The parts of a path that begin at the leaf and end at something trusted, the longest first.

        The longest names most of the CAs that a client may be known below.
        """
        verified = 0
        while verified < len(path.certificates) - 1 and path.links[verified] is Link.VERIFIED:
            verified += 1
        for last in range(verified, -1, -1):
            if path.certificates[last] in self._ends:
                yield path.certificates[: last + 1]


def _read(der: bytes) -> x509.Certificate:
    """One certificate in DER and nothing else: PEM of another one may stand inside an extension of this one."""
    certificate = x509.load_der_x509_certificate(der)
    _ = certificate.public_key(), certificate.extensions, certificate.subject.rfc4514_string()
    return certificate


def _problems(path: tuple[x509.Certificate, ...], permitted: PermittedNames, now: datetime) -> Iterator[Distrust]:
    for place, certificate in enumerate(path):
        name = _name(certificate.subject)
        if place:
            yield from _of_ca(certificate, path[1:place], name, now)
        held = purposes(certificate)
        if held and ExtendedKeyUsageOID.CLIENT_AUTH not in held:
            yield Distrust(Reason.WRONG_PURPOSE, f"the ExtendedKeyUsage of {name} lacks clientAuth")
        if unknown := [each.oid.dotted_string for each in certificate.extensions if _is_unknown(each)]:
            yield Distrust(Reason.UNKNOWN_ISSUER, f"{name} has the critical extension {unknown[0]}, which is unknown")
        if place + 1 < len(path) and (weak := weakness(certificate)):
            yield Distrust(Reason.WEAK_KEY, f"{name} is signed with the hash {weak}")
        try:
            accepted_public_key(certificate.public_key())
        except UnreadableKey as error:
            yield Distrust(Reason.WEAK_KEY, f"{name}: {error.message}")
    usage = extension(path[0], x509.KeyUsage)
    if usage is not None and not (usage.digital_signature or usage.key_agreement):
        yield Distrust(Reason.WRONG_PURPOSE, "the KeyUsage of the client's certificate lacks digitalSignature")
    for ca, _, names in permitted.breaches(path):
        yield Distrust(Reason.UNKNOWN_ISSUER, f"{_name(ca.subject)} does not permit {names[:200]}")


def _of_ca(ca: x509.Certificate, below: Iterable[x509.Certificate], name: str, now: datetime) -> Iterator[Distrust]:
    if now > ca.not_valid_after_utc:
        yield Distrust(Reason.EXPIRED, f"the CA {name} expired at {ca.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}")
    if now < ca.not_valid_before_utc:
        yield Distrust(Reason.NOT_YET_VALID, f"the CA {name} begins at {ca.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}")
    if not may_sign(ca):
        yield Distrust(Reason.UNKNOWN_ISSUER, f"{name} signed it and is no CA")
    basic = extension(ca, x509.BasicConstraints)
    count = sum(each.subject != each.issuer for each in below)
    if basic is not None and basic.path_length is not None and count > basic.path_length:
        yield Distrust(Reason.UNKNOWN_ISSUER, f"{name} permits {basic.path_length} CAs below it, and there are {count}")


def _is_unknown(each: "x509.Extension[x509.ExtensionType]") -> bool:
    return each.critical and each.oid not in _PROCESSED


def _name(name: x509.Name) -> str:
    return repr(common_name(name)[:64])

"""What is wrong with a chain of certificates: everything, not the first thing alone.

The rules are those of RFC 5280, as strict as the contexts of ``mutua.tls``, and of RFC 9525 for names.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa, x448, x25519
from cryptography.x509.oid import (
    AuthorityInformationAccessOID,
    ExtendedKeyUsageOID,
    ExtensionOID,
)

from mutua.ca.hierarchy import Purpose
from mutua.doctor.remedies import REMEDIES, WARNINGS
from mutua.doctor.revocation import Problem, name_of_certificate, revocation_of
from mutua.errors import UnreadableCertificate
from mutua.pki import chains
from mutua.pki.certificates import is_ca, names_of, purposes
from mutua.pki.chains import Ending, Link, Path, extension
from mutua.pki.dn import DistinguishedName
from mutua.pki.foreign import parsing
from mutua.pki.keys import MIN_RSA_BITS
from mutua.pki.names import DnsName, EmailName, Name

MIN_CURVE_BITS = 224
"""NIST SP 800-57 part 1, table 2: below this a curve has less than 112 bits of strength."""

MAX_SERIAL_BITS = 159
"""20 octets, without the sign's bit (RFC 5280 section 4.1.2.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFinding:
    """One thing that is wrong with one certificate.

    Attributes:
        code: stable, such as ``expired``; each has its row in docs/verifying.md.
        is_warning: whether the chain is valid all the same.
        certificate: which one.
        summary: what is wrong, one line; what the certificate says stands in it as it is.
        cause: the most likely reason.
        remedy: what to do next.
    """

    code: str
    is_warning: bool
    certificate: x509.Certificate
    summary: str
    cause: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a chain is to be good for.

    Attributes:
        now: the moment it is judged for, UTC.
        purpose: what the leaf is used for.
        names: what the leaf is called; it must carry them all.
        crls: as ``read_crl`` gives them. With any, all below the root must be covered by one, or by ``authorities``.
        authorities: the CAs of a home, whose inventory covers what they issued.
        inventory: what the home records of the chain's certificates: by x5t#S256, ``revoked``, ``on_hold`` or nothing.
    """

    now: datetime
    purpose: Purpose = Purpose.ANY
    names: tuple[Name, ...] = ()
    crls: tuple[x509.CertificateRevocationList, ...] = ()
    authorities: frozenset[x509.Certificate] = frozenset()
    inventory: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a chain.

    Attributes:
        path: the best that was found, the leaf first; it ends at a trusted root unless a finding says otherwise.
        findings: everything that is wrong.
        revocation: for each of the path, what its revocation was checked against; empty for nothing.
    """

    path: tuple[x509.Certificate, ...]
    findings: tuple[CertificateFinding, ...]
    revocation: tuple[tuple[str, ...], ...]

    @property
    def valid(self) -> bool:
        """Whether nothing is wrong but for warnings."""
        return all(finding.is_warning for finding in self.findings)


def examine(
    certificates: Sequence[x509.Certificate], trusted: Iterable[x509.Certificate], question: Question
) -> Verdict:
    """Judge the leaf of a chain by the best path to a trusted root, and say everything that is wrong.

    Args:
        certificates: the leaf and what came with it, in any order, as ``read_certificates`` gives them.
        trusted: a path ends well at one of these that is a root; the others may stand in it.
        question: what the chain is to be good for.

    Raises:
        UnreadableCertificate: there is none, or cryptography gives up on one.
    """
    if not certificates:
        raise UnreadableCertificate("there is no certificate to verify", hint="give a certificate or a chain")
    with parsing(UnreadableCertificate("not a readable certificate", hint="give X.509 certificates")):
        leaf, trusted = chains.leaf_of(certificates), tuple(trusted)
        search = chains.Search(leaf, (each for each in certificates if each != leaf), trusted, now=question.now)
        judge = _Judge(question, frozenset(trusted))
        path, problems = _best((path, judge.problems(path)) for path in search.paths())
        if search.exhausted and _rank(path, problems) > (False, 0):
            problems.append((leaf, ("too_complex", "the search for a better path met one of its bounds")))
        problems += _among(certificates, path.certificates)
        return Verdict(
            path=path.certificates,
            findings=tuple(
                CertificateFinding(
                    code=code,
                    is_warning=code in WARNINGS,
                    certificate=certificate,
                    summary=summary,
                    cause=REMEDIES[code][0],
                    remedy=REMEDIES[code][1],
                )
                for certificate, (code, summary) in problems
            ),
            revocation=tuple(judge.revocation(path, place)[1] for place in range(len(path.certificates))),
        )


_Judged = tuple[Path, list[tuple[x509.Certificate, Problem]]]


def _rank(path: Path, problems: list[tuple[x509.Certificate, Problem]]) -> tuple[bool, int]:
    return path.ending is not Ending.ROOT, sum(code not in WARNINGS for _, (code, _) in problems)


def _best(paths: Iterator[_Judged]) -> _Judged:
    """The first path with nothing wrong; else one to a root before others, and of those the one with least wrong."""
    best = next(paths)
    for other in paths:
        if _rank(*best) == (False, 0):
            break
        best = min(best, other, key=lambda judged: _rank(*judged))
    return best


class _Judge:
    """Finds the problems of paths; what does not depend on the path, once for all of them."""

    def __init__(self, question: Question, trusted: frozenset[x509.Certificate]) -> None:
        self._question, self._trusted = question, trusted
        self._permitted = chains.PermittedNames()
        self._alone: dict[tuple[x509.Certificate, bool, bool], list[Problem]] = {}
        self._revoked: dict[tuple[x509.Certificate, x509.Certificate], tuple[list[Problem], tuple[str, ...]]] = {}

    def problems(self, path: Path) -> list[tuple[x509.Certificate, Problem]]:
        found = []
        for place, certificate in enumerate(path.certificates):
            of_it = [*self._alone_of(path, place), *_in_path(path, place), *self.revocation(path, place)[0]]
            if place + 1 == len(path.certificates):
                of_it += _of_ending(path, is_trusted=certificate in self._trusted)
            found += [(certificate, problem) for problem in of_it]
        for ca, below, names in self._permitted.breaches(path.certificates):
            found.append((below, ("name_not_permitted", f"{name_of_certificate(ca)} does not permit {names}")))
        return found

    def revocation(self, path: Path, place: int) -> tuple[list[Problem], tuple[str, ...]]:
        """The problems, and what was asked."""
        if place + 1 == len(path.certificates):
            return [], ()
        pair = path.certificates[place], path.certificates[place + 1]
        if pair not in self._revoked:
            self._revoked[pair] = revocation_of(
                *pair,
                crls=self._question.crls,
                authorities=self._question.authorities,
                inventory=self._question.inventory,
                now=self._question.now,
            )
        return self._revoked[pair]

    def _alone_of(self, path: Path, place: int) -> list[Problem]:
        certificate, is_leaf = path.certificates[place], place == 0
        is_root = path.ending is Ending.ROOT and place + 1 == len(path.certificates)
        key = certificate, is_leaf, is_root
        if key not in self._alone:
            role = _of_leaf if is_leaf else _of_ca
            self._alone[key] = [
                *_of_any(certificate, self._question.now, is_root=is_root),
                *_form(certificate),
                *role(certificate, self._question),
            ]
        return self._alone[key]


def _of_any(certificate: x509.Certificate, now: datetime, *, is_root: bool) -> Iterator[Problem]:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > end:
        yield "expired", f"it ended at {end:%Y-%m-%d %H:%M} UTC"
    if now < start:
        yield "not_yet_valid", f"it begins at {start:%Y-%m-%d %H:%M} UTC"
    yield from _of_key(certificate.public_key())
    # Of a root that is trusted already, nobody checks the signature.
    if not is_root and (weak := chains.weakness(certificate)):
        code = "unsupported_signature" if weak == chains.UNKNOWN else "weak_signature"
        yield code, f"it is signed with the hash {weak}" if weak != chains.UNKNOWN else "nobody knows how it is signed"
    if certificate.serial_number <= 0:
        yield "serial_not_positive", f"its serial number is {certificate.serial_number}"
    policies = extension(certificate, x509.PolicyConstraints)
    if policies is not None and policies.require_explicit_policy is not None:
        yield "unknown_critical_extension", "it demands certificate policies, which mutua does not process"
    for each in certificate.extensions:
        if each.critical and each.oid not in _PROCESSED:
            yield "unknown_critical_extension", f"its extension {each.oid.dotted_string} is critical and unknown"


def _of_key(key: object) -> Iterator[Problem]:
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < MIN_RSA_BITS:
        yield "weak_key", f"its RSA key has {key.key_size} bits"
    if isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < MIN_CURVE_BITS:
        yield "weak_key", f"its key is on {key.curve.name}, a curve of {key.key_size} bits"
    if chains.is_costly(key) or isinstance(key, dsa.DSAPublicKey | x25519.X25519PublicKey | x448.X448PublicKey):
        yield "unsupported_key", "its key is RSA out of all proportion, or of a kind that TLS 1.3 does not sign with"


def _form(certificate: x509.Certificate) -> Iterator[Problem]:
    """What VERIFY_X509_STRICT refuses, the default of Python 3.13: RFC 5280 sections 4.1 and 4.2."""
    critical = {each.oid for each in certificate.extensions if each.critical}
    basic, usage = extension(certificate, x509.BasicConstraints), extension(certificate, x509.KeyUsage)
    ca, self_issued = is_ca(certificate), certificate.subject == certificate.issuer
    own, above = chains.own_key_identifier(certificate), chains.issuer_key_identifier(certificate)
    san = extension(certificate, x509.SubjectAlternativeName)
    v3 = certificate.version is x509.Version.v3
    for is_broken, rule in (
        (certificate.not_valid_before_utc > certificate.not_valid_after_utc, "it ends before it begins"),
        (certificate.serial_number.bit_length() > MAX_SERIAL_BITS, "its serial number is longer than 20 octets"),
        (not list(certificate.issuer), "its issuer is empty"),
        (ca and not list(certificate.subject), "it is a CA and its subject is empty"),
        (san is not None and not list(san), "its SubjectAltName is empty"),
        (
            not list(certificate.subject) and not ca and ExtensionOID.SUBJECT_ALTERNATIVE_NAME not in critical,
            "its subject is empty and no critical SubjectAltName stands for it",
        ),
        (ca and ExtensionOID.BASIC_CONSTRAINTS not in critical, "it is a CA and its BasicConstraints are not critical"),
        (ca and usage is None, "it is a CA and has no KeyUsage"),
        (ca and own is None, "it is a CA and has no SubjectKeyIdentifier"),
        (v3 and above is None and not self_issued, "it has no AuthorityKeyIdentifier"),
        (ExtensionOID.AUTHORITY_KEY_IDENTIFIER in critical, "its AuthorityKeyIdentifier is critical"),
        (ExtensionOID.SUBJECT_KEY_IDENTIFIER in critical, "its SubjectKeyIdentifier is critical"),
        (not ca and basic is not None and basic.path_length is not None, "it has a path length and is no CA"),
        (not ca and usage is not None and usage.key_cert_sign, "its KeyUsage has keyCertSign and it is no CA"),
        (not ca and extension(certificate, x509.NameConstraints) is not None, "it has name constraints and is no CA"),
    ):
        if is_broken:
            yield "malformed", rule


def _of_ca(certificate: x509.Certificate, question: Question) -> Iterator[Problem]:
    usage = extension(certificate, x509.KeyUsage)
    if not is_ca(certificate):
        yield "not_a_ca", "it signed another certificate and is no CA"
    if usage is not None and not usage.key_cert_sign:
        yield "wrong_key_usage", "its KeyUsage lacks keyCertSign"
    yield from _purpose(certificate, question)


def _of_leaf(certificate: x509.Certificate, question: Question) -> Iterator[Problem]:
    usage, is_tls = extension(certificate, x509.KeyUsage), question.purpose is not Purpose.ANY
    yield from _purpose(certificate, question)
    if is_tls and usage is not None and not usage.digital_signature:
        # RFC 8446 section 4.4.2.2; what TLS 1.2 could do with keyEncipherment alone has no forward secrecy.
        yield "wrong_key_usage", "its KeyUsage lacks digitalSignature"
    if is_tls and is_ca(certificate):
        yield "leaf_is_ca", "its BasicConstraints make it a CA: whoever trusts it trusts all that its key signs"
    names = names_of(certificate)
    if not names and (question.purpose is Purpose.SERVER or question.names):
        yield "no_names", "it has no SubjectAltName with a name that can be compared"
    for wanted in question.names if names else ():
        if not any(_presents(name, wanted) for name in names):
            many = f" and {len(names) - chains.MAX_SHOWN} more" if len(names) > chains.MAX_SHOWN else ""
            yield "wrong_name", f"{wanted} is not among {', '.join(map(str, names[: chains.MAX_SHOWN]))}{many}"


def _purpose(certificate: x509.Certificate, question: Question) -> Iterator[Problem]:
    """The ExtendedKeyUsage; a CA's own binds all below it, as in OpenSSL. anyExtendedKeyUsage is none for TLS."""
    held = purposes(certificate)
    if held and question.purpose is not Purpose.ANY and _USAGES[question.purpose] not in held:
        yield "wrong_purpose", f"its ExtendedKeyUsage lacks {question.purpose.value}Auth"


def _presents(presented: Name, wanted: Name) -> bool:
    """Whether a name in a certificate is the one that is wanted (RFC 9525 section 6)."""
    match presented, wanted:
        case DnsName(value=pattern), DnsName(value=name) if pattern.startswith("*."):
            # The whole first label and no other; above one label alone it would be a whole top-level domain.
            base = pattern[2:]
            return "." in base and "*" not in base and name.partition(".")[2] == base
        case EmailName(value=one), EmailName(value=other):
            (local, _, domain), (other_local, _, other_domain) = one.rpartition("@"), other.rpartition("@")
            return (local, domain.lower()) == (other_local, other_domain.lower())
    return presented == wanted


def _in_path(path: Path, place: int) -> Iterator[Problem]:
    """Path length, and how a certificate goes with the one above it."""
    certificate, basic = path.certificates[place], extension(path.certificates[place], x509.BasicConstraints)
    cas_below = sum(each.subject != each.issuer for each in path.certificates[1:place])
    if place and basic is not None and basic.path_length is not None and cas_below > basic.path_length:
        yield "path_length_exceeded", f"it permits {basic.path_length} CAs below it, and there are {cas_below}"
    if place >= len(path.links):
        return
    issuer = path.certificates[min(place + 1, len(path.certificates) - 1)]
    if path.links[place] is Link.BROKEN:
        yield "bad_signature", f"the key of {name_of_certificate(issuer)} did not sign it"
    if path.links[place] is Link.UNVERIFIABLE and not chains.weakness(certificate):
        yield "unsupported_signature", f"its signature cannot be checked with the key of {name_of_certificate(issuer)}"
    if chains.names_another_key(certificate, issuer):
        yield (
            "key_identifier_mismatch",
            f"its AuthorityKeyIdentifier means another certificate than this of {name_of_certificate(issuer)}",
        )


def _of_ending(path: Path, *, is_trusted: bool) -> Iterator[Problem]:
    last = path.certificates[-1]
    match path.ending:
        case Ending.UNTRUSTED_ROOT:
            yield "untrusted_root", "it is self-signed, and not among those that are trusted"
        case Ending.TOO_LONG:
            yield "too_deep", f"the path has {len(path.certificates)} certificates and has not ended"
        case Ending.ISSUER_MISSING:
            key, access = chains.issuer_key_identifier(last), extension(last, x509.AuthorityInformationAccess) or ()
            urls = [
                str(each.access_location.value)
                for each in access
                if each.access_method == AuthorityInformationAccessOID.CA_ISSUERS
            ]
            wanted = [f"its issuer is missing: {str(DistinguishedName.of(last.issuer)) or 'without a name'}"]
            wanted += [f"with the key {key.hex()}"] if key else []
            wanted += [f"to be had at {url}" for url in urls[: chains.MAX_SHOWN]]
            yield "trusted_but_no_root" if is_trusted else "issuer_missing", ", ".join(wanted)


def _among(
    certificates: Sequence[x509.Certificate], path: Sequence[x509.Certificate]
) -> Iterator[tuple[x509.Certificate, Problem]]:
    """Certificates that were given twice, and those of the path whose serial number another one has."""
    for certificate, count in Counter(certificates).items():
        if count > 1:
            yield certificate, ("duplicate_certificate", f"it is there {count} times")
    everything = dict.fromkeys([*path, *certificates])
    numbers = Counter((each.issuer.public_bytes(), each.serial_number) for each in everything)
    for certificate in path:
        if numbers[certificate.issuer.public_bytes(), certificate.serial_number] > 1:
            yield certificate, ("duplicate_serial", "another certificate of its issuer has its serial number")


_USAGES = {Purpose.SERVER: ExtendedKeyUsageOID.SERVER_AUTH, Purpose.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH}

_PROCESSED = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    ExtensionOID.ISSUER_ALTERNATIVE_NAME,
    ExtensionOID.NAME_CONSTRAINTS,
    ExtensionOID.CRL_DISTRIBUTION_POINTS,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
    ExtensionOID.SUBJECT_KEY_IDENTIFIER,
    # Without requireExplicitPolicy, which is refused, policies decide nothing: RFC 5280 section 6.1.5 (g).
    ExtensionOID.CERTIFICATE_POLICIES,
    ExtensionOID.POLICY_MAPPINGS,
    ExtensionOID.POLICY_CONSTRAINTS,
    ExtensionOID.INHIBIT_ANY_POLICY,
}

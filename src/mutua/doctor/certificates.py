"""What is wrong with a chain of certificates: everything, not the first thing alone.

The rules are those of RFC 5280, as strict as the contexts of ``mutua.tls``, and of RFC 9525 for names.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa, x448, x25519
from cryptography.x509.oid import (
    AuthorityInformationAccessOID,
    CRLEntryExtensionOID,
    ExtendedKeyUsageOID,
    ExtensionOID,
)

from mutua.ca.hierarchy import Purpose
from mutua.errors import UnreadableCertificate
from mutua.pki import chains
from mutua.pki.certificates import common_name, is_ca, names_of, purposes
from mutua.pki.chains import Ending, Link, Path, extension
from mutua.pki.foreign import parsing
from mutua.pki.keys import MIN_RSA_BITS
from mutua.pki.names import DnsName, EmailName, Name
from mutua.pki.thumbprints import x5t_s256

MIN_CURVE_BITS = 224
"""NIST SP 800-57 part 1, table 2: below this a curve has less than 112 bits of strength."""

MAX_SERIAL_BITS = 159
"""20 octets, without the sign's bit (RFC 5280 section 4.1.2.2)."""

Problem = tuple[str, str]
"""A code, and what is wrong in particular."""


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
        authorities: the CAs of a home, whose inventory covers all that they issued.
        revoked: the x5t#S256 of everything that they revoked.
    """

    now: datetime
    purpose: Purpose = Purpose.ANY
    names: tuple[Name, ...] = ()
    crls: tuple[x509.CertificateRevocationList, ...] = ()
    authorities: frozenset[x509.Certificate] = frozenset()
    revoked: frozenset[str] = frozenset()


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
        trusted: a path ends well at one of these that is self-issued; the others may stand in it.
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
                    is_warning=code in _WARNINGS,
                    certificate=certificate,
                    summary=summary,
                    cause=_REMEDIES[code][0],
                    remedy=_REMEDIES[code][1],
                )
                for certificate, (code, summary) in problems
            ),
            revocation=tuple(judge.revocation(path, place)[1] for place in range(len(path.certificates))),
        )


_Judged = tuple[Path, list[tuple[x509.Certificate, Problem]]]


def _rank(path: Path, problems: list[tuple[x509.Certificate, Problem]]) -> tuple[bool, int]:
    return path.ending is not Ending.ROOT, sum(code not in _WARNINGS for _, (code, _) in problems)


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
            found.append((below, ("name_not_permitted", f"{_name(ca)} does not permit {names}")))
        return found

    def revocation(self, path: Path, place: int) -> tuple[list[Problem], tuple[str, ...]]:
        """The problems, and what was asked."""
        if place + 1 == len(path.certificates):
            return [], ()
        pair = path.certificates[place], path.certificates[place + 1]
        if pair not in self._revoked:
            self._revoked[pair] = _revocation(*pair, self._question)
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
        yield "bad_signature", f"the key of {_name(issuer)} did not sign it"
    if path.links[place] is Link.UNVERIFIABLE and not chains.weakness(certificate):
        yield "unsupported_signature", f"its signature cannot be checked with the key of {_name(issuer)}"
    if chains.names_another_key(certificate, issuer):
        yield "key_identifier_mismatch", f"its AuthorityKeyIdentifier is not the key of {_name(issuer)}"


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
            wanted = [f"its issuer is missing: {last.issuer.rfc4514_string() or 'without a name'}"]
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


def _revocation(
    certificate: x509.Certificate, issuer: x509.Certificate, question: Question
) -> tuple[list[Problem], tuple[str, ...]]:
    """Whether it is revoked, and what says so: RFC 5280 section 6.3.3, with complete CRLs of the issuer itself."""
    revoked: list[Problem] = []
    if x5t_s256(certificate) in question.revoked:
        revoked.append(("revoked", "it is revoked in the home's inventory"))
    by_home = ("the home's inventory",) if issuer in question.authorities else ()
    by_crl, faults = [], []
    for crl in (each for each in question.crls if each.issuer == certificate.issuer):
        if not _is_signed(crl, issuer):
            weak = chains.weakness(crl)
            how = f"is signed with {weak}, which proves nothing" if weak else f"is not signed by {_name(issuer)}"
            faults.append(("crl_bad_signature", f"{_crl_name(crl)} {how}"))
            continue
        revoked += _listed(crl, certificate)
        found = [*_of_crl(crl, issuer, question.now), *_of_scope(crl, certificate)]
        faults += found
        if not found:
            by_crl.append(f"{_crl_name(crl)}, good until {crl.next_update_utc:%Y-%m-%d %H:%M} UTC")
    if question.crls and not by_crl and not by_home and not faults:
        faults.append(("crl_missing", f"no CRL of {_name(issuer)} was given"))
    # A CRL that is no good does no harm where another one covers the certificate.
    return revoked if by_crl else [*revoked, *faults], (*by_home, *by_crl)


def _is_signed(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    key = issuer.public_key()
    if chains.is_costly(key):
        return False
    try:
        return crl.is_signature_valid(key)  # type: ignore[arg-type]  # a key that cannot sign is a TypeError
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False


def _listed(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> Iterator[Problem]:
    """Its entry, which counts however old the CRL is: what is no longer revoked has none in a complete CRL."""
    scope = extension(crl, x509.IssuingDistributionPoint)
    if scope is not None and scope.indirect_crl:
        return  # the entry may be another issuer's
    entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
    if entry is None:
        return
    stated = extension(entry, x509.CRLReason)
    reason = stated.reason if stated else x509.ReasonFlags.unspecified
    code = "on_hold" if reason is x509.ReasonFlags.certificate_hold else "revoked"
    yield code, f"{_crl_name(crl)} lists it since {entry.revocation_date_utc:%Y-%m-%d %H:%M} UTC, {reason.value}"


def _of_crl(crl: x509.CertificateRevocationList, issuer: x509.Certificate, now: datetime) -> Iterator[Problem]:
    name, end, usage = _crl_name(crl), crl.next_update_utc, extension(issuer, x509.KeyUsage)
    if now < crl.last_update_utc:
        yield "crl_not_yet_valid", f"{name} begins at {crl.last_update_utc:%Y-%m-%d %H:%M} UTC"
    if end is None:
        yield "crl_unusable", f"{name} does not say until when it is good"
    elif now > end:
        yield "crl_expired", f"{name} ended at {end:%Y-%m-%d %H:%M} UTC"
    if usage is not None and not usage.crl_sign:
        yield "crl_unusable", f"{name} is of a CA whose KeyUsage lacks cRLSign"
    critical = [each.oid for each in crl.extensions if each.critical]
    for oid in critical:
        if oid not in _PROCESSED_IN_CRLS:
            yield "crl_unusable", f"the extension {oid.dotted_string} of {name} is critical and not supported"
    # BOOLEAN TRUE: an entry can only be critical if there are more of them than the CRL itself has.
    if crl.tbs_certlist_bytes.count(b"\x01\x01\xff") > len(critical):
        unknown = {each.oid for entry in crl for each in entry.extensions if each.critical} - _PROCESSED_IN_ENTRIES
        for oid in sorted(each.dotted_string for each in unknown):
            yield "crl_unusable", f"the extension {oid} of entries of {name} is critical and not supported"


def _of_scope(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> Iterator[Problem]:
    """Whether the CRL is about this certificate (RFC 5280 section 5.2.5)."""
    scope = extension(crl, x509.IssuingDistributionPoint)
    if scope is None:
        return
    name, ca = _crl_name(crl), is_ca(certificate)
    if scope.indirect_crl or scope.only_some_reasons is not None or scope.only_contains_attribute_certs:
        yield "crl_unusable", f"{name} is indirect, for some reasons only, or for attribute certificates"
    if (scope.only_contains_user_certs and ca) or (scope.only_contains_ca_certs and not ca):
        yield "crl_out_of_scope", f"{name} is not for {'CAs' if ca else 'end entities'}"
    points = [
        address
        for point in extension(certificate, x509.CRLDistributionPoints) or ()
        if point.reasons is None and point.crl_issuer is None
        for address in point.full_name or ()
    ]
    if scope.relative_name is not None or (scope.full_name and not set(points) & set(scope.full_name)):
        places = ", ".join(str(each.value) for each in (scope.full_name or ())[: chains.MAX_SHOWN])
        yield "crl_out_of_scope", f"{name} is for the distribution point {places or 'of a relative name'}, not for this"


def _name(certificate: x509.Certificate) -> str:
    return common_name(certificate.subject) or "a certificate without a name"


def _crl_name(crl: x509.CertificateRevocationList) -> str:
    number = extension(crl, x509.CRLNumber)
    return f"the CRL{f' {number.crl_number}' if number else ''} of {common_name(crl.issuer)}"


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
_PROCESSED_IN_CRLS = {
    ExtensionOID.ISSUING_DISTRIBUTION_POINT,
    ExtensionOID.CRL_NUMBER,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
}
_PROCESSED_IN_ENTRIES = {CRLEntryExtensionOID.CRL_REASON, CRLEntryExtensionOID.INVALIDITY_DATE}

_WARNINGS = {"duplicate_certificate", "leaf_is_ca"}

_NEW = "ask its issuer for a new one"
_NEW_CA = "ask whoever runs the CA for a new CA certificate"
_NEW_CRL = "fetch the CRL again from its distribution point; if it is the same there, tell whoever runs the CA"
_STRICT = "ask its issuer to make it as RFC 5280 says"
_REMEDIES = {
    "expired": ("it was not renewed", "renew it; if that was done, look for the new one's file, or at the clock"),
    "not_yet_valid": ("it begins in the future, or the clock is behind", "check the clock and the time zone of --at"),
    "weak_key": ("it was made long ago, or with old settings", "make a new key of P-256, or RSA of 2048 bits or more"),
    "unsupported_key": ("the key was made for something else than TLS", "make a new key of P-256, P-384 or RSA-2048"),
    "weak_signature": ("its issuer still signs with a broken hash", _NEW + ", signed with SHA-256"),
    "serial_not_positive": ("its issuer does not follow RFC 5280, section 4.1.2.2", _NEW),
    "unknown_critical_extension": ("it is for a special use, or a precertificate", _NEW + ", without the extension"),
    "malformed": ("it was made by hand, or by a tool that does not follow RFC 5280", _STRICT),
    "not_a_ca": ("somebody signed with the key of an end entity, or openssl x509 -req left extensions out", _NEW_CA),
    "wrong_key_usage": ("it was made for something else", _NEW + ", for what it is used for"),
    "wrong_purpose": ("it was made for the other side of the connection", _NEW + ", for this purpose"),
    "leaf_is_ca": ("openssl req -x509 makes such certificates", "pin its thumbprint, never trust it as a CA"),
    "no_names": ("it relies on its common name, which nobody reads any more", _NEW + ", with a SubjectAltName"),
    "wrong_name": (
        "it is another server's, or the name was forgotten",
        _NEW + ", with that name in its SubjectAltName",
    ),
    "path_length_exceeded": ("a CA was made below one that may have none, or fewer", _NEW_CA),
    "name_not_permitted": ("it is outside what the CA may certify", "ask for names that the CA may certify"),
    "bad_signature": ("it was altered, or another CA of the same name signed it", "get it again, with its own CA"),
    "unsupported_signature": ("it is signed in a way that is not supported here", _NEW + ", signed with ECDSA or RSA"),
    "key_identifier_mismatch": (
        "the CA has a new certificate or key",
        "put the CA certificate it was issued with here",
    ),
    "untrusted_root": ("its CA is not among those given with --trust", "if you believe it, give it: --trust ca.pem"),
    "issuer_missing": (
        "an intermediate was left out, or its CA is not trusted",
        "add the issuer's certificate to FILE",
    ),
    "trusted_but_no_root": ("--trust holds an intermediate without its root", "add the root's certificate to --trust"),
    "too_deep": ("CAs certify each other in a ring, or the chain is forged", "give the certificates of one path only"),
    "too_complex": ("too many certificates, or CAs that all certify each other", "give the certificates of one path"),
    "duplicate_certificate": ("a file was joined to one that held it already", "remove one of them"),
    "duplicate_serial": ("the CA lost count, or somebody forged one", "tell whoever runs the CA: it cannot revoke one"),
    "revoked": ("whoever issued it has taken it back", "ask the issuer for a new one, with a new key"),
    "on_hold": (
        "whoever issued it has suspended it for now",
        "ask the issuer why, and whether the hold will be lifted",
    ),
    "crl_missing": ("a CRL was given, and none for this issuer", "give each issuer's CRL: --crl FILE, once for each"),
    "crl_expired": ("it was not fetched again, or the CA stopped making new ones", _NEW_CRL),
    "crl_not_yet_valid": ("the clock is behind, or --at is before it", "check the clock, or take a CRL of that time"),
    "crl_bad_signature": ("it is another CA's of the same name, or was altered", _NEW_CRL),
    "crl_out_of_scope": (
        "it is a part of the CA's CRLs, and another part is about this",
        "give the CRL of its own CDP",
    ),
    "crl_unusable": ("it is of a kind that mutua does not read, or made carelessly", "ask the CA for a complete CRL"),
}

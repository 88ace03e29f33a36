"""Credentials: how a client proves itself."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from cryptography import x509

from mutua.errors import InvalidCredential, InvalidName, UnreadableCertificate
from mutua.pki.certificates import names_of
from mutua.pki.dn import DistinguishedName
from mutua.pki.foreign import MALFORMED, parsing
from mutua.pki.keys import PublicKey
from mutua.pki.names import DnsName, EmailName, IpName, Name, UriName, parse_name
from mutua.pki.thumbprints import spki_s256, x5t_s256

REMEMBERED = 1024
"""Certificates whose names need not be read again when the registry has changed."""


class CredentialKind(StrEnum):
    """How a client proves itself.

    ``issued``: with a certificate this authority issued for it, found in the inventory by thumbprint.
    ``pin``: with exactly this certificate, or any with exactly this key.
    ``subject``: with a verified path that ends at a CA known by its key, and exactly one name (RFC 8705 section 2.1).
    """

    ISSUED = "issued"
    PIN = "pin"
    SUBJECT = "subject"


class Form(StrEnum):
    """What a credential's value is compared with; named as in RFC 8705 section 2.1.2, without ``tls_client_auth_``."""

    CERTIFICATE = "x5t#S256"
    KEY = "spki"
    DN = "subject_dn"
    DNS = "san_dns"
    URI = "san_uri"
    IP = "san_ip"
    EMAIL = "san_email"


class Role(StrEnum):
    """What a partner's certificate is for: a path may end at the first two, and be completed with the third.

    The last is of a CA that has no part in any path, and whose CRLs are read.
    """

    LEAF = "leaf"
    ANCHOR = "anchor"
    INTERMEDIATE = "intermediate"
    CRL_ISSUER = "crl_issuer"


class StalePolicy(StrEnum):
    """What becomes of clients while the CRL of the CA above them is stale or was never fetched."""

    REFUSE = "refuse"
    ADMIT = "admit"


@dataclass(frozen=True, slots=True)
class CrlSource:
    """Where a CRL of a partner's CA is fetched.

    Attributes:
        url: http or https.
        authorities: the SPKI hashes of the CAs that may have signed it; of the first until one is there.
        stale: what becomes of clients below them while it is stale.
    """

    url: str
    authorities: tuple[str, ...]
    stale: StalePolicy = StalePolicy.REFUSE


@dataclass(frozen=True, slots=True)
class PartnerCertificate:
    """A certificate that came with a credential.

    Attributes:
        role: what it is for.
        der: the certificate.
    """

    role: Role
    der: bytes

    @property
    def thumbprint(self) -> str:
        """Its x5t#S256."""
        return x5t_s256(self.der)


_FORMS: dict[type[Name], Form] = {DnsName: Form.DNS, UriName: Form.URI, IpName: Form.IP, EmailName: Form.EMAIL}


@dataclass(frozen=True, slots=True)
class Credential:
    """One way for a client to prove itself.

    Attributes:
        kind: of the three.
        value: as it is shown and stored: a hash in base64url, or a name in its usual form.
        form: what the value is.
        authority: the SPKI hash of the CA that a subject is pinned to; empty for the other kinds.
        ends_at: when it stops to count, UTC; ``None`` for never.
    """

    kind: CredentialKind
    value: str
    form: Form = Form.CERTIFICATE
    authority: str = ""
    ends_at: datetime | None = None

    @classmethod
    def issued(cls, thumbprint: str) -> "Credential":
        """A certificate of ours, by its x5t#S256."""
        return cls(CredentialKind.ISSUED, thumbprint)

    @classmethod
    def pin(cls, certificate: x509.Certificate) -> "Credential":
        """Exactly this certificate."""
        return cls(CredentialKind.PIN, x5t_s256(certificate))

    @classmethod
    def pinned_key(cls, key: PublicKey) -> "Credential":
        """Any certificate with exactly this key."""
        return cls(CredentialKind.PIN, spki_s256(key), Form.KEY)

    @classmethod
    def subject(cls, authority: PublicKey, form: Form, text: str) -> "Credential":
        """One name, in a certificate from a CA.

        Args:
            authority: the CA's key.
            form: of the name: one of those that ``Form`` has behind the first two.
            text: the name; a DNS name is no wildcard.

        Raises:
            InvalidCredential: it is not a name of that form. InvalidDistinguishedName: not a distinguished name.
        """
        return cls(CredentialKind.SUBJECT, _accepted(form, text), form, spki_s256(authority))

    @property
    def match_key(self) -> str:
        """The value in the form in which it is compared: two names that match have the same."""
        return DistinguishedName.parse(self.value).require_key() if self.form is Form.DN else self.value

    def __str__(self) -> str:
        if self.kind is CredentialKind.SUBJECT:
            return f"{self.form.value} {self.value} from the CA with the key {self.authority}"
        return f"{self.form.value} {self.value}"


@lru_cache(maxsize=REMEMBERED)
def names_to_match(leaf: x509.Certificate) -> frozenset[tuple[Form, str]]:
    """Every name of a certificate that a subject may be, in the form in which names are compared.

    Names of a kind that mutua does not use, and a distinguished name with characters that match nothing, are left out.
    """
    try:
        with parsing(UnreadableCertificate("its names cannot be read")):
            names, subject = names_of(leaf), DistinguishedName.of(leaf.subject)
    except (UnreadableCertificate, *MALFORMED):
        return frozenset()
    found = frozenset((_FORMS[type(name)], _comparable(name)) for name in names)
    key = subject.match_key
    return found | {(Form.DN, key)} if key is not None else found


def _comparable(name: Name) -> str:
    """A name out of a certificate as ``_accepted`` writes it: only domains are compared without regard to case."""
    if isinstance(name, EmailName):
        mailbox, at, domain = name.value.rpartition("@")
        return f"{mailbox}{at}{domain.lower()}"
    return str(name)


def _accepted(form: Form, text: str) -> str:
    if form is Form.DN:
        name = DistinguishedName.parse(text)
        name.require_key()
        return str(name)
    try:
        parsed = parse_name(text)
    except InvalidName as error:
        raise InvalidCredential(f"nobody can be known by that: {error.message}", hint=error.hint) from None
    if _FORMS[type(parsed)] is not form:
        raise InvalidCredential(
            f"{text[:80]!r} is not a name for {form.value}", hint=f"it is one for {_FORMS[type(parsed)].value}"
        )
    if "*" in text:
        raise InvalidCredential(f"{text[:80]!r} is a wildcard, and a client has one name", hint="give the full name")
    return str(parsed)

"""Who takes part: clients the registry knows, the proxy, and certificates that forgers have made.

Every forger wants to pass for ``bank``, a partner known by its CA's key and one name, or for ``woovi``, whose
certificates are ours. ``narrow`` is a client with a good certificate and a grant for ``/mine/**`` alone.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mutua import Home
from mutua.pki.keys import PrivateKey
from mutua.pki.profiles import CLIENT
from mutua.pki.randomness import generate_key
from mutua.registry.credentials import Form
from mutua.registry.partners import by_certificate, by_subject
from mutua.tls.identity import Identity
from tests.inbound.certificates import end_entity, strangers_identity, unregistered_identity
from tests.pki.hierarchy import NOW, Authority, issue, make_issuing_ca, make_root

BANK_DN = "CN=Bank Pay,O=Bank,C=BR"
Subject = dict[x509.ObjectIdentifier, str]

KNOWN_BY = (
    ("bank", Form.DNS, "api.bank.example"),
    ("bank-uri", Form.URI, "https://api.bank.example/pay"),
    ("bank-ip", Form.IP, "192.0.2.7"),
    ("bank-mail", Form.EMAIL, "ops@bank.example"),
    ("bank-dn", Form.DN, BANK_DN),
)


@dataclass(frozen=True)
class Stage:
    """The home with everybody who is known, and the CAs of partners."""

    home: Home
    folder: Path
    root: Authority
    bank: Authority
    other: Authority
    alone: Authority
    impostor: Authority

    @classmethod
    def set_up(cls, home: Home, folder: Path) -> Self:
        """Register everybody."""
        root, other, alone = (make_root(organization=name) for name in ("Bank", "Shop", "Alone"))
        bank, impostor = make_issuing_ca(root), make_issuing_ca(make_root(organization="Bank"))
        for name, allow in (("edge", []), ("narrow", ["GET /mine/**", "POST /mine/**"])):
            home.clients.add(name, allow=allow)
            home.identities.save(name, home.authority.issue_client(name))
        for name, form, text in KNOWN_BY:
            home.clients.add(name, allow=["GET /**"])
            home.credentials.add(name, by_subject([root.certificate, bank.certificate], form, text, now=NOW))
        for name in ("shop", "alone"):
            home.clients.add(name, allow=["GET /**"])
        home.credentials.add("shop", by_subject([other.certificate], Form.DNS, "shop.example", now=NOW))
        home.credentials.add("alone", by_certificate([alone.certificate], now=NOW))
        return cls(home, folder, root, bank, other, alone, impostor)

    def named(self, *names: x509.GeneralName, subject: Subject | None = None) -> Identity:
        """Signed by the right CA, whatever the names are."""
        return leaf(self.bank, names, subject)


class Forgery(NamedTuple):
    """A certificate that somebody else's client must not be taken for.

    Attributes:
        make: makes it, key and all.
        shown: the reason when it is shown in a handshake.
        handed: the reason when a proxy hands it over.
    """

    make: Callable[[Stage], Identity]
    shown: str
    handed: str


def _names() -> dict[str, Callable[[Stage], Identity]]:
    """All signed by the right CA, and none is quite the name."""
    dns, uri, mail = x509.DNSName, x509.UniformResourceIdentifier, x509.RFC822Name
    return {
        "a wildcard where a literal is meant": lambda by: by.named(dns("*.bank.example")),
        "a wildcard for everything": lambda by: by.named(dns("*")),
        "a name above": lambda by: by.named(dns("bank.example")),
        "a name below": lambda by: by.named(dns("x.api.bank.example")),
        "a name with a dot behind it": lambda by: by.named(dns("api.bank.example.")),
        "a name with white space behind it": lambda by: by.named(raw(dns, "api.bank.example ")),
        "a name with a NUL and more": lambda by: by.named(raw(dns, "api.bank.example\0.evil.example")),
        "a name with a NUL before it": lambda by: by.named(raw(dns, "\0api.bank.example")),
        "a homoglyph in punycode": lambda by: by.named(dns("xn--pi-7kc.bank.example")),
        "two names in one": lambda by: by.named(raw(dns, "evil.example,api.bank.example")),
        "the name as common name alone": lambda by: by.named(subject={NameOID.COMMON_NAME: "api.bank.example"}),
        "a DNS name as URI": lambda by: by.named(uri("api.bank.example")),
        "a DNS name as e-mail address": lambda by: by.named(raw(mail, "api.bank.example")),
        "a URI as DNS name": lambda by: by.named(raw(dns, "https://api.bank.example/pay")),
        "a URI with other letters": lambda by: by.named(uri("https://api.bank.example/Pay")),
        "a URI with another path": lambda by: by.named(uri("https://api.bank.example/x/../pay")),
        "a URI that is escaped": lambda by: by.named(uri("https://api.bank.example/%70ay")),
        "a URI with more behind it": lambda by: by.named(uri("https://api.bank.example/pay?x")),
        "an address as DNS name": lambda by: by.named(dns("192.0.2.7")),
        "an address as URI": lambda by: by.named(uri("192.0.2.7")),
        "an address in its IPv6 form": lambda by: by.named(x509.IPAddress(ip_address("::ffff:192.0.2.7"))),
        "a network instead of an address": lambda by: by.named(raw(dns, "192.0.2.0/24")),
        "an e-mail address as DNS name": lambda by: by.named(raw(dns, "ops@bank.example")),
        "an e-mail address as URI": lambda by: by.named(uri("mailto:ops@bank.example")),
        "an e-mail address of a whole domain": lambda by: by.named(raw(mail, "bank.example")),
        "a distinguished name with a homoglyph": lambda by: by.named(subject=_dn("B\u0430nk Pay")),
        "a distinguished name with a NUL": lambda by: by.named(subject=_dn("Bank Pay\0")),
        "a distinguished name with more": lambda by: by.named(subject=_dn("Bank Pay") | {NameOID.LOCALITY_NAME: "X"}),
        "a distinguished name with less": lambda by: by.named(subject={NameOID.COMMON_NAME: "Bank Pay"}),
        "a distinguished name in one value": lambda by: by.named(subject={NameOID.COMMON_NAME: BANK_DN}),
        "a distinguished name turned round": lambda by: by.named(subject=dict(reversed(_dn("Bank Pay").items()))),
        "a distinguished name of another attribute": lambda by: by.named(
            subject={NameOID.COUNTRY_NAME: "BR", NameOID.ORGANIZATION_NAME: "Bank", NameOID.SURNAME: "Bank Pay"}
        ),
        "another name below the same CA": lambda by: by.named(dns("other.bank.example")),
    }


def _paths() -> dict[str, Forgery]:
    """The right name, and a signature that does not reach who may give it."""
    name = (x509.DNSName("api.bank.example"),)
    return {
        "a CA of our name with another key": Forgery(
            lambda by: strangers_identity(by.folder), "unknown_issuer", "unknown_issuer"
        ),
        "a partner's CA of the same name with another key": Forgery(
            lambda by: leaf(by.impostor, name), "unknown_issuer", "unknown_issuer"
        ),
        "the same, and the real chain sent along": Forgery(
            lambda by: sending(leaf(by.impostor, name), by.bank.certificate, by.root.certificate),
            "unknown_issuer",
            "unknown_issuer",
        ),
        "another partner's CA, and the right one sent along": Forgery(
            lambda by: sending(leaf(by.other, name), by.bank.certificate, by.root.certificate),
            "unknown_client",
            "unknown_client",
        ),
        "what a pinned self-signed certificate signs": Forgery(
            lambda by: sending(leaf(by.alone, name)), "unknown_client", "unknown_client"
        ),
        "the same with our client's name": Forgery(
            lambda by: sending(issue(by.alone, CLIENT, ["woovi"])), "unknown_client", "unknown_client"
        ),
        "one signed by itself, with woovi's names": Forgery(
            lambda by: self_signed(by.home.identities.load("woovi").certificate), "unknown_issuer", "unknown_issuer"
        ),
        "one signed by a client's own certificate": Forgery(_below_a_client, "handshake_failed", "unknown_issuer"),
        "one of our CA that is in no inventory": Forgery(
            lambda by: unregistered_identity(by.home), "unknown_client", "unknown_client"
        ),
        "one of our CA for woovi that is in no inventory": Forgery(
            lambda by: end_entity(by.home, CLIENT, "woovi"), "unknown_client", "unknown_client"
        ),
        "a server's certificate": Forgery(
            lambda by: by.home.authority.issue_server("woovi.example"), "wrong_purpose", "wrong_purpose"
        ),
        "one that has expired": Forgery(_expired, "expired", "expired"),
        "a good one of another client": Forgery(
            lambda by: by.home.identities.load("narrow"), "not_granted", "not_granted"
        ),
    }


def _below_a_client(by: Stage) -> Identity:
    narrow = by.home.identities.load("narrow")
    below = leaf(Authority(narrow.key, narrow.certificate), (x509.DNSName("api.bank.example"),))
    return sending(below, *narrow.chain)


def _expired(by: Stage) -> Identity:
    now = datetime.now(UTC)
    return end_entity(by.home, CLIENT, "woovi", from_=now - timedelta(days=2), until=now - timedelta(days=1))


def leaf(issuer: Authority, names: Iterable[x509.GeneralName], subject: Subject | None = None) -> Identity:
    """A client's certificate with exactly these names, whatever they are."""
    key = generate_key()
    attributes = [x509.NameAttribute(oid, value) for oid, value in (subject or {NameOID.COMMON_NAME: "x"}).items()]
    builder = _builder(x509.Name(attributes), issuer.certificate.subject, key)
    listed = list(names)
    if listed:
        builder = builder.add_extension(x509.SubjectAlternativeName(listed), critical=False)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    signed = builder.add_extension(identifier, critical=False).sign(issuer.key, hashes.SHA256())
    return Identity(key, (signed, issuer.certificate))


def self_signed(like: x509.Certificate) -> Identity:
    """A certificate with the subject and the names of another one, and a key of its own."""
    key = generate_key()
    names = like.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    builder = _builder(like.subject, like.subject, key).add_extension(names, critical=False)
    return Identity(key, (builder.sign(key, hashes.SHA256()),))


def sending(identity: Identity, *chain: x509.Certificate) -> Identity:
    """The identity as it sends exactly these CAs along."""
    return Identity(identity.key, (identity.certificate, *chain))


def raw(kind: type[x509.DNSName] | type[x509.RFC822Name], text: str) -> x509.GeneralName:
    """A name as no honest tool would write it."""
    return kind._init_without_validation(text)


def _builder(subject: x509.Name, issuer: x509.Name, key: PrivateKey) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder(issuer_name=issuer, subject_name=subject, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(hours=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    )


def _dn(common_name: str) -> Subject:
    """The subject in the order of the encoding."""
    return {NameOID.COUNTRY_NAME: "BR", NameOID.ORGANIZATION_NAME: "Bank", NameOID.COMMON_NAME: common_name}


FORGERIES: dict[str, Forgery] = {
    **{name: Forgery(make, "unknown_client", "unknown_client") for name, make in _names().items()},
    **_paths(),
}
"""By what each tries."""

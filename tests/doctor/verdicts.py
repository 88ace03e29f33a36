"""Chains, good and bad, what is wrong with each, and where OpenSSL or GnuTLS come to another verdict and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.hazmat.primitives.hashes import MD5, SHA1
from cryptography.x509.oid import ExtendedKeyUsageOID

from mutua.ca.hierarchy import Purpose
from mutua.doctor.certificates import Question, Verdict, examine
from mutua.pki import chains
from mutua.pki.names import parse_name
from tests.pki.crafted import (
    DAY,
    DIRECTORY,
    DNS,
    IP,
    ISSUING,
    MAIL,
    MD5_RSA,
    NOW,
    ROOT,
    SHA1_RSA,
    SHA256_RSA,
    URI,
    Crl,
    Extensions,
    Made,
    altered,
    at,
    by,
    constraints,
    crl,
    dn,
    endless,
    key_called,
    make,
    rsa_key,
    scope,
    tampered,
    usage,
)

CLIENT, SERVER, ANY_EKU = (
    ExtendedKeyUsageOID.CLIENT_AUTH,
    ExtendedKeyUsageOID.SERVER_AUTH,
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
)
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
STRANGE = UNKNOWN.oid


@dataclass(frozen=True)
class Case:
    """A chain, and what is to come of it.

    Attributes:
        given: the leaf first.
        codes: of the errors; none for a valid chain.
    """

    name: str
    given: Sequence[Made]
    codes: Sequence[str] = ()
    trusted: Sequence[Made] = (ROOT,)
    purpose: Purpose = Purpose.CLIENT
    host: str = ""
    crls: Sequence[Crl] = ()

    def question(self, **changes: Any) -> Question:
        names = (parse_name(self.host),) if self.host else ()
        return Question(**{"now": NOW, "purpose": self.purpose, "names": names, "crls": tuple(self.crls), **changes})

    def examine(self, **changes: Any) -> Verdict:
        certificates = [each.certificate for each in self.given]
        return examine(certificates, [each.certificate for each in self.trusted], self.question(**changes))


def leaf(issuer: Made = ISSUING, subject: str = "leaf", **options: Any) -> Made:
    return make(subject, issuer, ca=False, **options)


def below(ca: Made, **options: Any) -> list[Made]:
    return [leaf(ca, **options), ca]


def server(*names: x509.GeneralName, subject: str = "CN=leaf", **options: Any) -> list[Made]:
    return [leaf(subject=subject, names=names, purposes=[SERVER], **options), ISSUING]


RSA_ROOT = make("RSA root", key=rsa_key())
LEAF = leaf()
PLAIN = [LEAF, ISSUING]
FRESH = [crl(ISSUING), crl(ROOT)]


def without(kind: type[x509.ExtensionType]) -> Extensions:
    return {kind: None}


def unknown(*, critical: bool) -> Extensions:
    return {x509.UnrecognizedExtension: (UNKNOWN, critical)}


def by_serial(issuer: Made, serial: int) -> Extensions:
    """An AuthorityKeyIdentifier that names the issuer's certificate besides its key."""
    key, name = x509.SubjectKeyIdentifier.from_public_key(issuer.key.public_key()), issuer.certificate.issuer
    value = x509.AuthorityKeyIdentifier(key.digest, [DIRECTORY(name)], serial)
    return {x509.AuthorityKeyIdentifier: (value, False)}


def deep() -> list[Made]:
    line = [ROOT]
    for number in range(chains.MAX_DEPTH - 1):
        line.append(make(f"CA {number}", line[-1]))
    return [leaf(line[-1]), *reversed(line[1:])]


LARGE = make("Large", key=ec.generate_private_key(ec.SECP521R1()))
OLD = make("Old root")
EXPIRED: dict[str, Any] = {"start": NOW - 9 * DAY, "end": NOW - DAY}
ONLY_SERVERS = make("Servers", ROOT, purposes=[SERVER])
ONLY_CLIENTS = make("Clients", ROOT, purposes=[CLIENT])
SHARD = "http://ca.acme.example/crl/issuing/7.crl"
IN_SHARD = leaf(change=at(SHARD))
OWN = make("own", ca=False)

GOOD = [
    Case("a client", below(ISSUING, purposes=[CLIENT])),
    Case("a client without ExtendedKeyUsage", PLAIN),
    Case("a server", server(DNS("api.acme.example")), purpose=Purpose.SERVER, host="api.acme.example"),
    Case("a wildcard", server(DNS("*.acme.example")), purpose=Purpose.SERVER, host="API.acme.example"),
    Case("an IP address", server(IP("10.0.0.7")), purpose=Purpose.SERVER, host="10.0.0.7"),
    Case("an empty subject", [leaf(subject="", key=key_called("x"), names=[URI("spiffe://acme.example/x")]), ISSUING]),
    Case("RSA", below(RSA_ROOT), trusted=[RSA_ROOT]),
    Case("P-521", below(LARGE), trusted=[LARGE]),
    Case("the root is given too", [*PLAIN, ROOT]),
    Case("the chain in another order", [LEAF, ROOT, ISSUING]),
    Case("an issuing CA among the trusted", [LEAF], trusted=[ISSUING, ROOT]),
    Case("a self-signed leaf that is trusted", [OWN], trusted=[OWN]),
    Case("cross-signed by an old root that nobody trusts any more", [*PLAIN, make("Root", OLD), OLD]),
    Case("cross-signed by an old root that has expired", [*PLAIN, make("Root", OLD)],
         trusted=[ROOT, make("Old root", **EXPIRED)]),
    Case("as many CAs as the path length permits", [
        *below(make("Deep", make("Top", ROOT, path_length=1), path_length=0)), make("Top", ROOT, path_length=1)]),
    Case("a self-issued CA does not count for the path length", [
        *below(make("Top", make("Top", ROOT, path_length=0), key=key_called("rolled"))),
        make("Top", ROOT, path_length=0)]),
    Case("a CA for servers above a server", [*server(DNS("x.example"), issuer=ONLY_SERVERS)[:1], ONLY_SERVERS],
         purpose=Purpose.SERVER),
    Case("an unknown extension that is not critical", below(ISSUING, change=unknown(critical=False))),
    Case("an issuer named by its serial number",
         below(ISSUING, change=by_serial(ISSUING, ISSUING.certificate.serial_number))),
    Case("permitted names", below(make("Bound", ROOT, change=constraints(
        [DNS("acme.example"), IP("10.0.0.0/8"), MAIL("acme.example"), URI(".acme.example"), DIRECTORY(dn("O=Acme"))])),
        subject="O=Acme/CN=leaf", names=[DNS("api.acme.example"), IP("10.1.1.1"), MAIL("ops@acme.example"),
                                         URI("https://api.acme.example/")])),
    Case("nothing of what is excluded", below(make("Bound", ROOT, change=constraints(exclude=[DNS("evil.example")])),
                                              names=[DNS("acme.example")])),
    Case("fresh CRLs of every issuer", PLAIN, crls=FRESH),
    Case("a CRL that revokes another", PLAIN, crls=[crl(ISSUING, OWN), crl(ROOT)]),
    Case("the CRL of its own distribution point", [IN_SHARD, ISSUING],
         crls=[crl(ISSUING, OWN, extensions=[scope(url=SHARD)]), crl(ROOT)]),
    Case("a CRL for end entities and one for CAs", PLAIN, crls=[
        crl(ISSUING, extensions=[scope(only_contains_user_certs=True)]),
        crl(ROOT, extensions=[scope(only_contains_ca_certs=True)])]),
]  # fmt: skip

BAD = [
    Case("expired", below(ISSUING, **EXPIRED), ["expired"]),
    Case("not yet valid", below(ISSUING, start=NOW + DAY), ["not_yet_valid"]),
    Case("an expired CA", below(make("Old", ROOT, **EXPIRED)), ["expired"]),
    Case("an expired root", below(make("Old", **EXPIRED)), ["expired"], trusted=[make("Old", **EXPIRED)]),
    Case("everything at once", below(make("Old", ROOT, ca=False, **EXPIRED), names=[DNS("y.example")],
                                     purposes=[SERVER], **EXPIRED),
         ["expired", "wrong_purpose", "wrong_name", "expired", "not_a_ca", "wrong_key_usage"], host="x.example"),
    Case("an end entity as CA", below(make("End", ROOT, ca=False)), ["not_a_ca", "wrong_key_usage"]),
    Case("a CA without BasicConstraints", below(make("Bare", ROOT, change=without(x509.BasicConstraints))),
         ["malformed", "not_a_ca"]),
    Case("a CA below one that may have none", [*below(make("Deep", make("Top", ROOT, path_length=0))),
                                               make("Top", ROOT, path_length=0)], ["path_length_exceeded"]),
    Case("a CA below a root that may have none", below(make("Deep", make("Top", path_length=0))),
         ["path_length_exceeded"], trusted=[make("Top", path_length=0)]),
    Case("a CA without keyCertSign", below(make("Lame", ROOT, change={x509.KeyUsage: (usage("crl_sign"), True)})),
         ["wrong_key_usage"]),
    Case("a client without digitalSignature", below(ISSUING, change={x509.KeyUsage: (usage("key_encipherment"), True)}),
         ["wrong_key_usage"]),
    Case("a server without digitalSignature",
         server(DNS("x.example"), change={x509.KeyUsage: (usage("key_encipherment"), True)}),
         ["wrong_key_usage"], purpose=Purpose.SERVER),
    Case("a server as client", below(ISSUING, purposes=[SERVER]), ["wrong_purpose"]),
    Case("a client as server", below(ISSUING, names=[DNS("x.example")], purposes=[CLIENT]), ["wrong_purpose"],
         purpose=Purpose.SERVER),
    Case("any purpose but not this one", below(ISSUING, purposes=[ANY_EKU]), ["wrong_purpose"]),
    Case("a client below a CA for servers", below(ONLY_SERVERS), ["wrong_purpose"]),
    Case("a critical extension that is unknown", below(ISSUING, change=unknown(critical=True)),
         ["unknown_critical_extension"]),
    Case("a critical extension that is unknown in a CA",
         below(make("Odd", ROOT, change=unknown(critical=True))), ["unknown_critical_extension"]),
    Case("a precertificate", below(ISSUING, change={x509.PrecertPoison: (x509.PrecertPoison(), True)}),
         ["unknown_critical_extension"]),
    Case("demanded policies", below(make("Strict", ROOT, change={
        x509.PolicyConstraints: (x509.PolicyConstraints(0, None), True)})), ["unknown_critical_extension"]),
    Case("SHA-1", [altered(leaf(RSA_ROOT), SHA256_RSA, SHA1_RSA, rsa_key(), SHA1())], ["weak_signature"],
         trusted=[RSA_ROOT]),
    Case("MD5", [altered(leaf(RSA_ROOT), SHA256_RSA, MD5_RSA, rsa_key(), MD5())], ["weak_signature"],
         trusted=[RSA_ROOT]),
    Case("RSA of 1024 bits", below(ISSUING, key=rsa.generate_private_key(65537, 1024)), ["weak_key"]),
    Case("P-192", below(ISSUING, key=ec.generate_private_key(ec.SECP192R1())), ["weak_key"]),
    Case("a key that cannot sign", below(ISSUING, key=x25519.X25519PrivateKey.generate()), ["unsupported_key"]),
    Case("a serial number of zero", [altered(leaf(serial=1), b"\x02\x01\x01", b"\x02\x01\x00", ISSUING.key), ISSUING],
         ["serial_not_positive"]),
    Case("a negative serial number", [altered(leaf(serial=1), b"\x02\x01\x01", b"\x02\x01\x85", ISSUING.key), ISSUING],
         ["serial_not_positive"]),
    Case("another name", server(DNS("api.acme.example")), ["wrong_name"], purpose=Purpose.SERVER,
         host="x.acme.example"),
    Case("a wildcard for two labels", server(DNS("*.acme.example")), ["wrong_name"], purpose=Purpose.SERVER,
         host="a.b.acme.example"),
    Case("a wildcard for none", server(DNS("*.acme.example")), ["wrong_name"], purpose=Purpose.SERVER,
         host="acme.example"),
    Case("a wildcard above a top-level domain", server(DNS("*.example")), ["wrong_name"], purpose=Purpose.SERVER,
         host="acme.example"),
    Case("a wildcard for a part of a label", server(DNS("a*.acme.example")), ["wrong_name"], purpose=Purpose.SERVER,
         host="api.acme.example"),
    Case("a wildcard behind a label", server(DNS("api.*.example")), ["wrong_name"], purpose=Purpose.SERVER,
         host="api.acme.example"),
    Case("an IP address as DNS name", server(DNS("10.0.0.7")), ["wrong_name"], purpose=Purpose.SERVER, host="10.0.0.7"),
    Case("a common name alone", server(subject="CN=api.acme.example"), ["no_names"], purpose=Purpose.SERVER,
         host="api.acme.example"),
    Case("a common name beside other names", server(DNS("x.example"), subject="CN=api.acme.example"), ["wrong_name"],
         purpose=Purpose.SERVER, host="api.acme.example"),
    Case("an empty subject and no names", [leaf(subject="", key=key_called("x")), ISSUING], ["malformed"]),
    Case("no AuthorityKeyIdentifier", below(ISSUING, change=without(x509.AuthorityKeyIdentifier)), ["malformed"]),
    Case("a CA without SubjectKeyIdentifier", below(make("Bare", ROOT, change=without(x509.SubjectKeyIdentifier))),
         ["malformed"]),
    Case("a CA without KeyUsage", below(make("Bare", ROOT, change=without(x509.KeyUsage))), ["malformed"]),
    Case("BasicConstraints that are not critical", below(make("Soft", ROOT, change={
        x509.BasicConstraints: (x509.BasicConstraints(ca=True, path_length=None), False)})), ["malformed"]),
    Case("keyCertSign without being a CA", below(ISSUING, change={
        x509.KeyUsage: (usage("digital_signature", "key_cert_sign"), True)}), ["malformed"]),
    Case("a signature of another key",
         [leaf(Made(key_called("forger"), ISSUING.certificate), change=by(ISSUING)), ISSUING], ["bad_signature"]),
    Case("an altered name", [tampered(leaf(subject="CN=woovi"), b"woovi", b"wooVi"), ISSUING], ["bad_signature"]),
    Case("a key identifier of another key", below(ISSUING, change=by(ROOT)), ["key_identifier_mismatch"]),
    Case("the serial number of another CA certificate", below(ISSUING, change=by_serial(ISSUING, 1)),
         ["key_identifier_mismatch"]),
    Case("an untrusted root", [*PLAIN, ROOT], ["untrusted_root"], trusted=[OLD]),
    Case("a missing intermediate", [LEAF], ["issuer_missing"]),
    Case("an intermediate is trusted and its root is not", [LEAF], ["trusted_but_no_root"], trusted=[ISSUING]),
    Case("a self-signed leaf", [OWN], ["untrusted_root"]),
    Case("too many CAs", deep(), ["too_deep"]),
    *(Case(f"a name that is not permitted: {name.value}", below(make("Bound", ROOT, change=constraints([base])),
           subject=subject, names=[name]), ["name_not_permitted"]) for base, name, subject in (
        (DNS("acme.example"), DNS("evil.example"), "leaf"),
        (IP("10.0.0.0/8"), IP("11.0.0.1"), "leaf"),
        (MAIL("acme.example"), MAIL("ops@evil.example"), "leaf"),
        (URI(".acme.example"), URI("https://evil.example/"), "leaf"),
        (DIRECTORY(dn("O=Acme")), DNS("x.example"), "O=Evil/CN=leaf"),
    )),
    Case("an excluded name", below(make("Bound", ROOT, change=constraints(exclude=[DNS("evil.example")])),
                                   names=[DNS("very.evil.example")]), ["name_not_permitted"]),
    Case("a wildcard for an excluded name", below(make("Bound", ROOT, change=constraints(
        exclude=[DNS("x.evil.example")])), names=[DNS("*.evil.example")]), ["name_not_permitted"]),
    Case("a kind of name that nobody can hold to constraints", below(make("Bound", ROOT, change=constraints(
        [x509.RegisteredID(STRANGE)])), names=[x509.RegisteredID(STRANGE)]), ["name_not_permitted"]),
]  # fmt: skip

REVOKED = [
    Case("revoked", PLAIN, ["revoked"], crls=[crl(ISSUING, LEAF), crl(ROOT)]),
    Case("a revoked CA", PLAIN, ["revoked"], crls=[crl(ISSUING), crl(ROOT, ISSUING)]),
    Case("on hold", PLAIN, ["on_hold"],
         crls=[crl(ISSUING, LEAF, reason=x509.ReasonFlags.certificate_hold), crl(ROOT)]),
    Case("removed from a CRL that is complete", PLAIN, ["revoked"],
         crls=[crl(ISSUING, LEAF, reason=x509.ReasonFlags.remove_from_crl), crl(ROOT)]),
    Case("a stale CRL", PLAIN, ["crl_expired"], crls=[crl(ISSUING, start=-9 * DAY, end=-DAY), crl(ROOT)]),
    Case("revoked by a stale CRL", PLAIN, ["revoked", "crl_expired"],
         crls=[crl(ISSUING, LEAF, start=-9 * DAY, end=-DAY), crl(ROOT)]),
    Case("a CRL of tomorrow", PLAIN, ["crl_not_yet_valid"], crls=[crl(ISSUING, start=DAY, end=2 * DAY), crl(ROOT)]),
    Case("no CRL of the root", PLAIN, ["crl_missing"], crls=[crl(ISSUING)]),
    Case("no CRL of the issuer", PLAIN, ["crl_missing"], crls=[crl(ROOT)]),
    Case("a CRL of another key", PLAIN, ["crl_bad_signature"],
         crls=[crl(ISSUING, key=key_called("forger")), crl(ROOT)]),
    Case("the CRL of another distribution point", [IN_SHARD, ISSUING], ["crl_out_of_scope"],
         crls=[crl(ISSUING, extensions=[scope(url=SHARD + "x")]), crl(ROOT)]),
    Case("the CRL of a distribution point, for a certificate without", PLAIN, ["crl_out_of_scope"],
         crls=[crl(ISSUING, extensions=[scope(url=SHARD)]), crl(ROOT)]),
    Case("a CRL for CAs about an end entity", PLAIN, ["crl_out_of_scope"],
         crls=[crl(ISSUING, extensions=[scope(only_contains_ca_certs=True)]), crl(ROOT)]),
    Case("a CRL for end entities about a CA", PLAIN, ["crl_out_of_scope"],
         crls=[crl(ISSUING), crl(ROOT, extensions=[scope(only_contains_user_certs=True)])]),
    Case("a CRL for some reasons", PLAIN, ["crl_unusable"], crls=[crl(ROOT), crl(
        ISSUING, extensions=[scope(only_some_reasons=frozenset({x509.ReasonFlags.key_compromise}))])]),
    Case("an indirect CRL", PLAIN, ["crl_unusable"],
         crls=[crl(ISSUING, extensions=[scope(indirect_crl=True)]), crl(ROOT)]),
    Case("a delta CRL", PLAIN, ["crl_unusable"],
         crls=[crl(ISSUING, extensions=[(x509.DeltaCRLIndicator(6), True)]), crl(ROOT)]),
    Case("an unknown critical extension of a CRL", PLAIN, ["crl_unusable"],
         crls=[crl(ISSUING, extensions=[(UNKNOWN, True)]), crl(ROOT)]),
    Case("an unknown critical extension of an entry", PLAIN, ["crl_unusable"],
         crls=[crl(ISSUING, OWN, of_entries=[(UNKNOWN, True)]), crl(ROOT)]),
    Case("a CRL without an end", PLAIN, ["crl_unusable"], crls=[endless(ISSUING), crl(ROOT)]),
    Case("a CRL of a CA without cRLSign", below(LAME := make("Lame", ROOT, change={
        x509.KeyUsage: (usage("key_cert_sign"), True)})), ["crl_unusable"], crls=[crl(LAME), crl(ROOT)]),
]  # fmt: skip


# Where another verifier comes to the opposite verdict, and why mutua keeps its own.
OPPOSITE: dict[str, tuple[tuple[str, ...], str]] = {
    "a self-signed leaf that is trusted": (("gnutls",), "certtool takes nothing but CAs for trusted"),
    "a self-issued CA does not count for the path length": (
        ("gnutls",),
        "it counts; RFC 5280 section 4.2.1.9 does not",
    ),
    "a client without digitalSignature": (("gnutls",), "it does not look; TLS 1.3 cannot sign with such a key"),
    "a server without digitalSignature": (
        ("openssl", "gnutls"),
        "TLS 1.2 with RSA key transport would do; mutua offers no such suite, and TLS 1.3 has none",
    ),
    "any purpose but not this one": (("gnutls",), "it takes any for every; OpenSSL, and so every handshake, does not"),
    "demanded policies": (("openssl",), "policies are off unless asked for; refused, what is not processed is safe"),
    "RSA of 1024 bits": (("gnutls",), "its default is lower than NIST's 112 bits and OpenSSL's level 2"),
    "P-192": (("gnutls",), "its default is lower than NIST's 112 bits and OpenSSL's level 2"),
    "a key that cannot sign": (("openssl", "gnutls"), "neither asks what the leaf's key can do"),
    "a serial number of zero": (("openssl", "gnutls"), "RFC 5280 section 4.1.2.2 only asks them to cope with it"),
    "a negative serial number": (("openssl", "gnutls"), "RFC 5280 section 4.1.2.2 only asks them to cope with it"),
    "a wildcard for a part of a label": (("openssl",), "RFC 9525 section 6.3 ended such patterns"),
    "a common name alone": (("openssl", "gnutls"), "both still read it; Python, browsers and RFC 9525 do not"),
    "an empty subject and no names": (("gnutls",), "it does not hold certificates to the form of RFC 5280"),
    "no AuthorityKeyIdentifier": (("gnutls",), "it does not hold certificates to the form of RFC 5280"),
    "a CA without SubjectKeyIdentifier": (("gnutls",), "it does not hold certificates to the form of RFC 5280"),
    "a CA without KeyUsage": (("gnutls",), "it does not hold certificates to the form of RFC 5280"),
    "BasicConstraints that are not critical": (("gnutls",), "it does not hold certificates to the form of RFC 5280"),
    "keyCertSign without being a CA": (("gnutls",), "it does not hold certificates to the form of RFC 5280"),
    "the serial number of another CA certificate": (("gnutls",), "it does not compare it; OpenSSL refuses the issuer"),
    "an intermediate is trusted and its root is not": (("gnutls",), "any trusted CA ends its paths; OpenSSL's, a root"),
    "too many CAs": (("openssl", "gnutls"), "they go up to 100 and 16: our bound is lower, for it bounds the work"),
    "a name that is not permitted: https://evil.example/": (("gnutls",), "it does not process constraints of URIs"),
    "a name that is not permitted: x.example": (("gnutls",), "it does not process constraints of directory names"),
    "a wildcard for an excluded name": (
        ("openssl", "gnutls"),
        "they compare texts; the pattern then matches that name",
    ),
    "removed from a CRL that is complete": (
        ("openssl",),
        "the reason belongs into delta CRLs (RFC 5280 section 5.3.1): an entry where it cannot stand is no pardon",
    ),
    "a delta CRL": (("openssl", "gnutls"), "alone it says nothing of what was revoked before"),
    "a CRL without an end": (("openssl", "gnutls"), "nothing would tell that it was stale; RFC 5280 section 5.1.2.5"),
    **{
        case.name: (("gnutls",), "it asks CRLs for entries, and for nothing else: neither dates nor scope nor coverage")
        for case in REVOKED
        if case.codes[0].startswith("crl_") and case.name not in {"a delta CRL", "a CRL without an end"}
    },
}
EVERY = [*GOOD, *BAD, *REVOKED]

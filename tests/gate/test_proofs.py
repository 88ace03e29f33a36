"""Who a certificate proves somebody to be: exactly what was registered, and nothing that looks like it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from mutua.errors import InvalidCredential, MutuaError
from mutua.gate.decision import Identified, Refusal, identify
from mutua.gate.proofs import Proven, prove
from mutua.gate.snapshot import Snapshot
from mutua.pki.certificates import write_der
from mutua.pki.names import DnsName
from mutua.pki.randomness import generate_key
from mutua.pki.thumbprints import spki_s256
from mutua.reasons import Reason
from mutua.registry.clients import Client
from mutua.registry.credentials import Credential, CredentialKind, Form
from mutua.registry.partners import by_certificate, by_key, by_subject
from mutua.tls.identity import Identity
from mutua.tls.peer import PeerCertificate
from tests.pki.hierarchy import NOW, Authority, issue, make_issuing_ca, make_root

ROOT = make_root(organization="Partner")
CA = make_issuing_ca(ROOT)
IMPOSTOR = make_issuing_ca(make_root(organization="Partner"))
"""A CA of the same name with another key."""

ROOT_KEY = spki_s256(ROOT.key.public_key())
LEAF = issue(CA, names=["api.bank.example", "spiffe://bank.example/pay", "10.1.2.3", "ops@bank.example"])


def path(identity: Identity, *above: Authority) -> PeerCertificate:
    """A peer whose handshake verified this path."""
    return PeerCertificate.read(tuple(map(write_der, (identity.certificate, *(each.certificate for each in above)))))


PEER = path(LEAF, CA, ROOT)


def client(name: str, *credentials: Credential) -> Client:
    return Client(name=name, credentials=credentials)


def known(*clients: Client) -> Snapshot:
    return Snapshot.of(1, clients, ())


def subject(form: Form, text: str, authority: Authority = CA) -> Credential:
    return by_subject([authority.certificate], form, text, now=NOW).credential


def spelled(credential: Credential) -> str:
    """For the name of a test: keys and hashes are others in every run."""
    named = credential.value if credential.kind is CredentialKind.SUBJECT else ""
    return f"{credential.form.value} {named} {'root' if credential.authority == ROOT_KEY else ''}".strip()


def proven(snapshot: Snapshot, peer: PeerCertificate = PEER) -> str | None:
    found = prove(snapshot, peer, NOW)
    return found.client if isinstance(found, Proven) else None


PIN = by_certificate([LEAF.certificate], now=NOW).credential
KEY = by_key([LEAF.certificate]).credential


@pytest.mark.parametrize(
    "credential",
    [
        PIN,
        KEY,
        subject(Form.DNS, "API.bank.example"),
        subject(Form.URI, "spiffe://bank.example/pay"),
        subject(Form.IP, "10.1.2.3"),
        subject(Form.EMAIL, "ops@BANK.example"),
        subject(Form.DN, "CN=api.bank.example"),
        subject(Form.DN, "2.5.4.3=API.Bank.example"),
        subject(Form.DNS, "api.bank.example", ROOT),
    ],
    ids=spelled,
)
def test_each_kind_of_credential_proves_its_client(credential: Credential) -> None:
    who = identify(known(client("bank", credential)), PEER, NOW)
    assert isinstance(who, Identified)
    assert (who.known.name, who.known.credential) == ("bank", credential.kind)


@pytest.mark.parametrize(
    "credential",
    [
        by_certificate([issue(CA, names=["api.bank.example"]).certificate], now=NOW).credential,
        by_key([CA.certificate]).credential,
        by_certificate([CA.certificate], now=NOW).credential,
        subject(Form.DNS, "api.bank.example", IMPOSTOR),
        subject(Form.DNS, "bank.example"),
        subject(Form.DNS, "xapi.bank.example"),
        subject(Form.URI, "spiffe://bank.example/PAY"),
        subject(Form.URI, "spiffe://bank.example/pay/x"),
        subject(Form.IP, "10.1.2.30"),
        subject(Form.EMAIL, "OPS@bank.example"),
        subject(Form.DN, "CN=api.bank.example,O=Bank"),
        subject(Form.DN, "O=api.bank.example"),
        subject(Form.DN, "CN=\N{CYRILLIC SMALL LETTER A}pi.bank.example"),
    ],
    ids=spelled,
)
def test_what_only_looks_like_it_proves_nobody(credential: Credential) -> None:
    refusal = identify(known(client("bank", credential)), PEER, NOW)
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.client) == (Reason.UNKNOWN_CLIENT, None)


@pytest.mark.parametrize("form", [Form.DNS, Form.URI, Form.EMAIL])
def test_names_of_one_kind_never_stand_for_another(form: Form) -> None:
    """The same characters, as the other kinds of name and as the subject."""
    texts = {Form.DNS: "api.bank.example", Form.URI: "urn:api:bank", Form.EMAIL: "api@bank.example"}
    others = [texts[other] for other in texts if other is not form]
    peer = path(issue(CA, names=others, common_name=texts[form]), CA, ROOT)
    assert proven(known(client("bank", subject(form, texts[form]))), peer) is None


def test_a_wildcard_in_the_certificate_is_no_name_of_anybody() -> None:
    wild = _signed_by(CA, x509.DNSName("*.bank.example"))
    assert proven(known(client("bank", subject(Form.DNS, "api.bank.example"))), wild) is None


@pytest.mark.parametrize("text", ["*.bank.example", "10.0.0.0/8", "", "api.bank.example\0.evil.example", "a b"])
def test_nobody_is_registered_by_a_name_that_could_be_several(text: str) -> None:
    for form in (Form.DNS, Form.URI, Form.IP, Form.EMAIL):
        with pytest.raises(MutuaError):
            subject(form, text)


def test_a_name_of_another_form_than_was_said_is_refused() -> None:
    with pytest.raises(InvalidCredential, match="san_ip"):
        subject(Form.IP, "api.bank.example")


def test_a_name_with_a_null_byte_proves_nobody() -> None:
    evil = _signed_by(CA, x509.DNSName("api.bank.example\0.evil.example"))
    assert proven(known(client("bank", subject(Form.DNS, "api.bank.example"))), evil) is None


def test_a_pinned_certificate_is_no_ca_for_others() -> None:
    """``openssl req -x509`` makes CA:TRUE certificates, and a handshake believes what they sign (facts 36)."""
    pinned = make_root(organization="Self")
    signed = issue(pinned, names=["api.bank.example"])
    credentials = by_certificate([pinned.certificate], now=NOW).credential, subject(Form.DNS, "api.bank.example")
    snapshot = known(client("self", credentials[0]), client("bank", credentials[1]))
    assert proven(snapshot, path(signed, pinned)) is None


def test_a_ca_of_one_partner_is_none_for_the_names_of_another() -> None:
    snapshot = known(
        client("bank", subject(Form.DNS, "api.bank.example")),
        client("shop", subject(Form.DNS, "shop.example", IMPOSTOR)),
    )
    forged = path(issue(IMPOSTOR, names=["api.bank.example"]), IMPOSTOR)
    assert proven(snapshot, forged) is None
    assert proven(snapshot, path(issue(IMPOSTOR, names=["shop.example"]), IMPOSTOR)) == "shop"


def test_without_a_verified_path_no_subject_counts() -> None:
    """As after a resumed session whose path could not be found again."""
    snapshot = known(client("bank", subject(Form.DNS, "api.bank.example")))
    assert proven(snapshot, path(LEAF)) is None


def test_names_of_two_clients_in_one_certificate_prove_neither() -> None:
    both = path(issue(CA, names=["api.bank.example", "api.shop.example"]), CA)
    snapshot = known(
        client("bank", subject(Form.DNS, "api.bank.example")), client("shop", subject(Form.DNS, "api.shop.example"))
    )
    refusal = identify(snapshot, both, NOW)
    assert isinstance(refusal, Refusal)
    assert refusal.detail == "its names are those of several clients: bank, shop"


def test_the_most_exact_credential_decides() -> None:
    snapshot = known(client("bank", subject(Form.DNS, "api.bank.example")), client("one", KEY), client("other", PIN))
    assert proven(snapshot) == "other"
    issued = Credential.issued(PEER.thumbprint)
    assert proven(known(client("bank", issued), client("other", PIN))) == "bank"


@pytest.mark.parametrize("credential", [PIN, KEY, subject(Form.DNS, "api.bank.example")], ids=spelled)
def test_a_credential_that_has_ended_counts_no_more(credential: Credential) -> None:
    ending = replace(credential, ends_at=NOW + timedelta(hours=1))
    snapshot = known(client("bank", ending))
    who = identify(snapshot, PEER, NOW)
    assert isinstance(who, Identified)
    assert who.expires == (NOW + timedelta(hours=1)).timestamp()
    later = identify(snapshot, PEER, NOW + timedelta(hours=2))
    assert isinstance(later, Refusal)
    assert later.reason is Reason.UNKNOWN_CLIENT


def test_a_revoked_certificate_is_refused_however_its_client_is_known() -> None:
    for credential in (PIN, KEY, subject(Form.DNS, "api.bank.example")):
        snapshot = Snapshot.of(1, [client("bank", credential)], [PEER.thumbprint])
        refusal = identify(snapshot, PEER, NOW)
        assert isinstance(refusal, Refusal)
        assert (refusal.reason, refusal.client) == (Reason.REVOKED, "bank")


def test_a_leaf_cannot_be_registered_as_a_ca() -> None:
    with pytest.raises(InvalidCredential, match="not a CA's"):
        by_subject([LEAF.certificate], Form.DNS, "api.bank.example", now=NOW)


def _signed_by(authority: Authority, *names: x509.GeneralName) -> PeerCertificate:
    """A certificate with names that no authority of ours would sign."""
    made = issue(authority, names=[DnsName("placeholder.example")])
    key = generate_key()
    leaf = (
        x509.CertificateBuilder()
        .subject_name(made.certificate.subject)
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(made.certificate.not_valid_before_utc)
        .not_valid_after(made.certificate.not_valid_after_utc)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return PeerCertificate.read((write_der(leaf), write_der(authority.certificate)))

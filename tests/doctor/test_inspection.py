import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed448
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from mutua.doctor.inspection import Description, inspect
from mutua.pki.certificates import read_certificate, write_der, write_pem
from mutua.pki.contents import read_contents
from mutua.pki.keys import KeyType, write_private_key
from mutua.pki.pem import write_pem_block
from mutua.pki.pkcs7 import write_pkcs7
from mutua.pki.pkcs12 import write_pkcs12
from mutua.pki.thumbprints import spki_s256, x5t_s256
from tests.pki.hierarchy import NOW, client, issuing_ca, key_of, root, server

VECTORS = Path(__file__).parent.parent / "pki" / "vectors"
CERTIFICATE = {
    "kind",
    "subject",
    "names",
    "purposes",
    "key_usage",
    "is_ca",
    "path_length",
    "permitted_names",
    "excluded_names",
    "key",
    "signature",
    "issuer",
    "self_issued",
    "serial",
    "not_before",
    "not_after",
    "state",
    "thumbprint",
    "spki",
    "subject_key_identifier",
    "authority_key_identifier",
    "crl_urls",
    "ca_issuer_urls",
    "ocsp_urls",
    "other_extensions",
    "friendly_name",
}


def one(data: bytes, now: datetime = NOW, password: bytes | None = None) -> Description:
    (found,) = inspect(read_contents(data, password), now)
    return found


def uri(text: str) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier(text)


def elaborate() -> x509.Certificate:
    """A certificate with everything that can be told of one."""
    ca = issuing_ca()
    point = x509.DistributionPoint([uri("http://crl.example/1.crl")], None, None, None)
    access = [
        x509.AccessDescription(AuthorityInformationAccessOID.OCSP, uri("http://ocsp.example/")),
        x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, uri("http://ca.example/ca.crt")),
    ]
    names = [
        x509.DNSName("api.acme.example"),
        x509.IPAddress(ip_network("10.0.0.0/8").network_address),
        x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Dir")])),
        x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4")),
        x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x01x"),
    ]
    constraints = x509.NameConstraints([x509.DNSName("acme.example")], [x509.IPAddress(ip_network("10.0.0.0/8"))])
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, x509.ObjectIdentifier("1.2.3.4.5")]
    builder = x509.CertificateBuilder(
        ca.certificate.subject, x509.Name([]), key_of("end entity").public_key(), 255, NOW, NOW + timedelta(days=1)
    )
    for extension, critical in (
        (x509.BasicConstraints(ca=True, path_length=3), True),
        (x509.SubjectAlternativeName(names), True),
        (x509.ExtendedKeyUsage(usages), False),
        (x509.CRLDistributionPoints([point]), False),
        (x509.AuthorityInformationAccess(access), False),
        (constraints, True),
        (x509.PolicyConstraints(0, None), True),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.6"), b"\x05\x00"), False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(ca.key, SHA256())


def test_a_certificate_is_told_with_stable_keys() -> None:
    certificate = server().certificate
    told = one(write_der(certificate))
    assert set(told) == CERTIFICATE
    assert told["thumbprint"] == x5t_s256(certificate)
    assert told["spki"] == spki_s256(server().key.public_key())
    assert (told["purposes"], told["key_usage"]) == (["server_auth"], ["digital_signature"])
    assert (told["is_ca"], told["path_length"], told["self_issued"]) == (False, None, False)
    assert (told["key"], told["signature"]) == ("P-256", "ECDSA with SHA-256")
    assert told["serial"] == f"{certificate.serial_number:032x}"
    assert (told["not_before"], told["not_after"]) == (
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
    )
    assert told["authority_key_identifier"] == one(write_der(issuing_ca().certificate))["subject_key_identifier"]
    assert told["friendly_name"] is None


def test_every_extension_that_matters_is_told() -> None:
    told = one(write_der(elaborate()))
    assert told["subject"] == ""
    assert told["names"] == [
        "api.acme.example",
        "10.0.0.0",
        "directory name CN=Dir",
        "registered identifier 1.2.3.4",
        "other name 1.3.6.1.4.1.311.20.2.3",
    ]
    assert told["purposes"] == ["server_auth", "1.2.3.4.5"]
    assert (told["is_ca"], told["path_length"]) == (True, 3)
    assert (told["permitted_names"], told["excluded_names"]) == (["acme.example"], ["10.0.0.0/8"])
    assert told["crl_urls"] == ["http://crl.example/1.crl"]
    assert told["ocsp_urls"] == ["http://ocsp.example/"]
    assert told["ca_issuer_urls"] == ["http://ca.example/ca.crt"]
    assert told["other_extensions"] == [
        {"oid": "2.5.29.36", "critical": True},
        {"oid": "1.2.3.4.6", "critical": False},
    ]
    assert told["serial"] == "000000000000000000000000000000ff"


def test_an_old_certificate_without_extensions_is_told() -> None:
    told = one((VECTORS / "rfc8705_appA.pem").read_bytes())
    assert set(told) == CERTIFICATE
    assert told["thumbprint"] == "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"
    assert (told["names"], told["purposes"], told["state"]) == ([], [], "expired")
    assert (told["subject_key_identifier"], told["authority_key_identifier"]) == (None, None)


@pytest.mark.parametrize(
    ("moment", "state"),
    [
        (timedelta(hours=-1), "not_yet_valid"),
        (timedelta(), "valid"),
        (timedelta(days=89), "valid"),
        (timedelta(days=91), "expired"),
    ],
)
def test_whether_a_certificate_is_past_depends_on_the_time_given(moment: timedelta, state: str) -> None:
    assert one(write_der(client().certificate), NOW + moment)["state"] == state


def test_a_key_names_its_certificate_wherever_in_the_file_that_is() -> None:
    thumbprint = client().thumbprint
    for chain in (client().chain_pem(), write_pkcs7(client().chain)):
        (key, *_rest) = inspect(read_contents(client().key_pem() + chain), NOW)
        assert set(key) == {"kind", "key", "spki", "encrypted", "belongs_to", "friendly_name"}
        assert (key["kind"], key["belongs_to"], key["encrypted"]) == ("private_key", thumbprint, False)
    assert one(client().key_pem())["belongs_to"] is None
    (key, *_rest) = inspect(read_contents(client().key_pem() + root().certificate.public_bytes(Encoding.PEM)), NOW)
    assert key["belongs_to"] is None


def test_a_public_key_is_told() -> None:
    der = client().key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert one(der) == {
        "kind": "public_key",
        "key": "P-256",
        "spki": spki_s256(client().key.public_key()),
        "belongs_to": None,
    }


def test_everything_in_a_pkcs12_file_is_told() -> None:
    data = write_pkcs12(client().key, client().chain, password=b"x", friendly_name="woovi", compatible=True)
    told = one(data, password=b"x")
    assert told["kind"] == "pkcs12"
    assert isinstance(told["contents"], list)
    key, leaf, ca = told["contents"]
    assert (key["belongs_to"], key["friendly_name"], key["encrypted"]) == (client().thumbprint, "woovi", True)
    assert (leaf["friendly_name"], ca["friendly_name"], ca["is_ca"]) == ("woovi", None, True)
    assert set(leaf) == set(ca) == CERTIFICATE


def test_pkcs7_and_unknown_blocks_are_told() -> None:
    found = inspect(read_contents(write_pkcs7(client().chain) + write_pem_block("DH PARAMETERS", b"\x30\x00")), NOW)
    assert [each["kind"] for each in found] == ["pkcs7", "unknown"]
    assert {each["thumbprint"] for each in found[0]["contents"]} == set(map(x5t_s256, client().chain))  # type: ignore[attr-defined]
    assert found[1] == {"kind": "unknown", "label": "DH PARAMETERS"}


@pytest.mark.parametrize("kind", [KeyType.P256, KeyType.RSA2048, KeyType.ED25519])
def test_a_request_of_openssl_is_told(peer: Callable[[str], str], tmp_path: Path, kind: KeyType) -> None:
    key = key_of("end entity", kind)
    (tmp_path / "key.pem").write_bytes(client(kind).key_pem())
    command = [peer("openssl"), "req", "-new", "-key", "key.pem", "-subj", "/O=Acme/CN=woovi"]
    command += ["-addext", "subjectAltName=DNS:api.acme.example,IP:10.0.0.7", "-addext", "extendedKeyUsage=clientAuth"]
    command += ["-addext", "basicConstraints=CA:TRUE", "-addext", "keyUsage=keyCertSign", "-addext", "tlsfeature=5"]
    pem = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, timeout=60).stdout
    told = one(pem)
    signature = {"P-256": "ECDSA with SHA-256", "RSA-2048": "RSA with SHA-256", "Ed25519": "Ed25519"}
    assert told == {
        "kind": "request",
        "subject": "CN=woovi,O=Acme",
        "names": ["api.acme.example", "10.0.0.7"],
        "purposes": ["client_auth"],
        "key_usage": ["key_cert_sign"],
        "is_ca": True,
        "key": told["key"],
        "spki": spki_s256(key.public_key()),
        "signature": signature[str(told["key"])],
        "signature_verifies": True,
        "other_extensions": [{"oid": "1.3.6.1.5.5.7.1.24", "critical": False}],
    }


def test_a_revocation_list_is_told() -> None:
    ca = issuing_ca()
    scope = x509.IssuingDistributionPoint(
        full_name=[uri("http://crl.example/7.crl")],
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )
    key_identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key())
    now = NOW.replace(microsecond=0)
    crl = (
        x509.CertificateRevocationListBuilder(ca.certificate.subject, now, now + timedelta(days=1))
        .add_extension(x509.CRLNumber(7), critical=False)
        .add_extension(x509.DeltaCRLIndicator(5), critical=True)
        .add_extension(scope, critical=True)
        .add_extension(key_identifier, critical=False)
        .add_revoked_certificate(x509.RevokedCertificateBuilder(9, now).build())
        .sign(ca.key, SHA256())
    )
    data = crl.public_bytes(Encoding.DER)
    assert one(data, now) == {
        "kind": "crl",
        "issuer": ca.certificate.subject.rfc4514_string(),
        "number": 7,
        "delta_of": 5,
        "this_update": now,
        "next_update": now + timedelta(days=1),
        "state": "valid",
        "revoked": 1,
        "signature": "ECDSA with SHA-256",
        "scope_urls": ["http://crl.example/7.crl"],
        "authority_key_identifier": one(write_der(ca.certificate))["subject_key_identifier"],
        "other_extensions": [],
    }
    assert one(data, now + timedelta(days=2))["state"] == "expired"


def test_a_bare_list_of_openssl_is_told(peer: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(write_pem([issuing_ca().certificate]))
    (tmp_path / "key.pem").write_bytes(write_private_key(issuing_ca().key))
    (tmp_path / "index.txt").write_text("")
    (tmp_path / "ca.cnf").write_text("[ca]\ndefault_ca=x\n[x]\ndatabase=index.txt\ndefault_md=sha384\n")
    command = [peer("openssl"), "ca", "-gencrl", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "key.pem"]
    pem = subprocess.run([*command, "-crldays", "1"], cwd=tmp_path, capture_output=True, check=True, timeout=60).stdout
    told = one(pem)
    assert (told["number"], told["revoked"], told["scope_urls"]) == (None, 0, [])
    assert told["authority_key_identifier"] is None
    assert told["signature"] == "ECDSA with SHA-384"


def test_keys_and_signatures_of_other_kinds_have_a_name() -> None:
    key = ed448.Ed448PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + timedelta(days=1)).sign(key, None)
    told = one(write_der(read_certificate(write_der(made))))
    assert (told["key"], told["signature"], told["self_issued"]) == ("Ed448", "1.3.101.113", True)

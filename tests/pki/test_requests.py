import ipaddress
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from mutua.pki.draft import distinguished_name
from mutua.pki.keys import KeyType, PrivateKey
from mutua.pki.names import DnsName, EmailName, IpName, UriName, parse_name
from mutua.pki.requests import MAX_EXTRAS, MAX_REQUEST_BYTES, read_request, write_request
from tests.pki import forged_requests as forge
from tests.pki.forged_requests import forged, write_der
from tests.pki.hierarchy import CLIENT_NAMES, SERVER_NAMES, key_of

KEY = key_of("end entity")
RSA_KEY = key_of("end entity", KeyType.RSA2048)
NAMES = tuple(map(parse_name, (*SERVER_NAMES, *CLIENT_NAMES)))
WOOVI = (DnsName("woovi"),)
SHA256 = hashes.SHA256()
PEM = write_request(KEY, WOOVI, "woovi")
DER = read_request(PEM).der


def asking(*extensions: tuple[x509.ExtensionType, bool], key: PrivateKey = KEY, name: str = "woovi") -> bytes:
    builder = x509.CertificateSigningRequestBuilder(distinguished_name(common_name=name))
    for value, critical in extensions:
        builder = builder.add_extension(value, critical=critical)
    return builder.sign(key, SHA256).public_bytes(Encoding.DER)


def key_usage(**usages: bool) -> x509.KeyUsage:
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**dict.fromkeys(names, False) | usages)


@pytest.mark.parametrize("kind", KeyType)
def test_what_was_written_is_read(kind: KeyType) -> None:
    key = key_of("end entity", kind)
    request = read_request(write_request(key, NAMES, "woovi"))
    assert request.public_key == key.public_key()
    assert (request.common_name, request.names, request.purposes, request.extras) == ("woovi", NAMES, (), ())
    assert read_request(request.der) == request


def test_a_request_may_name_nothing() -> None:
    request = read_request(write_request(KEY, ()))
    assert (request.common_name, request.names) == ("", ())


def test_a_common_name_that_does_not_fit_is_left_out() -> None:
    assert read_request(write_request(KEY, WOOVI, "w" * 64)).common_name == "w" * 64
    assert read_request(write_request(KEY, WOOVI, "w" * 65)).common_name == ""


def test_pem_with_either_label_and_der_are_read() -> None:
    expected = read_request(DER)
    new = PEM.replace(b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST")
    for data in (PEM, new, b"of woovi:\n" + PEM + b"\nthat is all\n", PEM.replace(b"\n", b"\r\n")):
        assert read_request(data) == expected


def test_a_key_beside_the_request_is_passed_over() -> None:
    key = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert read_request(key + PEM) == read_request(PEM)


def test_names_are_read_in_order_and_as_they_are_compared() -> None:
    entries = [
        x509.DNSName("API.Acme.Example"),
        x509.IPAddress(ipaddress.ip_address("10.0.0.1")),
        x509.UniformResourceIdentifier("spiffe://acme.example/Pay"),
        x509.RFC822Name("Ops@acme.example"),
    ]
    assert read_request(asking((x509.SubjectAlternativeName(entries), False))).names == (
        DnsName("api.acme.example"),
        IpName(ipaddress.ip_address("10.0.0.1")),
        UriName("spiffe://acme.example/Pay"),
        EmailName("Ops@acme.example"),
    )


def test_the_purposes_asked_for_are_read() -> None:
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, x509.ObjectIdentifier("1.2.3.4")]
    request = read_request(asking((x509.ExtendedKeyUsage(purposes), True)))
    assert request.purposes == tuple(purposes)
    assert request.extras == ()


def test_what_no_certificate_of_ours_says_is_an_extra() -> None:
    entries = [
        x509.DNSName("woovi"),
        x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x01x"),
        x509.DirectoryName(distinguished_name(common_name="x")),
        x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4")),
        x509.IPAddress(ipaddress.ip_network("10.0.0.0/8")),
    ]
    request = read_request(
        asking(
            (x509.SubjectAlternativeName(entries), False),
            (x509.BasicConstraints(ca=True, path_length=0), True),
            (key_usage(digital_signature=True, key_cert_sign=True, key_encipherment=True), True),
            (x509.NameConstraints([x509.DNSName("example")], None), True),
            (x509.SubjectKeyIdentifier(b"mine"), False),
            (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00"), True),
        )
    )
    assert request.names == WOOVI
    assert request.extras == (
        "a name of the kind otherName",
        "a name of the kind directoryName",
        "a name of the kind registeredID",
        "a name of the kind IP network",
        "extension basicConstraints CA:TRUE",
        "extension keyUsage keyEncipherment, keyCertSign",
        "extension nameConstraints",
        "extension subjectKeyIdentifier",
        "extension 1.2.3.4.5",
    )


def test_what_every_certificate_of_ours_says_anyway_is_none() -> None:
    request = read_request(
        asking(
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (key_usage(digital_signature=True), True),
            (x509.SubjectKeyIdentifier.from_public_key(KEY.public_key()), False),
        )
    )
    assert request.extras == ()


def test_the_rest_of_the_subject_is_an_extra_and_harmless_to_print() -> None:
    name = forge.subject(
        ("2.5.4.3", b"first"), ("2.5.4.10", b"Acme\nerror: none"), ("2.5.4.97", b"x" * 200), ("2.5.4.3", b"woovi")
    )
    request = read_request(forged(name=name))
    assert request.common_name == "woovi"
    assert request.extras == (
        r"subject O='Acme\nerror: none'",
        f"subject 2.5.4.97='{'x' * 80}'",
        "subject CN='first'",
    )


def test_a_challenge_password_is_named_and_kept_back() -> None:
    password = forge.attribute("1.2.840.113549.1.9.7", write_der(0x0C, b"correct horse"))
    other = forge.attribute("1.3.6.1.4.1.311.13.2.3", write_der(0x16, b"10.0.1"))
    request = read_request(forged(password, other, forge.extension_request(forge.alternatives(b"woovi"))))
    assert request.names == WOOVI
    assert set(request.extras) == {"attribute challengePassword", "attribute 1.3.6.1.4.1.311.13.2.3"}


def test_a_long_list_of_extras_is_cut_and_counted() -> None:
    name = forge.subject(*(("2.5.4.11", b"unit %d" % number) for number in range(3000)))
    data = forged(name=name)
    assert len(data) < MAX_REQUEST_BYTES
    extras = read_request(data).extras
    assert len(extras) == MAX_EXTRAS + 1
    assert extras[-1] == f"and {3000 - MAX_EXTRAS} more"


@given(
    names=st.lists(st.sampled_from(NAMES), unique=True),
    common_name=st.text(max_size=64),
    kind=st.sampled_from([KeyType.P256, KeyType.P384, KeyType.ED25519]),
)
@settings(deadline=None)
def test_any_request_of_ours_is_read_as_it_was_meant(names: list[DnsName], common_name: str, kind: KeyType) -> None:
    key = key_of("end entity", kind)
    request = read_request(write_request(key, names, common_name))
    assert (request.names, request.extras) == (tuple(names), ())
    assert request.common_name in {common_name, ""}
    assert request.common_name or not common_name.isascii() or not common_name.isprintable() or not common_name


OPENSSL_CONFIG = """
[req]
distinguished_name = subject
attributes = attributes
req_extensions = extensions
prompt = no
[subject]
C = BR
CN = woovi
[attributes]
challengePassword = correct horse
[extensions]
subjectAltName = DNS:woovi, DNS:*.acme.example, IP:10.0.0.1, IP:::1, URI:spiffe://acme.example/pay, email:a@acme.example
keyUsage = critical, digitalSignature, nonRepudiation, keyEncipherment
basicConstraints = CA:FALSE
extendedKeyUsage = serverAuth, clientAuth
"""


@pytest.mark.parametrize(
    "kind", ["EC -pkeyopt ec_paramgen_curve:P-256", "RSA -pkeyopt rsa_keygen_bits:2048", "ED25519"]
)
@pytest.mark.parametrize("form", ["PEM", "DER", "PEM -newhdr"])
def test_requests_of_openssl_are_read(peer: Callable[[str], str], tmp_path: Path, kind: str, form: str) -> None:
    config, key, made = tmp_path / "req.cnf", tmp_path / "key.pem", tmp_path / "made.csr"
    config.write_text(OPENSSL_CONFIG)
    run(peer("openssl"), "genpkey", "-algorithm", *kind.split(), "-out", key)
    run(peer("openssl"), "req", "-new", "-config", config, "-key", key, "-outform", *form.split(), "-out", made)
    request = read_request(made.read_bytes())
    expected = ["woovi", "*.acme.example", "10.0.0.1", "::1", "spiffe://acme.example/pay", "a@acme.example"]
    assert [str(name) for name in request.names] == expected
    assert request.common_name == "woovi"
    assert request.purposes == (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
    assert request.extras == (
        "subject C='BR'",
        "attribute challengePassword",
        "extension keyUsage nonRepudiation, keyEncipherment",
    )


def test_requests_of_gnutls_are_read(peer: Callable[[str], str], tmp_path: Path) -> None:
    template, key, made = tmp_path / "template", tmp_path / "key.pem", tmp_path / "made.csr"
    template.write_text('cn = "woovi"\ndns_name = "woovi"\nip_address = "10.0.0.1"\ntls_www_client\n')
    run(peer("certtool"), "--generate-privkey", "--key-type", "ecdsa", "--curve", "secp256r1", "--outfile", key)
    run(peer("certtool"), "--generate-request", "--load-privkey", key, "--template", template, "--outfile", made)
    request = read_request(made.read_bytes())
    assert [str(name) for name in request.names] == ["woovi", "10.0.0.1"]
    assert request.purposes == (ExtendedKeyUsageOID.CLIENT_AUTH,)


def test_requests_of_java_are_read(peer: Callable[[str], str], tmp_path: Path) -> None:
    store, made = tmp_path / "store.p12", tmp_path / "made.csr"
    common: list[str | Path] = ["-alias", "woovi", "-keystore", store, "-storepass", "changeit"]
    algorithm = ["-keyalg", "EC", "-groupname", "secp256r1", "-dname", "CN=woovi"]
    run(peer("keytool"), "-genkeypair", *algorithm, *common)
    run(peer("keytool"), "-certreq", "-ext", "san=dns:woovi", "-file", made, *common)
    request = read_request(made.read_bytes())
    assert (request.names, request.common_name, request.extras) == (WOOVI, "woovi", ())


@pytest.mark.parametrize("kind", KeyType)
def test_our_requests_satisfy_openssl_and_gnutls(peer: Callable[[str], str], tmp_path: Path, kind: KeyType) -> None:
    written = tmp_path / "written.csr"
    written.write_bytes(write_request(key_of("end entity", kind), NAMES, "woovi"))
    text = run(peer("openssl"), "req", "-in", written, "-verify", "-noout", "-text")
    assert "verify OK" in text
    assert "DNS:api.acme.example, DNS:*.acme.example, DNS:xn--bcher-kva.example" in text
    assert "self signature: verified" in run(peer("certtool"), "--crq-info", "--infile", written).lower()


def run(*command: str | Path) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout
    return done.stdout

import warnings
from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from mutua.errors import UnreadableCertificate
from mutua.pki.certificates import (
    MAX_BUNDLE_BYTES,
    common_name,
    is_ca,
    issued_by,
    names_of,
    purposes,
    read_certificate,
    read_certificates,
    write_der,
    write_pem,
)
from mutua.pki.keys import KeyType
from mutua.pki.profiles import CLIENT, SERVER
from tests.pki.hierarchy import NOW, client, issuing_ca, key_of, make_root, root, server


def with_extensions(*extensions: x509.ExtensionType) -> x509.Certificate:
    """A certificate as a stranger would make it."""
    key = key_of("end entity")
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Stranger, Inc.")])
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=1,
        not_valid_before=NOW,
        not_valid_after=NOW + timedelta(days=1),
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, SHA256())


def with_negative_serial() -> bytes:
    der = bytearray(write_der(with_extensions()))
    serial = der.index(b"\x02\x01\x01")
    der[serial + 2] = 0x80
    return bytes(der)


@pytest.mark.parametrize("kind", list(KeyType))
def test_a_certificate_comes_back_from_pem_and_der(kind: KeyType) -> None:
    for certificate in (root(kind).certificate, *server(kind, kind).chain, client(kind).certificate):
        assert read_certificate(write_pem([certificate])) == certificate
        assert read_certificate(write_der(certificate)) == certificate


def test_a_bundle_keeps_its_order() -> None:
    chain = (*client().chain, root().certificate)
    assert read_certificates(write_pem(chain)) == chain
    assert read_certificates(write_pem(reversed(chain))) == chain[::-1]


def test_text_and_keys_between_the_blocks_are_passed_over() -> None:
    leaf, issuer = client().chain
    bundle = (
        b"Bag Attributes\r\n  friendlyName: woovi\r\n" + write_pem([leaf]) + client().key_pem() + write_pem([issuer])
    )
    assert read_certificates(bundle) == (leaf, issuer)


def test_one_certificate_means_exactly_one() -> None:
    with pytest.raises(UnreadableCertificate, match="found 2"):
        read_certificate(write_pem(client().chain))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"0\x00",
        b"-----BEGIN CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n",
    ],
)
def test_what_is_no_certificate_is_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadableCertificate) as caught:
        read_certificates(data)
    assert caught.value.hint


def test_a_key_alone_is_no_certificate() -> None:
    with pytest.raises(UnreadableCertificate, match="no certificate in this PEM file"):
        read_certificates(client().key_pem())


def test_one_damaged_certificate_spoils_the_bundle() -> None:
    leaf, issuer = client().chain
    damaged = write_pem([issuer]).replace(b"M", b"!", 1)
    with pytest.raises(UnreadableCertificate):
        read_certificates(write_pem([leaf]) + damaged)


def test_a_bundle_too_large_is_not_parsed() -> None:
    data = write_pem([client().certificate])
    assert len(read_certificates(data.rjust(MAX_BUNDLE_BYTES, b"\n"))) == 1
    with pytest.raises(UnreadableCertificate, match="too many"):
        read_certificates(data.rjust(MAX_BUNDLE_BYTES + 1, b"\n"))


def test_trailing_bytes_after_der_are_not_overlooked() -> None:
    with pytest.raises(UnreadableCertificate):
        read_certificates(write_der(client().certificate) + b"\x00")


def test_the_same_extension_twice_is_unreadable() -> None:
    kind = x509.ObjectIdentifier("1.2.3.4")
    certificate = with_extensions(x509.UnrecognizedExtension(kind, b"\x05\x00"), x509.SubjectKeyIdentifier(b"\x2a\x03"))
    # Give the key identifier's extension, 2.5.29.14, the other's identifier.
    der = write_der(certificate).replace(b"\x06\x03\x55\x1d\x0e", b"\x06\x03\x2a\x03\x04")
    with pytest.raises(UnreadableCertificate, match="Duplicate"):
        read_certificate(der)


def test_an_unknown_kind_of_key_is_unreadable() -> None:
    der = write_der(with_extensions())
    id_ec_public_key = bytes.fromhex("06072a8648ce3d0201")
    with pytest.raises(UnreadableCertificate):
        read_certificate(der.replace(id_ec_public_key, bytes.fromhex("06072a8648ce3d027f")))


def test_a_kind_of_name_that_cryptography_does_not_know_is_unreadable() -> None:
    der = write_der(with_extensions(x509.SubjectAlternativeName([x509.DNSName("woovi")])))
    # [2] dNSName becomes [5] ediPartyName, which nobody uses.
    with pytest.raises(UnreadableCertificate):
        read_certificate(der.replace(b"\x82\x05woovi", b"\xa5\x05woovi"))


def test_a_deprecated_encoding_is_read_without_a_warning() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        certificate = read_certificate(with_negative_serial())
    assert certificate.version is x509.Version.v3
    assert caught == []


def test_a_version_1_certificate_says_nothing_about_purpose_names_or_ca(vectors: Callable[[str], bytes]) -> None:
    certificate = read_certificate(vectors("rfc8705_appA.pem"))
    assert purposes(certificate) == frozenset()
    assert names_of(certificate) == ()
    assert not is_ca(certificate)


def test_purposes_are_the_extended_key_usage() -> None:
    assert purposes(server().certificate) == {SERVER.purpose}
    assert purposes(client().certificate) == {CLIENT.purpose}


def test_a_ca_is_what_its_basic_constraints_make_it() -> None:
    assert is_ca(root().certificate)
    assert is_ca(issuing_ca().certificate)
    assert not is_ca(client().certificate)
    assert not is_ca(with_extensions(x509.BasicConstraints(ca=False, path_length=None)))


def test_a_common_name_or_else_the_whole_name() -> None:
    assert common_name(root().certificate.subject) == "Root CA"
    assert common_name(with_extensions().subject) == "O=Stranger\\, Inc."
    assert common_name(x509.Name([])) == ""


def test_kinds_of_names_that_mutua_does_not_use_are_left_out() -> None:
    registered = x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))
    certificate = with_extensions(x509.SubjectAlternativeName([registered, x509.DNSName("woovi")]))
    assert [str(name) for name in names_of(certificate)] == ["woovi"]


@pytest.mark.parametrize("kind", list(KeyType))
def test_an_issuer_is_told_by_name_and_key(kind: KeyType) -> None:
    leaf, issuer = client(kind, kind).chain
    namesake = make_root().certificate
    assert issued_by(leaf, issuer)
    assert issued_by(issuer, root(kind).certificate)
    assert not issued_by(leaf, root(kind).certificate)
    assert namesake.subject == root(kind).certificate.subject
    assert not issued_by(issuer, namesake)

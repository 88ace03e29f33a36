"""DER with the PEM of something else inside is what it is, and never what it carries.

A certificate can hold any bytes in an extension. Read as the other one, it would be that one's holder on a resumed
session, where the path is looked for anew.
"""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from mutua import Home
from mutua.pki.certificates import read_certificate, read_certificates, write_der, write_pem
from mutua.pki.contents import read_contents
from mutua.pki.names import DnsName
from mutua.pki.randomness import generate_key
from mutua.pki.requests import read_request, write_request
from tests.inbound.certificates import client_identity
from tests.pki.hierarchy import issue, issuing_ca

VICTIM = issue(issuing_ca(), names=["woovi"]).certificate
CARRIER_OID = x509.ObjectIdentifier("1.3.6.1.4.1.55555.1")


def carrying(content: bytes) -> x509.Certificate:
    """A certificate of our CA for somebody else, with bytes in an extension."""
    ca, key = issuing_ca(), generate_key()
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "evil")]))
        .issuer_name(ca.certificate.subject)
        .public_key(key.public_key())
        .serial_number(66)
        .not_valid_before(VICTIM.not_valid_before_utc)
        .not_valid_after(VICTIM.not_valid_after_utc)
        .add_extension(x509.UnrecognizedExtension(CARRIER_OID, content), critical=False)
        .sign(ca.key, hashes.SHA256())
    )


@pytest.mark.parametrize("newline", [b"", b"\n", b"\r\n"])
def test_a_certificate_that_carries_anothers_pem_is_itself(newline: bytes) -> None:
    evil = carrying(newline + write_pem([VICTIM]) + newline)
    assert read_certificate(write_der(evil)) == evil
    assert read_certificates(write_der(evil)) == (evil,)
    assert read_certificate(write_pem([evil])) == evil


def test_a_certificate_that_carries_junk_that_looks_like_pem_is_itself() -> None:
    evil = carrying(b"-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----")
    assert read_certificate(write_der(evil)) == evil


def test_a_file_is_told_to_be_what_it_is() -> None:
    evil = carrying(write_pem([VICTIM]))
    assert read_contents(write_der(evil)) == read_contents(write_pem([evil])) != read_contents(write_pem([VICTIM]))


def test_a_request_that_carries_anothers_pem_is_itself() -> None:
    theirs, key = write_request(generate_key(), [DnsName("woovi")], "woovi"), generate_key()
    evil = (
        x509.CertificateSigningRequestBuilder(x509.Name([]))
        .add_extension(x509.UnrecognizedExtension(CARRIER_OID, theirs), critical=False)
        .sign(key, hashes.SHA256())
    )
    assert read_request(evil.public_bytes(Encoding.DER)).public_key == key.public_key()


def test_a_resumed_session_is_its_own_peers(home: Home) -> None:
    """As the door asks for it: the path of a leaf that it has in DER."""
    evil = carrying(write_pem([client_identity(home).certificate]))
    assert home.trust.path(read_certificate(write_der(evil)))[0] == evil

from datetime import datetime

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from mutua.pki.certificates import issued_by, names_of
from mutua.pki.draft import MAX_COMMON_NAME, distinguished_name
from mutua.pki.keys import KeyType
from mutua.pki.names import DnsName, parse_name
from mutua.pki.profiles import CLIENT, SERVER
from tests.pki.hierarchy import CLIENT_NAMES, SERVER_NAMES, client, issue, issuing_ca, root, server

KINDS = list(KeyType)

CA_EXTENSIONS = {
    ExtensionOID.BASIC_CONSTRAINTS: True,
    ExtensionOID.KEY_USAGE: True,
    ExtensionOID.SUBJECT_KEY_IDENTIFIER: False,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER: False,
}
END_ENTITY_EXTENSIONS = CA_EXTENSIONS | {
    ExtensionOID.EXTENDED_KEY_USAGE: False,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME: False,
}


def chain_of(kind: KeyType) -> dict[str, x509.Certificate]:
    return {
        "root": root(kind).certificate,
        "issuing-ca": issuing_ca(kind).certificate,
        "server": server(kind, kind).certificate,
        "client": client(kind, kind).certificate,
    }


def criticality(certificate: x509.Certificate) -> dict[x509.ObjectIdentifier, bool]:
    return {extension.oid: extension.critical for extension in certificate.extensions}


@pytest.mark.parametrize("kind", KINDS)
def test_each_profile_has_exactly_its_extensions(kind: KeyType) -> None:
    chain = chain_of(kind)
    assert criticality(chain["root"]) == CA_EXTENSIONS
    assert criticality(chain["issuing-ca"]) == CA_EXTENSIONS
    assert criticality(chain["server"]) == END_ENTITY_EXTENSIONS
    assert criticality(chain["client"]) == END_ENTITY_EXTENSIONS


@pytest.mark.parametrize("kind", KINDS)
def test_basic_constraints_bound_the_path(kind: KeyType) -> None:
    constraints = {
        name: certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        for name, certificate in chain_of(kind).items()
    }
    assert constraints == {
        "root": x509.BasicConstraints(ca=True, path_length=2),
        "issuing-ca": x509.BasicConstraints(ca=True, path_length=0),
        "server": x509.BasicConstraints(ca=False, path_length=None),
        "client": x509.BasicConstraints(ca=False, path_length=None),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_cas_sign_certificates_and_crls_and_end_entities_only_signatures(kind: KeyType) -> None:
    for name, certificate in chain_of(kind).items():
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        is_ca = name in {"root", "issuing-ca"}
        assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature) == (is_ca, is_ca, not is_ca)
        assert not usage.content_commitment
        assert not usage.key_encipherment
        assert not usage.data_encipherment
        assert not usage.key_agreement


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_never_carries_client_auth_and_the_reverse(kind: KeyType) -> None:
    usages = {
        name: list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
        for name, certificate in chain_of(kind).items()
        if name in {"server", "client"}
    }
    assert usages == {"server": [ExtendedKeyUsageOID.SERVER_AUTH], "client": [ExtendedKeyUsageOID.CLIENT_AUTH]}


@pytest.mark.parametrize("kind", KINDS)
def test_key_identifiers_link_each_certificate_to_its_issuer(kind: KeyType) -> None:
    chain = chain_of(kind)
    issuers = {"root": "root", "issuing-ca": "root", "server": "issuing-ca", "client": "issuing-ca"}
    for name, certificate in chain.items():
        issuer = chain[issuers[name]]
        subject_key = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        authority_key = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        assert subject_key == x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())
        assert authority_key.key_identifier == x509.SubjectKeyIdentifier.from_public_key(issuer.public_key()).digest
        assert authority_key.authority_cert_issuer is None
        assert certificate.issuer == issuer.subject
        assert issued_by(certificate, issuer)


@pytest.mark.parametrize("kind", KINDS)
def test_the_signature_algorithm_fits_the_issuers_key(kind: KeyType) -> None:
    expected = {
        KeyType.P256: "ecdsa-with-SHA256",
        KeyType.P384: "ecdsa-with-SHA384",
        KeyType.RSA2048: "sha256WithRSAEncryption",
        KeyType.RSA3072: "sha256WithRSAEncryption",
        KeyType.RSA4096: "sha256WithRSAEncryption",
        KeyType.ED25519: "ed25519",
    }
    assert {each.signature_algorithm_oid._name for each in chain_of(kind).values()} == {expected[kind]}
    assert client(kind).certificate.signature_algorithm_oid._name == "ecdsa-with-SHA256"


def test_names_stand_in_the_subject_alternative_name_in_order() -> None:
    assert names_of(server().certificate) == tuple(map(parse_name, SERVER_NAMES))
    assert names_of(client().certificate) == tuple(map(parse_name, CLIENT_NAMES))


def test_an_empty_subject_makes_the_subject_alternative_name_critical() -> None:
    name = ".".join(["a" * 40, "b" * 40, "example"])
    certificate = issue(issuing_ca(), SERVER, [name]).certificate
    assert list(certificate.subject) == []
    assert criticality(certificate) == END_ENTITY_EXTENSIONS | {ExtensionOID.SUBJECT_ALTERNATIVE_NAME: True}
    assert names_of(certificate) == (DnsName(name),)


@pytest.mark.parametrize(("length", "kept"), [(MAX_COMMON_NAME, True), (MAX_COMMON_NAME + 1, False)])
def test_a_common_name_is_kept_up_to_64_characters(length: int, kept: bool) -> None:
    subject = distinguished_name(common_name="x" * length, organization="Acme Payments")
    assert len(subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)) == kept
    assert [each.value for each in subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)] == ["Acme Payments"]


def test_certificates_are_version_3_with_whole_seconds_and_positive_serials() -> None:
    for certificate in chain_of(KeyType.P256).values():
        assert certificate.version is x509.Version.v3
        assert 0 < certificate.serial_number < 2**128
        moments: list[datetime] = [certificate.not_valid_before_utc, certificate.not_valid_after_utc]
        assert all(moment.microsecond == 0 for moment in moments)


def test_a_certificate_signed_by_another_key_is_not_issued_by_the_ca() -> None:
    assert issued_by(issue(issuing_ca(), CLIENT).certificate, issuing_ca().certificate)
    assert not issued_by(issue(issuing_ca(), CLIENT).certificate, issuing_ca(KeyType.P384).certificate)

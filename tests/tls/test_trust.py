import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from mutua.errors import UnreadableCertificate, UnreadableFile
from mutua.pki.certificates import write_der, write_pem
from mutua.pki.keys import KeyType
from mutua.tls.trust import MAX_PATH, Trust
from tests.pki.hierarchy import Authority, client, issue, issuing_ca, make_issuing_ca, make_root, root


def test_pem_and_der_paths_and_bytes_are_loaded_together(tmp_path: Path) -> None:
    one, other, third = root().certificate, root(KeyType.P384).certificate, root(KeyType.ED25519).certificate
    (tmp_path / "bundle.pem").write_bytes(write_pem([one, other]))
    trust = Trust.load(tmp_path / "bundle.pem", write_der(third))
    assert trust.anchors == (one, other, third)
    assert not trust.include_system
    assert Trust.load(str(tmp_path / "bundle.pem")).anchors == (one, other)


def test_trust_in_nobody_is_refused() -> None:
    with pytest.raises(UnreadableCertificate, match="at least one"):
        Trust()
    with pytest.raises(UnreadableCertificate, match="at least one"):
        Trust.load()


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile):
        Trust.load(tmp_path / "missing.pem")
    with pytest.raises(UnreadableCertificate):
        Trust.load(client().key_pem())
    with pytest.raises(UnreadableCertificate):
        Trust.load(b"")


def test_the_systems_anchors_come_only_when_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # OpenSSL takes what this variable names for the system's.
    (tmp_path / "system.pem").write_bytes(write_pem([root(KeyType.P384).certificate]))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    ours, systems = write_der(root().certificate), write_der(root(KeyType.P384).certificate)
    assert Trust((root().certificate,)).client_context().get_ca_certs(binary_form=True) == [ours]
    assert Trust.system().client_context().get_ca_certs(binary_form=True) == [systems]
    both = Trust((root().certificate,), include_system=True).client_context()
    assert set(both.get_ca_certs(binary_form=True)) == {ours, systems}
    server = client().server_context(Trust((root().certificate,), include_system=True))
    assert set(server.get_ca_certs(binary_form=True)) == {ours, systems}


def test_a_context_made_from_trust_verifies() -> None:
    context = Trust((root().certificate,)).client_context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize("kind", list(KeyType))
def test_the_path_is_built_again_up_to_the_root(kind: KeyType) -> None:
    leaf = client(kind, kind).certificate
    anchors = (issuing_ca(kind).certificate, root(kind).certificate)
    assert Trust(anchors).path(leaf) == (leaf, *anchors)
    assert Trust(anchors[::-1]).path(leaf) == (leaf, *anchors)


def test_the_path_goes_as_far_as_the_anchors() -> None:
    leaf, issuing = client().chain
    assert Trust((issuing,)).path(leaf) == (leaf, issuing)
    assert Trust((root().certificate,)).path(leaf) == (leaf,)
    assert Trust((root().certificate,)).path(root().certificate) == (root().certificate,)
    assert Trust.system().path(leaf) == (leaf,)


def test_a_ca_of_the_same_name_with_another_key_is_not_on_the_path() -> None:
    namesake_root = make_root()
    namesake = make_issuing_ca(namesake_root)
    leaf, issuing = client().chain
    assert (namesake.certificate.subject, namesake_root.certificate.subject) == (issuing.subject, issuing.issuer)
    assert Trust((namesake.certificate, namesake_root.certificate)).path(leaf) == (leaf,)
    mixed = Trust((namesake.certificate, namesake_root.certificate, issuing, root().certificate))
    assert mixed.path(leaf) == (leaf, issuing, root().certificate)


def test_a_certificate_signed_by_an_end_entity_of_the_cas_name_is_not_on_the_path() -> None:
    posing = Authority(make_root().key, issuing_ca().certificate)
    leaf = issue(posing).certificate
    assert Trust((issuing_ca().certificate, root().certificate)).path(leaf) == (leaf,)


def test_two_cas_that_signed_each_other_do_not_make_an_endless_path() -> None:
    one, other = make_root(), make_root(organization="Acme Payments II")
    crossed = (_cross(one, other), _cross(other, one))
    leaf = issue(one).certificate
    path = Trust(crossed).path(leaf)
    assert len(path) == MAX_PATH
    assert path[0] == leaf


def test_an_anchor_that_openssl_cannot_read_is_an_error_when_a_context_is_made() -> None:
    # A common name of type OCTET STRING: cryptography reads it, OpenSSL does not.
    trust = Trust.load(write_der(root().certificate).replace(b"\x0c\x07Root CA", b"\x04\x07Root CA"))
    with pytest.raises(UnreadableCertificate, match="OpenSSL cannot read a CA certificate"):
        trust.client_context()


def test_names_of_the_anchors_stand_in_the_repr() -> None:
    assert repr(Trust((root().certificate,))) == "<Trust Root CA>"
    assert repr(Trust.system()) == "<Trust the system's>"
    assert repr(Trust((root().certificate,), include_system=True)) == "<Trust Root CA, the system's>"


def _cross(subject: Authority, issuer: Authority) -> x509.Certificate:
    """A certificate for ``subject``'s name and key, signed by ``issuer``."""
    builder = x509.CertificateBuilder(
        issuer.certificate.subject,
        subject.certificate.subject,
        subject.certificate.public_key(),
        1,
        subject.certificate.not_valid_before_utc,
        subject.certificate.not_valid_after_utc,
    )
    return builder.sign(issuer.key, SHA256())

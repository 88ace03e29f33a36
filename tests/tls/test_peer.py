import ssl
from datetime import UTC

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from mutua.errors import UnreadableCertificate
from mutua.pki.certificates import write_der
from mutua.pki.keys import KeyType
from mutua.tls.peer import PeerCertificate
from mutua.tls.trust import Trust
from tests.pki.hierarchy import client, issuing_ca, root, server
from tests.tls.handshakes import Connected, connect

ANCHOR, ISSUING = root().certificate, issuing_ca().certificate
TRUST = Trust((ANCHOR,))
WOOVI = client()
LEAF = write_der(WOOVI.certificate)
PATH = (LEAF, write_der(ISSUING), write_der(ANCHOR))


def resume(version: ssl.TLSVersion, server_trust: Trust = TRUST) -> Connected:
    """The second of two connections in one session."""
    ours, theirs = WOOVI.client_context(TRUST), server().server_context(server_trust)
    ours.maximum_version = version
    first = connect(ours, theirs)
    assert first.ok
    assert first.client.session is not None
    if version is ssl.TLSVersion.TLSv1_3:
        # The tickets come once the handshake is over, with the server's first words.
        first.server.write(b"hello")
        assert first.client.read(5) == b"hello"
    second = connect(ours, theirs, session=first.client.session)
    assert second.ok
    return second


def test_a_verified_chain_is_read_into_a_value() -> None:
    peer = PeerCertificate.read(PATH)
    assert peer.leaf == WOOVI.certificate
    assert peer.chain == PATH
    assert peer.thumbprint == WOOVI.thumbprint
    assert (peer.not_before, peer.not_after) == (WOOVI.certificate.not_valid_before_utc, WOOVI.not_after)
    assert peer.not_after.tzinfo is UTC
    assert not peer.resumed


def test_whether_the_session_was_resumed_is_kept() -> None:
    assert PeerCertificate.read(PATH, resumed=True).resumed
    assert not PeerCertificate.read(PATH).resumed
    assert PeerCertificate.read(PATH, resumed=True) != PeerCertificate.read(PATH)


def test_certificates_are_not_in_the_repr() -> None:
    assert WOOVI.thumbprint in repr(PeerCertificate.read(PATH))
    assert "Certificate(subject" not in repr(PeerCertificate.read(PATH))


@pytest.mark.parametrize("leaf", [b"", b"hello", LEAF[:-1], LEAF + b"\x00"])
def test_a_leaf_that_cannot_be_read_is_an_error_each_time(leaf: bytes) -> None:
    for _ in range(2):
        with pytest.raises(UnreadableCertificate):
            PeerCertificate.read((leaf,))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("kind", [KeyType.P256, KeyType.RSA2048, KeyType.ED25519])
def test_both_sides_see_the_others_verified_path_up_to_the_root(kind: KeyType, version: ssl.TLSVersion) -> None:
    ours, theirs = client(kind), server(kind)
    context = ours.client_context(TRUST)
    context.maximum_version = version
    connected = connect(context, theirs.server_context(TRUST))
    for side, identity in ((connected.server, ours), (connected.client, theirs)):
        peer = PeerCertificate.of_connection(side)
        assert peer is not None
        assert peer.leaf == identity.certificate
        assert peer.chain == tuple(each.public_bytes(Encoding.DER) for each in (*identity.chain, ANCHOR))
        assert not peer.resumed


def test_without_a_certificate_there_is_no_peer() -> None:
    context = server().server_context(TRUST)
    context.verify_mode = ssl.CERT_OPTIONAL
    connected = connect(TRUST.client_context(), context)
    assert connected.ok
    assert PeerCertificate.of_connection(connected.server) is None
    assert PeerCertificate.of_connection(connected.client) is not None


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_resumed_session_has_its_path_built_again_from_the_anchors(version: ssl.TLSVersion) -> None:
    connected = resume(version)
    assert connected.server.session_reused
    peer = PeerCertificate.of_connection(connected.server, Trust((ISSUING, ANCHOR)))
    assert peer is not None
    assert peer.resumed
    assert (peer.thumbprint, peer.chain) == (WOOVI.thumbprint, PATH)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_resumed_session_without_the_anchors_shows_its_leaf_alone(version: ssl.TLSVersion) -> None:
    connected = resume(version)
    for trust in (None, Trust((ANCHOR,))):
        peer = PeerCertificate.of_connection(connected.server, trust)
        assert peer is not None
        assert (peer.chain, peer.resumed) == ((LEAF,), True)

"""Identity, Trust and PeerCertificate give a value or an error of mutua's tree, whatever they are given."""

import base64
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, NoEncryption, pkcs12
from hypothesis import given, settings
from hypothesis import strategies as st

from mutua.errors import MutuaError
from mutua.pki.certificates import write_der, write_pem
from mutua.pki.keys import KeyType
from mutua.pki.pkcs7 import write_pkcs7
from mutua.tls.handshake import shown_leaf
from mutua.tls.identity import Identity
from mutua.tls.peer import PeerCertificate
from mutua.tls.trust import Trust
from tests.pki.hierarchy import client, root, server
from tests.pki.mutations import foreign
from tests.tls.test_handshake import tls12_message, tls13_message

PASSWORD = "correct horse"
SEALED = BestAvailableEncryption(PASSWORD.encode())
WOOVI = client()
CERTIFICATES = [*WOOVI.chain, root().certificate, server(KeyType.ED25519).certificate]
BUNDLES = [write_der(each) for each in CERTIFICATES] + [write_pem([each]) for each in CERTIFICATES]
IDENTITIES = [
    WOOVI.chain_pem() + WOOVI.key_pem(),
    WOOVI.key_pem(SEALED.password) + write_pem(CERTIFICATES),
    *(
        pkcs12.serialize_key_and_certificates(b"woovi", WOOVI.key, WOOVI.chain[0], WOOVI.chain[1:], encryption)
        for encryption in (NoEncryption(), SEALED)
    ),
]
WRAPPED = [
    IDENTITIES[0].decode().encode("utf-16"),
    base64.b64encode(IDENTITIES[0]),
    base64.b64encode(IDENTITIES[2]),
    IDENTITIES[0].replace(b"\n", b"\\n"),
    write_pkcs7(WOOVI.chain),
    write_pkcs7(WOOVI.chain, pem=False),
]
MESSAGES = [tls12_message(*BUNDLES[:2]), tls13_message(*BUNDLES[:2])]

bounded = settings(max_examples=400, deadline=None)


@bounded
@given(foreign(IDENTITIES), st.sampled_from([None, PASSWORD, "battery staple", ""]))
def test_identities(data: bytes, password: str | None) -> None:
    with suppress(MutuaError):
        identity = Identity.load(data, password=password)
        repr(identity)
        identity.client_context(Trust((root().certificate,)))


@bounded
@given(foreign(WRAPPED), st.booleans())
def test_wrapped_identities(data: bytes, as_text: bool) -> None:
    source = data.decode("latin-1") if as_text else data
    with suppress(MutuaError):
        repr(Identity.load(source, key=WOOVI.key_pem()))
    with suppress(MutuaError):
        repr(Identity.load(source).missing_issuer)


@bounded
@given(st.text())
def test_any_text_is_a_path_or_an_error_of_ours(text: str) -> None:
    with suppress(MutuaError):
        Identity.load(text)


@bounded
@given(foreign(BUNDLES), foreign([WOOVI.key_pem()]))
def test_identities_with_the_key_apart(data: bytes, key: bytes) -> None:
    with suppress(MutuaError):
        repr(Identity.load(data, key=key))
    with suppress(MutuaError):
        repr(Identity.load(data, key=WOOVI.key_pem()))


@bounded
@given(foreign(BUNDLES))
def test_anchors(data: bytes) -> None:
    with suppress(MutuaError):
        trust = Trust.load(data)
        repr(trust)
        trust.path(WOOVI.certificate)
        trust.client_context()


# cryptography warns of serial numbers that are not positive; whoever reads a peer's certificate may let it.
@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@pytest.mark.filterwarnings("ignore:The parsed certificate contains a NULL parameter")
@bounded
@given(foreign(BUNDLES), st.booleans())
def test_peer_certificates(leaf: bytes, resumed: bool) -> None:
    with suppress(MutuaError):
        peer = PeerCertificate.read((leaf,), resumed=resumed)
        repr(peer)


@bounded
@given(foreign(MESSAGES), st.booleans())
def test_certificate_messages(message: bytes, tls13: bool) -> None:
    leaf = shown_leaf(message, tls13=tls13)
    assert leaf is None or leaf in message

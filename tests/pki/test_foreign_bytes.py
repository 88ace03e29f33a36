"""Every reader gives a value or an error of mutua's tree, whatever it is given."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mutua.errors import MutuaError
from mutua.pki.certificates import (
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
from mutua.pki.keys import KeyType, read_private_key
from mutua.pki.pkcs12 import looks_like_pkcs12, open_pkcs12
from mutua.pki.thumbprints import x5t_s256
from tests.pki.hierarchy import client, key_of, root, server
from tests.pki.mutations import foreign

PASSWORD = b"correct horse"
SEALED = BestAvailableEncryption(PASSWORD)

# The smallest of each kind: RSA adds only to the time a key takes to check.
KINDS = [KeyType.P256, KeyType.RSA2048, KeyType.ED25519]
CERTIFICATES = [server().certificate, client(KeyType.RSA2048).certificate, root(KeyType.ED25519).certificate]
BUNDLES = [
    *map(write_der, CERTIFICATES),
    *(write_pem([certificate]) for certificate in CERTIFICATES),
    write_pem(client().chain) + client().key_pem(),
]
KEYS = [
    key_of("end entity", kind).private_bytes(encoding, PrivateFormat.PKCS8, encryption)
    for kind in KINDS
    for encoding in (Encoding.PEM, Encoding.DER)
    for encryption in (NoEncryption(), SEALED)
] + [
    key_of("end entity", kind).private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, encryption)
    for kind in (KeyType.P256, KeyType.RSA2048)
    for encryption in (NoEncryption(), SEALED)
]
PFX = [
    pkcs12.serialize_key_and_certificates(b"woovi", client().key, client().chain[0], client().chain[1:], encryption)
    for encryption in (NoEncryption(), SEALED)
]


def survives(originals: list[bytes], examples: int) -> Callable[[Callable[[bytes], None]], Callable[[], None]]:
    def decorate(test: Callable[[bytes], None]) -> Callable[[], None]:
        # A slow machine is no finding; a hang is ended by the timeout of every test.
        bounded = settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        return bounded(given(foreign(originals))(test))

    return decorate


@survives(BUNDLES, 600)
def test_certificates(data: bytes) -> None:
    with suppress(MutuaError):
        for certificate in read_certificates(data):
            _use(certificate)


@survives(BUNDLES, 300)
def test_one_certificate(data: bytes) -> None:
    with suppress(MutuaError):
        _use(read_certificate(data))


@survives(KEYS, 250)
def test_private_keys(data: bytes) -> None:
    with suppress(MutuaError):
        read_private_key(data).public_key()


@survives(KEYS, 250)
def test_private_keys_with_a_password(data: bytes) -> None:
    with suppress(MutuaError):
        read_private_key(data, PASSWORD).public_key()


@survives(PFX, 400)
def test_pkcs12(data: bytes) -> None:
    with suppress(MutuaError):
        open_pkcs12(data)


@survives(PFX, 400)
def test_pkcs12_with_a_password(data: bytes) -> None:
    with suppress(MutuaError):
        open_pkcs12(data, PASSWORD)


@given(st.binary(max_size=16))
def test_the_look_of_pkcs12(data: bytes) -> None:
    assert looks_like_pkcs12(data) in {True, False}


@pytest.mark.parametrize("size", range(0, 700, 7))
def test_a_certificate_cut_short_is_unreadable(size: int) -> None:
    der = write_der(client().certificate)
    with pytest.raises(MutuaError):
        read_certificate(der[: min(size, len(der) - 1)])


def _use(certificate: Any) -> None:
    """All that mutua ever asks of a certificate it has read."""
    names_of(certificate)
    purposes(certificate)
    is_ca(certificate)
    common_name(certificate.subject)
    issued_by(certificate, root().certificate)
    issued_by(root().certificate, certificate)
    x5t_s256(certificate)

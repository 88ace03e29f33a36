"""What reads any file gives values that can be described, or an error of mutua's tree, whatever it is given."""

from contextlib import suppress

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from mutua.doctor.inspection import inspect
from mutua.errors import MutuaError
from mutua.pki.certificates import write_der
from mutua.pki.contents import read_contents
from mutua.pki.der import SEQUENCE, encode
from mutua.pki.keys import KeyType
from mutua.pki.pfx import write_content_info
from mutua.pki.pkcs7 import read_pkcs7, write_pkcs7
from mutua.pki.pkcs12 import open_pkcs12
from tests.pki import bombs
from tests.pki.hierarchy import NOW, client, key_of, server
from tests.pki.test_contents import a_crl, a_request
from tests.pki.test_foreign_bytes import BUNDLES, KEYS, PASSWORD, PFX, survives

P7B = [write_pkcs7(client().chain, pem=pem) for pem in (True, False)]
REQUESTS = [a_request(kind).public_bytes(Encoding.DER) for kind in (KeyType.P256, KeyType.RSA2048, KeyType.ED25519)]
CRLS = [a_crl(count).public_bytes(Encoding.DER) for count in (0, 3)]
PUBLIC_KEYS = [
    key_of("end entity", kind).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for kind in (KeyType.P256, KeyType.RSA2048, KeyType.ED25519)
]
# What the password opens at once, so that the examples go where the structure is.
CLEAR = key_of("end entity").private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
BAGS = [
    bombs.key_bag(CLEAR),
    bombs.certificate_bag(write_der(client().certificate), "woovi"),
    bombs.shrouded_key_bag(bombs.sealed(CLEAR), "woovi"),
]
CONTENTS = [encode(SEQUENCE, *BAGS), bombs.nested_bags(3)]
SAFES = [bombs.plain_safe(*BAGS), bombs.safe_of(*BAGS), write_content_info(CONTENTS[1])]
STRUCTURES = [bombs.pfx(*SAFES), bombs.indefinite(bombs.pfx(*SAFES)), bombs.pfx_with_mac(b"", *SAFES)]
MIXED = [server().chain_pem() + client().key_pem() + write_pkcs7(client().chain)]


@survives([*REQUESTS, *CRLS, *PUBLIC_KEYS], 800)
def test_requests_lists_and_public_keys(data: bytes) -> None:
    with suppress(MutuaError):
        inspect(read_contents(data), NOW)


@survives([*BUNDLES, *KEYS, *MIXED], 500)
def test_certificates_and_keys(data: bytes) -> None:
    with suppress(MutuaError):
        inspect(read_contents(data, PASSWORD), NOW)


@survives([*PFX, *STRUCTURES], 500)
def test_pkcs12(data: bytes) -> None:
    for password in (PASSWORD, bombs.PASSWORD, None):
        with suppress(MutuaError):
            inspect(read_contents(data, password), NOW)


@survives(STRUCTURES, 800)
def test_the_structure_of_pkcs12_without_a_mac(data: bytes) -> None:
    with suppress(MutuaError):
        open_pkcs12(data, bombs.PASSWORD)


@survives(SAFES, 800)
def test_what_is_in_an_authenticated_safe(data: bytes) -> None:
    with suppress(MutuaError):
        open_pkcs12(bombs.pfx(data), bombs.PASSWORD)


@survives(CONTENTS, 600)
def test_what_is_in_an_encrypted_safe(data: bytes) -> None:
    with suppress(MutuaError):
        open_pkcs12(
            bombs.pfx(bombs.encrypted_safe(bombs.pbes2(bombs.pbkdf2(1)), bombs.encrypted(data))), bombs.PASSWORD
        )


@survives(P7B, 600)
def test_pkcs7(data: bytes) -> None:
    with suppress(MutuaError):
        read_pkcs7(data)

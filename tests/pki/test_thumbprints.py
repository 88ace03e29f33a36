from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519

from mutua.pki.certificates import read_certificate, write_der
from mutua.pki.thumbprints import base64url, spki_s256, x5t_s256
from tests.pki.hierarchy import client, server

RFC8705_APPENDIX_A = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"
RFC9440_LEAF = "v68ffgcPn6jdYpBfFY2nP4ShE2Yk-6_Mk5PI9yh6aes"


def test_the_example_of_rfc8705_though_it_is_version_1_and_expired(vectors: Callable[[str], bytes]) -> None:
    certificate = read_certificate(vectors("rfc8705_appA.pem"))
    assert certificate.version is x509.Version.v1
    assert certificate.not_valid_after_utc.year == 2022
    assert x5t_s256(certificate) == RFC8705_APPENDIX_A


def test_the_example_of_rfc9440(vectors: Callable[[str], bytes]) -> None:
    der = vectors("rfc9440_leaf.der")
    assert x5t_s256(der) == RFC9440_LEAF
    assert x5t_s256(read_certificate(der)) == RFC9440_LEAF


def test_der_and_certificate_have_the_same_thumbprint() -> None:
    certificate = client().certificate
    assert x5t_s256(write_der(certificate)) == x5t_s256(certificate)


def test_one_key_has_one_thumbprint_in_every_certificate() -> None:
    one, other = server().certificate, client().certificate
    assert spki_s256(server().key.public_key()) == spki_s256(client().key.public_key())
    assert x5t_s256(one) != x5t_s256(other)


def test_a_key_thumbprint_is_over_its_subject_public_key_info() -> None:
    # The public key of RFC 8410 section 10.1; the digest is `openssl pkey -pubin -outform DER | openssl dgst -sha256`.
    raw = bytes.fromhex("19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1")
    key = ed25519.Ed25519PublicKey.from_public_bytes(raw)
    assert spki_s256(key) == "oekVYFTgT6yJmunydRMs3Ael28TqLCrTof_G4NJTaB8"


def test_base64url_has_no_padding_and_no_unsafe_characters() -> None:
    assert base64url(b"") == ""
    assert base64url(b"\xfb\xff") == "-_8"

"""Whatever a CA signs it signs with a key in a token, and others verify it."""

import subprocess
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from hypothesis import given
from hypothesis import strategies as st

from mutua.errors import InvalidInput, TokenUnavailable
from mutua.home.tokens.encoding import (
    ED25519_PARAMETERS,
    P256_PARAMETERS,
    P384_PARAMETERS,
    ec_public_key,
    ed25519_public_key,
    rsa_public_key,
)
from mutua.home.tokens.keys import Proof, RsaTokenKey, key_in
from mutua.home.tokens.uri import TokenUri
from mutua.pki.certificates import write_pem
from mutua.pki.keys import KeyType, PrivateKey, signature_hash
from mutua.pki.profiles import CLIENT, SERVER
from mutua.tls.identity import Identity
from tests.pki.hierarchy import NOW, Authority, issue, key_of, make_issuing_ca, make_root
from tests.softhsm import SoftHsm

KINDS = [KeyType.P256, KeyType.P384, KeyType.RSA2048, KeyType.ED25519]
Openssl = Callable[..., str]


@pytest.fixture
def openssl(peer: Callable[[str], str]) -> Openssl:
    """What ``openssl ARGUMENTS`` says; it fails where openssl does."""

    def run(*arguments: str | Path) -> str:
        done = subprocess.run([peer("openssl"), *arguments], check=False, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    return run


@pytest.fixture(params=KINDS)
def authorities(softhsm: SoftHsm, request: pytest.FixtureRequest) -> tuple[Authority, Authority]:
    """A root and an issuing CA, both with their keys in a token."""
    keys = softhsm.keys()
    root = make_root(keys.make("root", request.param)[0])
    return root, make_issuing_ca(root, keys.make("issuing-1", request.param)[0])


@pytest.fixture
def rsa_key(softhsm: SoftHsm) -> RsaTokenKey:
    key, _ = softhsm.keys().make("root", KeyType.RSA2048)
    assert isinstance(key, RsaTokenKey)
    return key


def pem(folder: Path, name: str, *certificates: x509.Certificate) -> Path:
    (folder / name).write_bytes(write_pem(certificates))
    return folder / name


def request_for(key: PrivateKey) -> x509.CertificateSigningRequest:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuing-1")])
    return x509.CertificateSigningRequestBuilder(subject).sign(key, signature_hash(key))


@pytest.mark.parametrize(("profile", "purpose"), [(SERVER, "sslserver"), (CLIENT, "sslclient")])
def test_openssl_verifies_a_chain_strictly(
    authorities: tuple[Authority, Authority], tmp_path: Path, openssl: Openssl, profile: Any, purpose: str
) -> None:
    root, issuing = authorities
    leaf = issue(issuing, profile, ["woovi.example"]).certificate
    anchor, between = pem(tmp_path, "root.pem", root.certificate), pem(tmp_path, "issuing.pem", issuing.certificate)

    said = openssl(
        "verify", "-x509_strict", "-check_ss_sig", "-purpose", purpose, "-CAfile", anchor, "-untrusted", between,
        pem(tmp_path, "leaf.pem", leaf),
    )  # fmt: skip

    assert said.strip().endswith("leaf.pem: OK")


def test_openssl_verifies_a_crl_and_refuses_what_it_lists(
    authorities: tuple[Authority, Authority], tmp_path: Path, openssl: Openssl, peer: Callable[[str], str]
) -> None:
    root, issuing = authorities
    good, bad = (issue(issuing, CLIENT, [name]).certificate for name in ("good.example", "bad.example"))
    revoked = x509.RevokedCertificateBuilder(bad.serial_number, NOW.replace(microsecond=0)).build()
    builder = x509.CertificateRevocationListBuilder(
        issuing.certificate.subject, NOW - timedelta(minutes=1), NOW + timedelta(days=1), [], [revoked]
    )
    crl = builder.sign(issuing.key, signature_hash(issuing.key))
    (tmp_path / "crl.pem").write_bytes(crl.public_bytes(Encoding.PEM))
    chain = pem(tmp_path, "chain.pem", root.certificate, issuing.certificate)

    assert crl.is_signature_valid(issuing.certificate.public_key())  # type: ignore[arg-type]
    assert "verify OK" in openssl("crl", "-in", tmp_path / "crl.pem", "-CAfile", chain, "-noout", "-verify")
    check = ["verify", "-crl_check", "-CAfile", str(chain), "-CRLfile", str(tmp_path / "crl.pem")]
    openssl(*check, pem(tmp_path, "good.pem", good))
    refused = subprocess.run(
        [peer("openssl"), *check, pem(tmp_path, "bad.pem", bad)],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert "certificate revoked" in refused.stderr


def test_openssl_verifies_an_ocsp_answer(
    authorities: tuple[Authority, Authority], tmp_path: Path, openssl: Openssl
) -> None:
    root, issuing = authorities
    leaf = issue(issuing, CLIENT, ["woovi.example"]).certificate
    good = ocsp.OCSPCertStatus.GOOD
    builder = ocsp.OCSPResponseBuilder().add_response(
        leaf, issuing.certificate, hashes.SHA256(), good, NOW, NOW + timedelta(hours=1), None, None
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, issuing.certificate)
    answer = builder.sign(issuing.key, signature_hash(issuing.key))
    (tmp_path / "answer.der").write_bytes(answer.public_bytes(Encoding.DER))

    said = openssl(
        "ocsp", "-respin", tmp_path / "answer.der", "-sha256", "-no_nonce", "-issuer",
        pem(tmp_path, "issuing.pem", issuing.certificate), "-cert", pem(tmp_path, "leaf.pem", leaf),
        "-CAfile", pem(tmp_path, "root.pem", root.certificate),
    )  # fmt: skip

    assert "Response verify OK" in said
    assert "leaf.pem: good" in said


def test_openssl_verifies_a_request(authorities: tuple[Authority, Authority], tmp_path: Path, openssl: Openssl) -> None:
    request = request_for(authorities[1].key)
    (tmp_path / "request.pem").write_bytes(request.public_bytes(Encoding.PEM))

    assert request.is_signature_valid
    assert "verify OK" in openssl("req", "-in", tmp_path / "request.pem", "-noout", "-verify")


def test_a_signature_of_p256_is_der_however_short_its_numbers_are(softhsm: SoftHsm) -> None:
    key, _ = softhsm.keys().make("root", KeyType.P256)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    algorithm = ec.ECDSA(hashes.SHA256())

    signatures = [key.sign(bytes([number % 256, number // 256]), algorithm) for number in range(600)]

    # Of 600 pairs some have a number that begins with a zero byte, but for one run in a hundred.
    for number, signature in enumerate(signatures):
        key.public_key().verify(signature, bytes([number % 256, number // 256]), algorithm)


@pytest.mark.parametrize("algorithm", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()], ids=lambda each: each.name)
def test_each_hash_and_a_digest_made_before_are_signed(softhsm: SoftHsm, algorithm: hashes.HashAlgorithm) -> None:
    elliptic, _ = softhsm.keys().make("root", KeyType.P256)
    modular, _ = softhsm.keys().make("issuing-1", KeyType.RSA2048)
    assert isinstance(elliptic, ec.EllipticCurvePrivateKey)
    assert isinstance(modular, rsa.RSAPrivateKey)
    hashing = hashes.Hash(algorithm)
    hashing.update(b"data")
    digest, before, pkcs1 = hashing.finalize(), utils.Prehashed(algorithm), padding.PKCS1v15()

    for signature in (
        elliptic.sign(b"data", ec.ECDSA(algorithm)),
        elliptic.sign(bytearray(b"data"), ec.ECDSA(algorithm)),
        elliptic.sign(digest, ec.ECDSA(before)),
    ):
        elliptic.public_key().verify(signature, b"data", ec.ECDSA(algorithm))
    for signature in (modular.sign(b"data", pkcs1, algorithm), modular.sign(digest, pkcs1, before)):
        modular.public_key().verify(signature, b"data", pkcs1, algorithm)


@pytest.mark.parametrize(
    "salt", [padding.PSS.DIGEST_LENGTH, padding.PSS.MAX_LENGTH, 20, 0], ids=["digest", "most", "20", "0"]
)
def test_pss_is_signed_when_asked_for(rsa_key: RsaTokenKey, salt: Any, tmp_path: Path, openssl: Openssl) -> None:
    scheme = padding.PSS(padding.MGF1(hashes.SHA384()), salt)

    signature = rsa_key.sign(b"data", scheme, hashes.SHA384())

    rsa_key.public_key().verify(signature, b"data", scheme, hashes.SHA384())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "root")])
    builder = x509.CertificateBuilder(name, name, rsa_key.public_key(), 1, NOW, NOW + timedelta(days=1))
    certificate = builder.sign(rsa_key, hashes.SHA384(), rsa_padding=scheme)
    path = pem(tmp_path, "root.pem", certificate)
    assert path.name in openssl("verify", "-check_ss_sig", "-CAfile", path, path)
    assert "rsassaPss" in openssl("x509", "-in", path, "-noout", "-text")


def test_what_a_token_is_not_asked_to_sign_is_refused_before_it_is_asked(
    rsa_key: RsaTokenKey, softhsm: SoftHsm
) -> None:
    elliptic, _ = softhsm.keys().make("issuing-1", KeyType.P256)
    assert isinstance(elliptic, ec.EllipticCurvePrivateKey)
    mixed = padding.PSS(padding.MGF1(hashes.SHA256()), 20)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    guessed = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
    asked: list[Callable[[], bytes]] = [
        lambda: elliptic.sign(b"data", ec.ECDSA(hashes.SHA1())),
        lambda: elliptic.sign(b"too short", ec.ECDSA(utils.Prehashed(hashes.SHA256()))),
        lambda: rsa_key.sign(b"data", padding.PKCS1v15(), hashes.MD5()),
        lambda: rsa_key.sign(b"data", padding.PKCS1v15(), utils.NoDigestInfo()),
        lambda: rsa_key.sign(b"data", mixed, hashes.SHA512()),
        lambda: rsa_key.sign(b"data", guessed, hashes.SHA256()),
        lambda: rsa_key.sign(b"data", oaep, hashes.SHA256()),
    ]
    for ask in asked:
        with pytest.raises(InvalidInput) as refused:
            ask()
        assert refused.value.hint


@pytest.mark.parametrize("kind", [KeyType.P256, KeyType.RSA2048, KeyType.ED25519])
@pytest.mark.parametrize("answer", [b"", b"\x01", b"\x01" * 64, b"\x01" * 256, b"\x00" * 64])
def test_no_token_passes_anything_else_for_a_signature(kind: KeyType, answer: bytes) -> None:
    class Liar:
        def sign(self, uri: TokenUri, mechanism: str, data: bytes, proof: Proof, pss: Any = None) -> bytes:
            return proof(answer)

    key = key_in(Liar(), TokenUri("mutua", "root", b"\x01"), key_of("root", kind).public_key())

    with pytest.raises(InvalidSignature):
        make_root(key)


def test_an_identity_may_have_its_key_in_a_token(softhsm: SoftHsm) -> None:
    root = make_root(softhsm.keys().make("root", KeyType.P256)[0])
    key, _ = softhsm.keys().make("api", KeyType.P256)

    leaf = issue(root, SERVER, ["api.acme.example"], key=key).certificate

    assert Identity(key, (leaf, root.certificate)).certificate.public_key() == key.public_key()


def test_the_public_key_is_read_however_a_token_writes_it() -> None:
    for curve, parameters in ((ec.SECP256R1(), P256_PARAMETERS), (ec.SECP384R1(), P384_PARAMETERS)):
        key = ec.generate_private_key(curve).public_key()
        point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        assert ec_public_key(parameters, point) == key
        assert ec_public_key(parameters, bytes([4, len(point)]) + point) == key
    edwards = ed25519.Ed25519PrivateKey.generate().public_key()
    raw = edwards.public_bytes_raw()
    assert ed25519_public_key(raw) == ed25519_public_key(b"\x04\x20" + raw) == edwards
    numbers = rsa.generate_private_key(65537, 2048).public_key().public_numbers()
    modulus = numbers.n.to_bytes(256, "big")
    assert rsa_public_key(modulus, b"\x01\x00\x01") == rsa_public_key(b"\0" + modulus, b"\0\x01\0\x01")


@given(st.sampled_from([P256_PARAMETERS, P384_PARAMETERS, ED25519_PARAMETERS, b""]), st.binary(max_size=140))
def test_a_damaged_public_key_is_an_error_of_ours(parameters: bytes, point: bytes) -> None:
    with suppress(TokenUnavailable):
        ec_public_key(parameters, point)
    with suppress(TokenUnavailable):
        ed25519_public_key(point)
    with pytest.raises(TokenUnavailable):
        rsa_public_key(point, parameters)

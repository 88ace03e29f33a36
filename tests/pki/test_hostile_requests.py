import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings

from mutua.errors import UnreadableRequest
from mutua.pki.certificates import write_pem
from mutua.pki.draft import distinguished_name
from mutua.pki.keys import KeyType, PrivateKey, public_key_bytes, write_private_key
from mutua.pki.names import DnsName, parse_name
from mutua.pki.requests import MAX_EXTRAS, MAX_REQUEST_BYTES, CertificateRequest, read_request, write_request
from tests.pki import forged_requests as forge
from tests.pki.forged_requests import forged, write_der
from tests.pki.hierarchy import CLIENT_NAMES, SERVER_NAMES, client, key_of
from tests.pki.mutations import foreign

KEY = key_of("end entity")
RSA_KEY = key_of("end entity", KeyType.RSA2048)
NAMES = tuple(map(parse_name, (*SERVER_NAMES, *CLIENT_NAMES)))
WOOVI = (DnsName("woovi"),)
PEM = write_request(KEY, WOOVI, "woovi")
DER = read_request(PEM).der
SHA256 = hashes.SHA256()
SPKI = PublicFormat.SubjectPublicKeyInfo
CA_TRUE = forge.extension("2.5.29.19", write_der(0x30, write_der(0x01, b"\xff")))
BAD_KEY_USAGE = forge.extension("2.5.29.15", b"\x30\x02\x07\x80")
MULTIPLE_VALUES = forge.attribute(forge.EXTENSION_REQUEST, write_der(0x30), write_der(0x30))


def refusal(data: bytes) -> str:
    with pytest.raises(UnreadableRequest) as caught:
        read_request(data)
    assert caught.value.hint
    assert "\n" not in caught.value.message
    return caught.value.message


def test_every_flipped_bit_is_noticed() -> None:
    signature = x509.load_der_x509_csr(DER).signature
    unused_bits = len(DER) - len(signature) - 1  # of the BIT STRING: they count for nothing where they are zero
    for place in sorted(set(range(len(DER))) - {unused_bits}):
        for bit in range(8):
            damaged = bytearray(DER)
            damaged[place] ^= 1 << bit
            with pytest.raises(UnreadableRequest):
                read_request(bytes(damaged))


@pytest.mark.parametrize("signer", [key_of("root"), RSA_KEY], ids=["another key", "another kind of key"])
def test_another_keys_signature_proves_nothing(signer: PrivateKey) -> None:
    spki = public_key_bytes(KEY.public_key())
    assert "signature is not by the key" in refusal(forged(key=signer, spki=spki))


HOSTILE = {
    "empty": (b"", "cannot be parsed"),
    "not DER": (b"hello", "cannot be parsed"),
    "bytes behind": (DER + b"\0", "cannot be parsed"),
    "cut short": (DER[:-1], "cannot be parsed"),
    "version 3": (forged(version=2), "cannot be parsed"),
    "broken PEM": (PEM.replace(b"-----END", b"-----AND"), "cannot be parsed"),
    "a certificate": (write_pem([client().certificate]), "a certificate and not a request"),
    "a key": (KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), "holds no requests"),
    "two requests": (PEM + PEM, "holds 2 requests"),
    "10 MB of zeros": (b"\0" * 10_000_000, "too many"),
    "10 MB of PEM": (PEM[:40] + b"A" * 10_000_000, "too many"),
    "one byte too many": (b"\x30" * (MAX_REQUEST_BYTES + 1), "too many"),
    "an extension twice": (
        forged(forge.extension_request(forge.alternatives(b"woovi"), forge.alternatives(b"other"))),
        "2.5.29.17 is there twice",
    ),
    "two lists of extensions": (
        forged(forge.extension_request(CA_TRUE), forge.extension_request(forge.alternatives(b"woovi"))),
        "two lists",
    ),
    "a list of extensions of Windows beside one": (
        forged(forge.extension_request(CA_TRUE), forge.attribute("1.3.6.1.4.1.311.2.1.14", write_der(0x30))),
        "two lists",
    ),
    "two values of one attribute": (forged(MULTIPLE_VALUES), "cannot be parsed"),
    "an extension that is none": (forged(forge.extension_request(BAD_KEY_USAGE)), "cannot be parsed"),
    "a null byte in a name": (
        forged(forge.extension_request(forge.alternatives(b"woovi\0.evil.example"))),
        "null byte",
    ),
    "a null byte in the common name": (
        forged(name=forge.subject(("2.5.4.3", b"woovi\0.evil.example"))),
        "subject holds a null byte",
    ),
    "a name that is not ASCII": (forged(forge.extension_request(forge.alternatives(b"b\xc3\xbccher"))), "not ASCII"),
    "a subject that is not UTF-8": (forged(name=forge.subject(("2.5.4.3", b"\xff\xfe"))), "cannot be parsed"),
    "MD5": (forged(key=RSA_KEY, algorithm=forge.RSA_WITH_MD5), "signed with MD5, which is not accepted"),
    "SHA-1": (forged(key=RSA_KEY, algorithm=forge.RSA_WITH_SHA1), "signed with SHA1, which is not accepted"),
    "an unknown algorithm": (forged(algorithm="1.2.3.4"), "the algorithm 1.2.3.4, which is not accepted"),
    "an RSA exponent of 1": (forged(key=RSA_KEY, spki=forge.rsa_spki(3 << 2046 | 1, 1)), "e must be"),
    "an even RSA exponent": (forged(key=RSA_KEY, spki=forge.rsa_spki(3 << 2046 | 1, 65536)), "e must be odd"),
    "an RSA key of 16 KiB": (forged(key=RSA_KEY, spki=forge.rsa_spki(3 << 131070 | 1, 3)), "has 131072 bits"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_input_is_refused_with_the_reason(what: str) -> None:
    data, reason = HOSTILE[what]
    assert reason in refusal(data)


def test_dsa_and_ed448_are_refused() -> None:
    builder = x509.CertificateSigningRequestBuilder(distinguished_name(common_name="woovi"))
    ed448_request = builder.sign(ed448.Ed448PrivateKey.generate(), None).public_bytes(Encoding.DER)
    assert "1.3.101.113, which is not accepted" in refusal(ed448_request)
    dsa_request = builder.sign(dsa.generate_private_key(2048), SHA256).public_bytes(Encoding.DER)
    assert "is not accepted" in refusal(dsa_request)
    disguised = forged(spki=ed448.Ed448PrivateKey.generate().public_key().public_bytes(Encoding.DER, SPKI))
    assert "its key is of a kind that is not accepted" in refusal(disguised)


def test_rsassa_pss_is_accepted_with_sha_2_only(peer: Callable[[str], str], tmp_path: Path) -> None:
    key, made = tmp_path / "key.pem", tmp_path / "made.csr"
    key.write_bytes(write_private_key(RSA_KEY))
    command: list[str | Path] = [peer("openssl"), "req", "-new", "-key", key, "-subj", "/CN=woovi", "-out", made]
    for algorithm in ("sha256", "sha384", "sha512"):
        run(*command, f"-{algorithm}", "-sigopt", "rsa_padding_mode:pss")
        assert read_request(made.read_bytes()).common_name == "woovi"
    run(*command, "-sha1", "-sigopt", "rsa_padding_mode:pss")
    assert "RSASSA-PSS and a hash that is not accepted" in refusal(made.read_bytes())


@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_keys_of_other_curves_are_read_for_the_policy_to_judge(curve: ec.EllipticCurve) -> None:
    request = read_request(write_request(ec.generate_private_key(curve), WOOVI))
    assert isinstance(request.public_key, ec.EllipticCurvePublicKey)
    assert request.public_key.curve.name == curve.name


def test_the_largest_request_has_room() -> None:
    names = [DnsName(f"{number:03}." + ".".join(["a" * 61] * 4) + "a") for number in range(100)]
    assert {len(name.value) for name in names} == {252}
    data = write_request(key_of("end entity", KeyType.RSA4096), names)
    # An RSA-8192 key takes minutes to make; its modulus and its signature are 512 bytes longer each.
    assert len(data) + 4 * 1024 // 3 < 40 * 1024 < MAX_REQUEST_BYTES


FILLED = {
    "names": forged(forge.extension_request(forge.alternatives(*[b"a"] * 20_000))),
    "purposes": forged(
        forge.extension_request(forge.extension("2.5.29.37", write_der(0x30, *[b"\x06\x02\x2a\x03"] * 15_000)))
    ),
    "extensions": forged(forge.extension_request(*(forge.extension(f"1.2.{number}", b"") for number in range(5000)))),
    "attributes": forged(*(forge.attribute(f"1.2.{number}", b"\x05\x00") for number in range(4500))),
    "nothing": write_der(0x30, b"\x30\x00" * 32_000),
    "nesting": b"".join(b"\x30\x84" + size.to_bytes(4) for size in range(60_000, 0, -6)),
    "PEM lines": PEM[:36] + b"\n" * 60_000,
    "PEM markers": b"-----BEGIN CERTIFICATE REQUEST-----" * 1800,
}


@pytest.mark.parametrize("what", FILLED)
def test_a_request_filled_to_the_limit_is_read_or_refused(what: str) -> None:
    assert len(FILLED[what]) <= MAX_REQUEST_BYTES
    with suppress(UnreadableRequest):
        assert len(read_request(FILLED[what]).extras) <= MAX_EXTRAS + 1


ORIGINALS = [
    PEM,
    DER,
    write_request(RSA_KEY, NAMES, "woovi"),
    write_request(key_of("end entity", KeyType.ED25519), NAMES),
    forged(forge.extension_request(CA_TRUE, forge.alternatives(b"woovi", b"other")), name=forge.subject()),
]


@given(foreign(ORIGINALS))
@settings(max_examples=800, deadline=None)
def test_whatever_is_given_only_our_errors_come_out(data: bytes) -> None:
    message = ""
    try:
        assert isinstance(read_request(data), CertificateRequest)
    except UnreadableRequest as error:
        message = error.message
    assert message.isprintable()


def run(*command: str | Path) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout
    return done.stdout

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.name import _ASN1Type
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mutua.ca.issuance import draft_end_entity
from mutua.errors import InvalidLifetime, MutuaError, UnreadableOcsp
from mutua.pki.crl import Revocation, RevocationReason
from mutua.pki.keys import KeyType, signature_hash
from mutua.pki.names import DnsName
from mutua.pki.ocsp import (
    MAX_NONCE_BYTES,
    MAX_REQUEST_BYTES,
    CertIdHash,
    CertStatus,
    OcspDraft,
    OcspError,
    OcspRequest,
    OcspResponder,
    cert_id_of,
    read_ocsp_request,
    refusal,
)
from mutua.pki.profiles import OCSP
from mutua.pki.randomness import new_serial
from tests.pki.hierarchy import NOW, client, issuing_ca, key_of
from tests.pki.mutations import foreign

START = NOW.replace(microsecond=0)
DAY = timedelta(days=1)
KINDS = pytest.mark.parametrize("kind", list(KeyType))
HASHES = {CertIdHash.SHA1: hashes.SHA1(), CertIdHash.SHA256: hashes.SHA256()}
BOTH_HASHES = pytest.mark.parametrize("algorithm", list(CertIdHash))
SERIAL = client().certificate.serial_number
NONCES = st.binary(min_size=1, max_size=MAX_NONCE_BYTES)


@cache
def delegate(kind: KeyType = KeyType.P256) -> OcspResponder:
    ca, key = issuing_ca(kind), key_of("responder", kind)
    drafted = draft_end_entity(
        OCSP,
        [DnsName("ocsp.acme.example")],
        key.public_key(),
        issuer=ca.certificate,
        serial=new_serial(),
        now=NOW,
    )
    return OcspResponder(certificate=drafted.sign(ca.key), key=key)


def answered(responder: OcspResponder | None = None, **changed: Any) -> ocsp.OCSPResponse:
    facts: dict[str, Any] = {
        "issuer": cert_id_of(issuing_ca().certificate, CertIdHash.SHA1),
        "serial": SERIAL,
        "status": CertStatus.GOOD,
        "this_update": START,
        "next_update": START + DAY,
    }
    return ocsp.load_der_ocsp_response(OcspDraft(**{**facts, **changed}).sign(responder or delegate()))


def asked(
    *extensions: tuple[x509.ExtensionType, bool], algorithm: hashes.HashAlgorithm | None = None, serial: int = SERIAL
) -> bytes:
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        *_hashes_of(issuing_ca().certificate, algorithm or hashes.SHA1()), serial, algorithm or hashes.SHA1()
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.build().public_bytes(Encoding.DER)


def _hashes_of(issuer: x509.Certificate, algorithm: hashes.HashAlgorithm) -> tuple[bytes, bytes]:
    request = ocsp.OCSPRequestBuilder().add_certificate(client().certificate, issuer, algorithm).build()
    return request.issuer_name_hash, request.issuer_key_hash


def der(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    length = bytes([len(content)]) if len(content) < 0x80 else b"\x82" + len(content).to_bytes(2)
    return bytes([tag]) + length + content


# Questions


@BOTH_HASHES
def test_a_question_is_read_with_both_hashes(algorithm: CertIdHash) -> None:
    expected = cert_id_of(issuing_ca().certificate, algorithm)
    assert read_ocsp_request(asked(algorithm=HASHES[algorithm])) == OcspRequest(expected, SERIAL, None)


@BOTH_HASHES
@KINDS
def test_what_a_client_asks_with_is_found_in_an_index_of_issuers(algorithm: CertIdHash, kind: KeyType) -> None:
    ours = [*map(issuing_ca, KeyType)]
    index = {cert_id_of(ca.certificate, each): ca.certificate for ca in ours for each in CertIdHash}
    leaf, issuer = client(ca_kind=kind).certificate, issuing_ca(kind).certificate
    request = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, HASHES[algorithm]).build()
    asked_for = read_ocsp_request(request.public_bytes(Encoding.DER))
    assert index[asked_for.issuer] == issuer
    assert asked_for.serial == leaf.serial_number


@BOTH_HASHES
@pytest.mark.parametrize("kind", [_ASN1Type.UTF8String, _ASN1Type.PrintableString, _ASN1Type.BMPString])
def test_an_issuer_is_known_however_its_name_is_encoded(algorithm: CertIdHash, kind: _ASN1Type) -> None:
    key = key_of("issuing CA")
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Partner CA", _type=kind)])
    ca = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + DAY).sign(key, signature_hash(key))
    drafted = draft_end_entity(
        OCSP, [DnsName("ocsp.acme.example")], key.public_key(), issuer=ca, serial=2, now=NOW, lifetime=DAY / 2
    )
    question = ocsp.OCSPRequestBuilder().add_certificate(drafted.sign(key), ca, HASHES[algorithm]).build()
    asked_for = read_ocsp_request(question.public_bytes(Encoding.DER))
    assert asked_for.issuer == cert_id_of(x509.load_der_x509_certificate(ca.public_bytes(Encoding.DER)), algorithm)


def test_a_hash_that_mutua_does_not_use_names_none_of_its_issuers() -> None:
    question = read_ocsp_request(asked(algorithm=hashes.SHA384()))
    assert question.issuer.algorithm == "sha384"
    assert question.issuer not in {cert_id_of(issuing_ca().certificate, each) for each in CertIdHash}


@given(NONCES)
def test_a_nonce_of_1_to_128_bytes_is_read(nonce: bytes) -> None:
    assert read_ocsp_request(asked((x509.OCSPNonce(nonce), False))).nonce == nonce


@pytest.mark.parametrize("size", [0, 129, 4096])
def test_a_nonce_that_rfc9654_refuses_is_refused(size: int) -> None:
    with pytest.raises(UnreadableOcsp, match="1 to 128"):
        read_ocsp_request(asked((x509.OCSPNonce(b"n" * size), False)))


def test_a_nonce_written_as_rfc2560_had_it_is_read_and_bounded() -> None:
    question = asked((x509.OCSPNonce(b"n" * 16), False))
    bare = question.replace(der(0x04, der(0x04, b"n" * 16)), der(0x04, b"n" * 18))
    assert read_ocsp_request(bare).nonce == b"n" * 18


def test_a_critical_extension_must_be_known_and_others_are_passed_over() -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    kinds = x509.OCSPAcceptableResponses([x509.ObjectIdentifier("1.3.6.1.5.5.7.48.1.1")])
    nonce = x509.OCSPNonce(b"n" * 32)
    assert read_ocsp_request(asked((unknown, False), (kinds, True), (nonce, True))).nonce == nonce.nonce
    with pytest.raises(UnreadableOcsp, match="critical"):
        read_ocsp_request(asked((nonce, False), (unknown, True)))


def _cert_id(serial: bytes = b"\x07", algorithm: str = "06052b0e03021a0500") -> bytes:
    digest = der(0x04, bytes(20))
    return der(0x30, der(0x30, bytes.fromhex(algorithm)), digest, digest, der(0x02, serial))


def _question(*cert_ids: bytes) -> bytes:
    return der(0x30, der(0x30, der(0x30, *(der(0x30, each) for each in cert_ids))))


def test_the_questions_made_by_hand_here_are_readable() -> None:
    assert read_ocsp_request(_question(_cert_id())).serial == 7


@pytest.mark.parametrize("count", [0, 2, 100])
def test_exactly_one_certificate_is_asked_for(count: int) -> None:
    with pytest.raises(UnreadableOcsp):
        read_ocsp_request(_question(*[_cert_id()] * count))


@pytest.mark.parametrize(
    "serial",
    [b"", b"\x00", b"\xff", b"\x01" + bytes(20), b"\x7f" * 4000],
    ids=["empty", "zero", "negative", "over 20 octets", "huge"],
)
def test_a_serial_number_that_no_certificate_has_is_refused(serial: bytes) -> None:
    with pytest.raises(UnreadableOcsp):
        read_ocsp_request(_question(_cert_id(serial)))


def test_a_hash_nobody_knows_is_refused() -> None:
    with pytest.raises(UnreadableOcsp):
        read_ocsp_request(_question(_cert_id(algorithm="06032a03040500")))


def test_a_question_over_8_kib_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(UnreadableOcsp, match="too many"):
        read_ocsp_request(asked() + bytes(MAX_REQUEST_BYTES))


REQUESTS = [
    asked(),
    asked((x509.OCSPNonce(b"n" * 32), False), algorithm=hashes.SHA256()),
    asked((x509.OCSPAcceptableResponses([x509.ObjectIdentifier("1.3.6.1.5.5.7.48.1.1")]), True)),
    _question(_cert_id(), _cert_id(b"\x08")),
]


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(foreign(REQUESTS))
def test_whatever_is_asked_it_can_be_answered_or_is_an_error_of_ours(data: bytes) -> None:
    with suppress(MutuaError):
        question = read_ocsp_request(data)
        hash(question.issuer)
        issuer = cert_id_of(issuing_ca().certificate, CertIdHash.SHA256)
        answer = answered(issuer=issuer, serial=question.serial, nonce=question.nonce, status=CertStatus.UNKNOWN)
        assert answer.serial_number == question.serial


@pytest.mark.parametrize("size", range(0, 80, 3))
def test_a_question_cut_short_is_unreadable(size: int) -> None:
    with pytest.raises(UnreadableOcsp):
        read_ocsp_request(asked()[:size])


# Answers


@KINDS
@pytest.mark.parametrize("delegated", [True, False], ids=["delegated", "the CA itself"])
def test_an_answer_is_signed_by_every_kind_of_key_and_carries_a_delegates_certificate(
    kind: KeyType, delegated: bool
) -> None:
    ca = issuing_ca(kind)
    responder = delegate(kind) if delegated else OcspResponder(certificate=ca.certificate, key=ca.key)
    answer = answered(responder)
    assert answer.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL
    assert answer.certificates == ([responder.certificate] if delegated else [])
    assert type(answer.signature_hash_algorithm) is type(signature_hash(ca.key))
    _verify(answer, responder)


@pytest.mark.parametrize("status", [CertStatus.GOOD, CertStatus.UNKNOWN])
def test_an_answer_says_good_or_unknown(status: CertStatus) -> None:
    answer = answered(status=status)
    assert answer.certificate_status is ocsp.OCSPCertStatus[status.name]
    assert answer.revocation_time_utc is None
    assert answer.revocation_reason is None


@pytest.mark.parametrize("reason", list(RevocationReason))
def test_an_answer_says_since_when_a_certificate_is_revoked_and_why(reason: RevocationReason) -> None:
    revoked_at = START - 3 * DAY
    answer = answered(status=Revocation(revoked_at, reason, revoked_at - DAY))
    assert answer.certificate_status is ocsp.OCSPCertStatus.REVOKED
    assert answer.revocation_time_utc == revoked_at
    assert answer.revocation_reason is reason.flag
    assert (answer.revocation_reason is None) == (reason is RevocationReason.UNSPECIFIED)


@BOTH_HASHES
def test_an_answer_repeats_what_was_asked_for(algorithm: CertIdHash) -> None:
    asked_for = cert_id_of(issuing_ca().certificate, algorithm)
    answer = answered(issuer=asked_for)
    assert answer.hash_algorithm.name == asked_for.algorithm
    assert (answer.issuer_name_hash, answer.issuer_key_hash) == (asked_for.name_hash, asked_for.key_hash)
    assert answer.serial_number == SERIAL
    assert (answer.this_update_utc, answer.next_update_utc) == (START, START + DAY)


@settings(deadline=None)
@given(NONCES)
def test_a_nonce_is_repeated(nonce: bytes) -> None:
    (extension,) = answered(nonce=nonce).extensions
    assert extension.value == x509.OCSPNonce(nonce)
    assert not extension.critical


def test_an_answer_made_ahead_has_no_nonce() -> None:
    assert list(answered().extensions) == []


def test_the_responder_is_named_by_the_hash_of_its_key_or_by_its_name() -> None:
    by_key, responder = answered(), delegate()
    identifier = x509.SubjectKeyIdentifier.from_public_key(responder.key.public_key())
    assert (by_key.responder_key_hash, by_key.responder_name) == (identifier.digest, None)
    by_name = answered(OcspResponder(certificate=responder.certificate, key=responder.key, by_name=True))
    assert (by_name.responder_key_hash, by_name.responder_name) == (None, responder.certificate.subject)


@pytest.mark.parametrize("life", [timedelta(0), -DAY])
def test_an_answer_that_would_never_hold_is_refused(life: timedelta) -> None:
    with pytest.raises(InvalidLifetime):
        answered(next_update=START + life)


def test_an_answer_says_when_it_was_made() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    assert before <= answered(this_update=START - DAY).produced_at_utc <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OcspError.MALFORMED_REQUEST, 1),
        (OcspError.INTERNAL_ERROR, 2),
        (OcspError.TRY_LATER, 3),
        (OcspError.UNAUTHORIZED, 6),
    ],
)
def test_where_there_is_no_answer_a_bare_status_says_why(error: OcspError, code: int) -> None:
    assert refusal(error) == bytes([0x30, 3, 0x0A, 1, code])
    assert ocsp.load_der_ocsp_response(refusal(error)).response_status.name == error.name


def _verify(answer: ocsp.OCSPResponse, responder: OcspResponder) -> None:
    key, algorithm = responder.certificate.public_key(), answer.signature_hash_algorithm
    match key:
        case ed25519.Ed25519PublicKey():
            key.verify(answer.signature, answer.tbs_response_bytes)
        case ec.EllipticCurvePublicKey():
            assert algorithm is not None
            key.verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(algorithm))
        case rsa.RSAPublicKey():
            assert algorithm is not None
            key.verify(answer.signature, answer.tbs_response_bytes, padding.PKCS1v15(), algorithm)
        case _:
            pytest.fail(f"{type(key)} is no key of ours")

from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from mutua.ca.issuance import draft_end_entity
from mutua.errors import MutuaError, RefusedRenewal, UnreadableRequest, UnreadableStatement
from mutua.pki.keys import KeyType, public_key_bytes
from mutua.pki.names import DnsName
from mutua.pki.profiles import CLIENT
from mutua.pki.requests import MAX_REQUEST_BYTES
from mutua.pki.statements import MAX_STATEMENT_CHARACTERS, read_statement, verify_statement
from mutua.pki.thumbprints import base64url, x5t_s256
from tests.pki.forged_requests import forged
from tests.pki.hierarchy import client, issuing_ca, key_of
from tests.pki.mutations import mutated
from tests.pki.statements import (
    ALGORITHMS,
    AUDIENCE,
    KINDS,
    MOMENT,
    NEW_KEY,
    NOW,
    OLD,
    OLD_THUMBPRINT,
    REQUEST,
    claims_of,
    header_of,
    refused,
    signed,
    unreadable,
    verified,
    written,
)


def test_no_signature_is_no_proof() -> None:
    for algorithm in ("none", "None", "NONE"):
        unreadable(signed(header_of(alg=algorithm), claims_of(), sign=lambda _: b""), "is not accepted")
        unreadable(signed(header_of(alg=algorithm), claims_of(), sign=lambda _: bytes(64)), "is not accepted")
    refused(signed(header_of(), claims_of(), sign=lambda _: b""), "not signed")
    refused(signed(header_of(), claims_of(), sign=lambda _: bytes(64)), "not signed")


def test_the_public_key_is_no_secret_to_sign_with() -> None:
    public = OLD.key.public_key()
    for secret in (
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    ):

        def sign(content: bytes, secret: bytes = secret) -> bytes:
            mac = hmac.HMAC(secret, hashes.SHA256())
            mac.update(content)
            return mac.finalize()

        unreadable(signed(header_of(alg="HS256"), claims_of(), sign=sign), "'HS256' is not accepted")
        refused(signed(header_of(), claims_of(), sign=sign), "not signed")


@KINDS
@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "PS256", "RS256", "Ed25519"])
def test_an_algorithm_that_does_not_fit_the_key_is_refused(kind: KeyType, algorithm: str) -> None:
    fitting = {ALGORITHMS[kind]} | ({"RS256"} if kind.startswith("rsa") else set())
    if algorithm in fitting:
        return
    identity = client(kind)
    header = header_of(alg=algorithm, **{"x5t#S256": x5t_s256(identity.certificate)})
    refused(signed(header, claims_of(), identity.key), "does not fit the certificate's key", kind)


@pytest.mark.parametrize(
    "algorithm", ["ES512", "ES256K", "EdDSA", "Ed448", "RS1", "RS384", "PS512", "HS512", "", 5, None, []]
)
def test_other_algorithms_are_unreadable(algorithm: Any) -> None:
    unreadable(signed(header_of(alg=algorithm), claims_of()), "")


def test_a_certificate_with_a_key_that_is_not_accepted_renews_nothing() -> None:
    key = ec.generate_private_key(ec.SECP521R1())
    unusual: Any = key.public_key()
    ca = issuing_ca()
    draft = draft_end_entity(CLIENT, (DnsName("woovi"),), unusual, issuer=ca.certificate, serial=7, now=NOW)
    certificate = draft.sign(ca.key)
    text = signed(header_of(**{"x5t#S256": x5t_s256(certificate)}), claims_of(), OLD.key)
    with pytest.raises(RefusedRenewal, match="secp521r1 is not supported"):
        verify_statement(text, certificate, now=NOW, audience=AUDIENCE)


def test_one_kind_of_rsa_signature_is_not_taken_for_another() -> None:
    identity = client(KeyType.RSA2048)
    header = header_of(alg="PS256", **{"x5t#S256": x5t_s256(identity.certificate)})
    refused(signed(header, claims_of(), identity.key), "not signed", KeyType.RSA2048)  # with PKCS #1 v1.5


@pytest.mark.parametrize(
    "header",
    [
        header_of(typ="JWT"),
        header_of(typ=None),
        header_of(typ="MUTUA-RENEWAL+JWT"),
        {name: value for name, value in header_of().items() if name != "typ"},
        {name: value for name, value in header_of().items() if name != "x5t#S256"},
        header_of(kid="woovi"),
        header_of(jwk={"kty": "EC"}),
        header_of(jku="https://evil.example/keys"),
        header_of(x5c=["MIIB"]),
        header_of(b64=False, crit=["b64"]),
        header_of(crit=["typ"]),
        header_of(**{"x5t#S256": 5}),
        header_of(**{"x5t#S256": ["A" * 43]}),
        header_of(**{"x5t#S256": OLD_THUMBPRINT + "="}),
        header_of(**{"x5t#S256": OLD_THUMBPRINT[:-1]}),
        header_of(**{"x5t#S256": "é" * 43}),
        [],
        ["alg"],
        "alg",
        5,
        None,
    ],
    ids=count(),
)
def test_any_other_header_is_unreadable(header: Any) -> None:
    unreadable(signed(header, claims_of()), "")


@pytest.mark.parametrize(
    "claims",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"5",
        b"[" * 50_000,
        b'{"csr":' * 12_000,
        b'{"iat":' + b"9" * 5000 + b"}",
        claims_of(csr=None),
        claims_of(aud=None),
        claims_of(iat=None),
        claims_of(exp=None),
        claims_of(jti=None),
        claims_of(sub="stone"),
        claims_of(csr=5),
        claims_of(csr=["x"]),
        claims_of(aud=[AUDIENCE]),
        claims_of(iat="0"),
        claims_of(iat=True),
        claims_of(iat=float(MOMENT)),
        claims_of(exp=float("inf")),
        claims_of(exp=float("nan")),
        claims_of(exp=False),
        claims_of(jti=1),
    ],
    ids=count(),
)
def test_any_other_payload_is_unreadable(claims: Any) -> None:
    with pytest.raises(UnreadableStatement) as caught:
        verified(signed(header_of(), claims))
    assert caught.value.hint


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "é.b.c", "\0", "\ud800", "{}", " ".join(written().split("."))],
    ids=count(),
)
def test_anything_else_is_no_statement(text: str) -> None:
    unreadable(text, "")


def test_a_statement_of_any_size_is_refused_at_once() -> None:
    unreadable("a" * 10_000_000, "characters are too many")
    unreadable("a" * (MAX_STATEMENT_CHARACTERS + 1), "characters are too many")
    unreadable("." * MAX_STATEMENT_CHARACTERS, "not a JWS")
    unreadable(base64url(b"[" * 60_000) + ".e30.", "not a JWS")


def test_the_largest_request_has_room_in_a_statement() -> None:
    largest = forged(b"\x30\x82" + (MAX_REQUEST_BYTES - 300).to_bytes(2) + bytes(MAX_REQUEST_BYTES - 300))
    assert MAX_REQUEST_BYTES - 200 < len(largest) <= MAX_REQUEST_BYTES
    text = written(KeyType.RSA4096, request=largest)
    assert len(text) + (8192 - 4096) // 6 < MAX_STATEMENT_CHARACTERS
    with pytest.raises(UnreadableRequest):
        verified(text, KeyType.RSA4096)


@pytest.mark.parametrize("csr", ["", "!", "AA==", "é", base64url(b"no request"), base64url(REQUEST[:-1])], ids=count())
def test_a_request_that_cannot_be_read_is_said(csr: str) -> None:
    with pytest.raises(UnreadableRequest):
        verified(signed(header_of(), claims_of(csr=csr)))


def test_the_new_key_must_prove_itself_too() -> None:
    stolen = forged(key=key_of("stranger"), spki=public_key_bytes(NEW_KEY.public_key()))
    with pytest.raises(UnreadableRequest, match="not by the key"):
        verified(written(request=stolen))


def test_every_part_is_covered_by_the_signature() -> None:
    text = written()
    header, payload, signature = text.split(".")
    other = signed(header_of(), claims_of(jti="2")).split(".")
    for parts in ([header, other[1], signature], [header, payload, other[2]]):
        refused(".".join(parts), "not signed")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
HEADERS_AND_CLAIMS = st.builds(
    signed,
    JSON | st.dictionaries(st.sampled_from(["typ", "alg", "x5t#S256", "crit", "b64"]), JSON).map(header_of().__or__),
    JSON | st.dictionaries(st.sampled_from(["csr", "aud", "iat", "exp", "jti"]), JSON).map(claims_of().__or__),
)
TEXTS = [written().encode(), written(KeyType.RSA2048).encode(), written(KeyType.ED25519).encode()]


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_whatever_is_given_only_our_errors_come_out(data: st.DataObject) -> None:
    text = data.draw(st.one_of(mutated(TEXTS).map(lambda raw: raw.decode("latin-1")), st.text(), HEADERS_AND_CLAIMS))
    for read in (read_statement, verified):
        with suppress(MutuaError):
            read(text)


@given(mutated(TEXTS[:1]))
@settings(max_examples=300, deadline=None)
def test_a_changed_statement_is_never_verified(data: bytes) -> None:
    if data == TEXTS[0]:
        return
    with pytest.raises(MutuaError):
        verified(data.decode("latin-1"))

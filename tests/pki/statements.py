"""Renewal statements, written by mutua and by hand."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from mutua.errors import RefusedRenewal, UnreadableStatement
from mutua.pki.keys import KeyType, PrivateKey
from mutua.pki.names import DnsName
from mutua.pki.requests import read_request, write_request
from mutua.pki.statements import STATEMENT_TYPE, read_statement, verify_statement, write_statement
from mutua.pki.thumbprints import base64url, x5t_s256
from tests.pki.hierarchy import client, issuing_ca, key_of

NOW = datetime(2031, 5, 17, 12, 30, 15, 500_000, tzinfo=UTC)
MOMENT = int(NOW.timestamp())
AUDIENCE = x5t_s256(issuing_ca().certificate)
NEW_KEY = key_of("successor")
REQUEST = read_request(write_request(NEW_KEY, [DnsName("woovi")], "woovi")).der
OLD = client(KeyType.P256)
OLD_THUMBPRINT = x5t_s256(OLD.certificate)
ALGORITHMS = {
    KeyType.P256: "ES256",
    KeyType.P384: "ES384",
    KeyType.RSA2048: "PS256",
    KeyType.RSA3072: "PS256",
    KeyType.RSA4096: "PS256",
    KeyType.ED25519: "Ed25519",
}
KINDS = pytest.mark.parametrize("kind", KeyType)


def written(kind: KeyType = KeyType.P256, request: bytes = REQUEST, now: datetime = NOW) -> str:
    identity = client(kind)
    return write_statement(identity.key, identity.certificate, request, now=now, audience=AUDIENCE)


def verified(text: str, kind: KeyType = KeyType.P256, *, now: datetime = NOW, audience: str = AUDIENCE) -> Any:
    return verify_statement(text, client(kind).certificate, now=now, audience=audience)


def header_of(**changes: Any) -> dict[str, Any]:
    return {"typ": STATEMENT_TYPE, "alg": "ES256", "x5t#S256": OLD_THUMBPRINT} | changes


def claims_of(**changes: Any) -> dict[str, Any]:
    claims = {"csr": base64url(REQUEST), "aud": AUDIENCE, "iat": MOMENT, "exp": MOMENT + 300, "jti": "1"} | changes
    return {name: value for name, value in claims.items() if value is not None}


def signed(header: Any, claims: Any, key: PrivateKey = OLD.key, *, sign: Callable[[bytes], bytes] | None = None) -> str:
    """A JWS made by hand, so that anything can be in it."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    content = f"{base64url(json.dumps(header).encode())}.{base64url(payload)}".encode()
    signature = sign(content) if sign else _sign(key, content)
    return f"{content.decode()}.{base64url(signature)}"


def _sign(key: PrivateKey, content: bytes) -> bytes:
    match key:
        case ec.EllipticCurvePrivateKey():
            size = (key.key_size + 7) // 8
            digest = hashes.SHA256() if size == 32 else hashes.SHA384()
            r, s = decode_dss_signature(key.sign(content, ec.ECDSA(digest)))
            return r.to_bytes(size) + s.to_bytes(size)
        case rsa.RSAPrivateKey():
            return key.sign(content, padding.PKCS1v15(), hashes.SHA256())
        case _:
            return key.sign(content)


def refused(text: str, reason: str, *arguments: Any, **facts: Any) -> None:
    with pytest.raises(RefusedRenewal) as caught:
        verified(text, *arguments, **facts)
    assert reason in caught.value.message
    assert caught.value.hint


def unreadable(text: str, reason: str) -> None:
    for read in (read_statement, verified):
        with pytest.raises(UnreadableStatement) as caught:
            read(text)
        assert reason in caught.value.message
        assert caught.value.message.isprintable()
        assert caught.value.hint

from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from mutua.errors import KeyMismatch
from mutua.pki.keys import KeyType
from mutua.pki.names import DnsName
from mutua.pki.requests import read_request, write_request
from mutua.pki.statements import STATEMENT_LIFE, StatementHeader, read_statement, write_statement
from mutua.pki.thumbprints import x5t_s256
from tests.pki.hierarchy import client, issue, issuing_ca, key_of
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
    verified,
    written,
)


@KINDS
def test_what_the_old_key_signed_is_verified(kind: KeyType) -> None:
    text = written(kind)
    assert read_statement(text) == StatementHeader(ALGORITHMS[kind], x5t_s256(client(kind).certificate))
    request = verified(text, kind)
    assert request == read_request(REQUEST)
    assert request.public_key == NEW_KEY.public_key()


def test_the_same_key_may_be_certified_again() -> None:
    request = read_request(write_request(OLD.key, [DnsName("woovi")]))
    assert verified(written(request=request.der)) == request


def test_a_statement_made_by_hand_is_accepted_too() -> None:
    assert verified(signed(header_of(), claims_of())) == read_request(REQUEST)
    rsa_identity = client(KeyType.RSA2048)
    header = header_of(alg="RS256", **{"x5t#S256": x5t_s256(rsa_identity.certificate)})
    text = signed(header, claims_of(), rsa_identity.key)
    assert verified(text, KeyType.RSA2048) == read_request(REQUEST)


class _TokenKey(ec.EllipticCurvePrivateKey):
    """A key that signs and shows nothing else, like one in a token."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key

    def sign(self, data: Any, signature_algorithm: Any) -> bytes:
        return self._key.sign(data, signature_algorithm)

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._key.public_key()

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._key.curve

    @property
    def key_size(self) -> int:
        return self._key.key_size

    def exchange(self, *arguments: Any) -> bytes:
        raise NotImplementedError

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        raise NotImplementedError

    def private_bytes(self, *arguments: Any) -> bytes:
        raise NotImplementedError

    def __copy__(self) -> "_TokenKey":
        raise NotImplementedError

    def __deepcopy__(self, memo: dict[Any, Any]) -> "_TokenKey":
        raise NotImplementedError


def test_a_key_that_never_leaves_its_token_can_sign() -> None:
    assert isinstance(OLD.key, ec.EllipticCurvePrivateKey)
    key = _TokenKey(OLD.key)
    text = write_statement(key, OLD.certificate, REQUEST, now=NOW, audience=AUDIENCE)
    assert verified(text) == read_request(REQUEST)


def test_only_the_certificates_own_key_can_ask() -> None:
    with pytest.raises(KeyMismatch):
        write_statement(NEW_KEY, OLD.certificate, REQUEST, now=NOW, audience=AUDIENCE)


def test_each_statement_has_a_number_of_its_own() -> None:
    assert len({written() for _ in range(3)}) == 3


STRANGER = issue(issuing_ca(), key=key_of("stranger"))


def test_another_keys_statement_is_refused() -> None:
    text = signed(header_of(), claims_of(), STRANGER.key)
    refused(text, "not signed by the certificate's key")


def test_another_certificates_statement_is_refused() -> None:
    text = write_statement(STRANGER.key, STRANGER.certificate, REQUEST, now=NOW, audience=AUDIENCE)
    refused(text, "names another certificate")


def test_the_thumbprint_must_be_the_certificates() -> None:
    for thumbprint in ("A" * 43, OLD_THUMBPRINT.swapcase(), OLD_THUMBPRINT[::-1]):
        refused(signed(header_of(**{"x5t#S256": thumbprint}), claims_of()), "names another certificate")


def test_another_authoritys_statement_is_refused() -> None:
    refused(written(), "another authority", audience="another")
    refused(signed(header_of(), claims_of(aud="another")), "another authority")
    refused(signed(header_of(), claims_of(aud="")), "another authority")


def test_a_statement_is_good_for_its_time_and_a_little_skew() -> None:
    text = written()
    minutes = timedelta(minutes=1)
    for late in (-5 * minutes, timedelta(0), STATEMENT_LIFE, STATEMENT_LIFE + 4 * minutes):
        assert verified(text, now=NOW + late) == read_request(REQUEST)
    refused(text, "has expired", now=NOW + STATEMENT_LIFE + 6 * minutes)
    refused(text, "has expired", now=NOW + timedelta(days=365))
    refused(text, "in the future", now=NOW - 6 * minutes)


@pytest.mark.parametrize(
    ("iat", "exp", "reason"),
    [
        (MOMENT, MOMENT + 901, "good for up to 15 minutes"),
        (MOMENT, MOMENT, "good for up to 15 minutes"),
        (MOMENT, MOMENT - 1, "good for up to 15 minutes"),
        (MOMENT - 3600, MOMENT + 60, "good for up to 15 minutes"),
        (MOMENT - 10**30, MOMENT, "good for up to 15 minutes"),
        (MOMENT, 10**30, "good for up to 15 minutes"),
        (10**30, 10**30 + 1, "in the future"),
        (0, 300, "has expired"),
        (-(10**30), -(10**30) + 1, "has expired"),
    ],
)
def test_a_statement_cannot_make_itself_last(iat: int, exp: int, reason: str) -> None:
    refused(signed(header_of(), claims_of(iat=iat, exp=exp)), reason)


def test_fifteen_minutes_are_accepted() -> None:
    assert verified(signed(header_of(), claims_of(exp=MOMENT + 900)))


def test_an_ed25519_statement_names_its_algorithm_fully() -> None:
    assert isinstance(client(KeyType.ED25519).key, ed25519.Ed25519PrivateKey)
    assert read_statement(written(KeyType.ED25519)).algorithm == "Ed25519"

"""Certificates of every kind, as mutua makes them. Each key is made once for a run: RSA-4096 takes seconds."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple

from cryptography import x509

from mutua.ca.hierarchy import draft_issuing_ca, draft_root
from mutua.ca.issuance import draft_end_entity
from mutua.pki.keys import KeyType, PrivateKey
from mutua.pki.names import Name, parse_name
from mutua.pki.profiles import CLIENT, SERVER, Profile
from mutua.pki.randomness import generate_key, new_serial
from mutua.tls.identity import Identity

ORGANIZATION = "Acme Payments"
NOW = datetime.now(UTC)
SERVER_NAMES = ("api.acme.example", "*.acme.example", "bücher.example", "localhost", "127.0.0.1", "::1")
CLIENT_NAMES = ("spiffe://acme.example/pay", "ops@acme.example", "urn:uuid:5d2c1f3e-8a55-4c1f-9c52-0d6a4e0b8f11")


class Authority(NamedTuple):
    """A CA's key and certificate."""

    key: PrivateKey
    certificate: x509.Certificate


def make_root(key: PrivateKey | None = None, *, organization: str = ORGANIZATION, now: datetime = NOW) -> Authority:
    key = key or generate_key()
    draft = draft_root(organization, key.public_key(), serial=new_serial(), now=now)
    return Authority(key, draft.sign(key))


def make_issuing_ca(root: Authority, key: PrivateKey | None = None, *, now: datetime = NOW) -> Authority:
    key = key or generate_key()
    draft = draft_issuing_ca(ORGANIZATION, key.public_key(), root=root.certificate, serial=new_serial(), now=now)
    return Authority(key, draft.sign(root.key))


def issue(
    issuer: Authority,
    profile: Profile = CLIENT,
    names: Sequence[str | Name] = ("woovi",),
    *,
    key: PrivateKey | None = None,
    now: datetime = NOW,
    common_name: str = "",
    lifetime: timedelta | None = None,
) -> Identity:
    key = key or generate_key()
    draft = draft_end_entity(
        profile,
        [parse_name(name) if isinstance(name, str) else name for name in names],
        key.public_key(),
        issuer=issuer.certificate,
        serial=new_serial(),
        now=now,
        common_name=common_name,
        lifetime=lifetime,
    )
    return Identity(key, (draft.sign(issuer.key), issuer.certificate))


@cache
def key_of(owner: str, kind: KeyType = KeyType.P256) -> PrivateKey:
    return generate_key(kind)


@cache
def root(kind: KeyType = KeyType.P256) -> Authority:
    return make_root(key_of("root", kind))


@cache
def issuing_ca(kind: KeyType = KeyType.P256) -> Authority:
    return make_issuing_ca(root(kind), key_of("issuing CA", kind))


@cache
def server(kind: KeyType = KeyType.P256, ca_kind: KeyType = KeyType.P256) -> Identity:
    return issue(issuing_ca(ca_kind), SERVER, SERVER_NAMES, key=key_of("end entity", kind))


@cache
def client(kind: KeyType = KeyType.P256, ca_kind: KeyType = KeyType.P256) -> Identity:
    key = key_of("end entity", kind)
    return issue(issuing_ca(ca_kind), CLIENT, CLIENT_NAMES, key=key, common_name="woovi")

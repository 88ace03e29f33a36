"""Requests and their judgement, with as little to write as a test needs."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from mutua.ca.policy import CLIENT_POLICY, Approval, Policy, judge
from mutua.errors import RefusedRequest
from mutua.pki.keys import PublicKey
from mutua.pki.names import DnsName, Name, parse_name
from mutua.pki.profiles import CLIENT, SERVER, Profile
from mutua.pki.requests import CertificateRequest, write_request
from tests.pki.hierarchy import key_of

P256 = key_of("end entity").public_key()
PARSED = x509.load_pem_x509_csr(write_request(key_of("end entity"), ()))
WOOVI = DnsName("woovi")
API = DnsName("api.acme.example")
IP = parse_name("10.0.0.1")
DAY = timedelta(days=1)


def asking(
    *names: str | Name, key: PublicKey = P256, common_name: str = "", purposes: Any = (), extras: Any = ()
) -> CertificateRequest:
    return CertificateRequest(
        parsed=PARSED,
        public_key=key,
        common_name=common_name,
        names=tuple(parse_name(name) if isinstance(name, str) else name for name in names),
        purposes=tuple(purposes),
        extras=tuple(extras),
    )


def judged(
    request: CertificateRequest,
    policy: Policy | Mapping[str, object] = CLIENT_POLICY,
    *,
    profile: Profile = CLIENT,
    client: str | None = "woovi",
    names: tuple[Name, ...] | None = None,
    lifetime: timedelta | None = None,
    valid_now: int = 0,
) -> Approval:
    policy = policy if isinstance(policy, Policy) else Policy.parse(policy)
    return judge(request, policy, profile=profile, client=client, names=names, lifetime=lifetime, valid_now=valid_now)


def violations(request: CertificateRequest, *arguments: Any, **facts: Any) -> tuple[str, ...]:
    with pytest.raises(RefusedRequest) as caught:
        judged(request, *arguments, **facts)
    assert caught.value.hint
    assert caught.value.message.isprintable()
    return caught.value.violations


def allows(pattern: str, name: str | Name, *, client: str | None = "woovi", profile: Profile = SERVER) -> bool:
    try:
        approval = judged(asking(name), {"names": [pattern]}, client=client, profile=profile)
    except RefusedRequest:
        return False
    assert approval.names == (parse_name(name) if isinstance(name, str) else name,)
    return True

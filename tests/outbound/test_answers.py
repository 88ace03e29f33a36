"""Servers that end the handshake well and refuse the certificate in their answer: nginx."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import httpx2
import pytest
import requests
import urllib3

import mutua
from mutua import Home
from mutua.doctor.call import diagnose
from mutua.outbound.call import call
from mutua.outbound.requests import MutualTLSAdapter
from mutua.pki.certificates import write_pem
from mutua.testing.foreign import foreign_authority
from tests.inbound.forwarding.nginx import free_port, nginx

CONFIGURATION = """
server {{
  listen 127.0.0.1:{port} ssl;
  ssl_certificate {folder}/chain.pem; ssl_certificate_key {folder}/key.pem;
  ssl_client_certificate {folder}/clients.pem; ssl_verify_client on;
  location / {{ return 200 ok; }}
}}
"""


@pytest.fixture(scope="module")
def bank(home_template: Path) -> Iterator[Home]:
    with Home.open(home_template) as opened:
        yield opened


@pytest.fixture(scope="module")
def url(bank: Home, peer: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An nginx that believes somebody else's clients."""
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    identity = bank.identities.load("api")
    (folder / "chain.pem").write_bytes(identity.chain_pem())
    (folder / "key.pem").write_bytes(identity.key_pem())
    anchors = foreign_authority("Somebody Else").trust.anchors
    (folder / "clients.pem").write_bytes(write_pem(anchors))
    with nginx(peer("nginx"), folder, CONFIGURATION.format(port=port, folder=folder), port):
        yield f"https://127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("who", "reason"), [(None, "certificate_required"), ("woovi", "http_certificate_refused")], ids=["none", "stranger"]
)
def test_a_certificate_that_nginx_refuses_in_its_answer_is_found(
    who: str | None, reason: str, bank: Home, url: str
) -> None:
    identity = bank.identities.load(who) if who else None
    context = identity.client_context(bank.trust) if identity else bank.trust.client_context()

    assert [each.code for each in diagnose(call(url, identity=identity, trust=bank.trust).observation)] == [reason]

    with requests.Session() as session, urllib3.PoolManager(ssl_context=context) as pool:
        session.mount("https://", MutualTLSAdapter(context))
        first = httpx.get(url, verify=context, trust_env=False)
        answers = [
            first,
            httpx2.get(url, verify=context, trust_env=False),
            session.get(url),
            pool.request("GET", url),
        ]
    failures = [mutua.explain_response(answer, identity=identity) for answer in answers]
    assert [failure and failure.reason for failure in failures] == [reason] * 4
    with pytest.raises(httpx.HTTPStatusError) as caught:
        first.raise_for_status()
    assert mutua.explain(caught.value, identity=identity).reason == reason

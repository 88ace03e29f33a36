"""The example behind the real nginx, with the settings that mutua writes for it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from mutua import Home
from mutua.tls.identity import Identity
from tests.inbound.forwarding.behind import Behind, behind, let_forward
from tests.inbound.forwarding.nginx import free_port, nginx, written

Ask = Callable[..., httpx2.Response]


@pytest.fixture
def server(home: Home, tmp_path: Path) -> Iterator[Behind]:
    let_forward(home, 'dialect = "nginx"\nunix_socket = true')
    home.clients.add("efi", allow=["GET /orders"])
    home.identities.save("efi", home.authority.issue_client("efi"))
    with behind(home, "--unix", str(tmp_path / "api.sock"), app="examples.nginx_fastapi.main:app") as started:
        yield started


@pytest.fixture
def ask(home: Home, server: Behind, peer: Callable[[str], str], tmp_path: Path) -> Iterator[Ask]:
    port = free_port()
    options = ("--server-name", "localhost", "--identity", "api", "--listen", f"127.0.0.1:{port}")
    done = written(home, *options, "--upstream", server.address)
    assert done.returncode == 0, done.stderr

    def get(identity: Identity | None, path: str, **headers: str) -> httpx2.Response:
        context = home.trust.client_context() if identity is None else identity.client_context(home.trust)
        with httpx2.Client(verify=context, trust_env=False, timeout=30) as client:
            return client.get(f"https://localhost:{port}{path}", headers=headers)

    with nginx(peer("nginx"), tmp_path, done.stdout, port):
        yield get


def test_each_client_sees_its_own(home: Home, ask: Ask) -> None:
    for name in ("woovi", "efi"):
        answer = ask(home.identities.load(name), "/orders")
        assert answer.json() == {"client": name, "orders": [f"{name}-1", f"{name}-2"]}


def test_the_application_has_the_certificate(home: Home, ask: Ask) -> None:
    woovi = home.identities.load("woovi")
    told = ask(woovi, "/certificate").json()
    assert told["thumbprint"] == woovi.thumbprint
    assert woovi.chain_pem().decode().startswith(told["pem"].strip())


def test_grants_count_behind_nginx_too(home: Home, server: Behind, ask: Ask) -> None:
    assert ask(home.identities.load("efi"), "/certificate").status_code == 403
    assert server.refusal() == "not_granted"


def test_nobody_becomes_somebody_by_a_header(home: Home, server: Behind, ask: Ask) -> None:
    forged = {"ssl-client-cert": "-----BEGIN%20CERTIFICATE-----", "ssl-client-verify": "SUCCESS"}
    assert ask(None, "/orders", **forged).status_code == 400
    assert ask(home.identities.load("efi"), "/orders", **forged).json()["client"] == "efi"

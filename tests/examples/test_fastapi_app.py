"""The FastAPI example, as a process of its own behind ``mutua serve``."""

from collections.abc import Callable

import httpx2
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from mutua import Home
from tests.serving import Serving

REPORT = {"end_to_end_id": "E00416968202611231640", "amount": "10.00"}


@pytest.fixture
def serving(home: Home, serve: Callable[..., Serving]) -> Serving:
    for name in ("efi", "other"):
        home.clients.add(name, allow=["GET /**", "POST /webhook/*"])
        home.identities.save(name, home.authority.issue_client(name))
    return serve(app="examples.fastapi_app.main:app")


def client(home: Home, serving: Serving, name: str) -> httpx2.Client:
    context = home.identities.load(name).client_context(home.trust)
    return httpx2.Client(base_url=serving.url, verify=context, trust_env=False, timeout=30)


def test_each_provider_sees_its_own_reports(home: Home, serving: Serving) -> None:
    with client(home, serving, "woovi") as woovi, client(home, serving, "efi") as efi:
        answer = woovi.post("/webhook/pix", json=REPORT)
        seen = (woovi.get("/webhook/pix").json(), efi.get("/webhook/pix").json())

    assert (answer.status_code, answer.json()) == (201, {"from": "woovi"})
    assert seen == ([REPORT], [])


def test_a_client_that_is_no_provider_may_ask_for_the_status_and_no_more(home: Home, serving: Serving) -> None:
    with client(home, serving, "other") as other:
        assert other.get("/status").json() == {"hello": "other", "by": "issued"}
        refused = other.post("/webhook/pix", json=REPORT)

    assert refused.status_code == 403
    assert refused.headers["content-type"] == "application/problem+json"
    line = serving.next_line("refused")
    assert (line["client"], line["reason"], line["path"]) == ("other", "not_granted", "/webhook/pix")


def test_the_grant_counts_before_the_route(home: Home, serving: Serving) -> None:
    with client(home, serving, "woovi") as woovi:
        assert woovi.put("/webhook/pix", json=REPORT).status_code == 403
        assert woovi.post("/status").status_code == 403


def test_the_feed_is_for_providers(home: Home, serving: Serving) -> None:
    url = serving.url.replace("https", "wss") + "/feed"
    contexts = {name: home.identities.load(name).client_context(home.trust) for name in ("woovi", "other")}

    with connect(url, ssl=contexts["woovi"], proxy=None) as websocket:
        websocket.send("hello")
        assert websocket.recv() == "woovi: hello"
    with pytest.raises(InvalidStatus, match="403"):
        connect(url, ssl=contexts["other"], proxy=None)


def test_the_document_names_mutual_tls(home: Home, serving: Serving) -> None:
    with client(home, serving, "woovi") as woovi:
        document = woovi.get("/openapi.json").json()

    assert document["components"]["securitySchemes"]["mutualTLS"]["type"] == "mutualTLS"
    operations = [each for path in document["paths"].values() for each in path.values()]
    assert [each["security"] for each in operations] == [[{"mutualTLS": []}]] * 3


def test_nobody_gets_in_without_a_certificate(home: Home, serving: Serving) -> None:
    with (
        httpx2.Client(base_url=serving.url, verify=home.trust.client_context(), trust_env=False) as nobody,
        pytest.raises(httpx2.TransportError),
    ):
        nobody.get("/openapi.json")

    assert serving.next_line("refused")["reason"] == "no_certificate"

"""The Flask and the Django example, each as a process of its own behind ``mutua serve``; Django as WSGI and as ASGI."""

from collections.abc import Callable

import httpx2
import pytest

from mutua import Home
from tests.serving import Serving

REPORT = {"end_to_end_id": "E00416968202611231640", "amount": "10.00"}
GUNICORN = ("--server", "gunicorn")

EXAMPLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "flask": ("examples.flask_app.main:app", GUNICORN),
    "flask sync": ("examples.flask_app.main:app", (*GUNICORN, "--worker-class", "sync")),
    "django": ("examples.django_app.main:app", GUNICORN),
    "django asgi": ("examples.django_app.main:asgi", (*GUNICORN, "--worker-class", "asgi")),
    "django uvicorn": ("examples.django_app.main:asgi", ()),
}


@pytest.fixture(params=EXAMPLES)
def serving(request: pytest.FixtureRequest, home: Home, serve: Callable[..., Serving]) -> Serving:
    for name in ("efi", "other"):
        home.clients.add(name, allow=["GET /**", "POST /webhook/*"])
        home.identities.save(name, home.authority.issue_client(name))
    app, arguments = EXAMPLES[request.param]
    return serve(app=app, arguments=arguments)


def client(home: Home, serving: Serving, name: str) -> httpx2.Client:
    context = home.identities.load(name).client_context(home.trust)
    return httpx2.Client(base_url=serving.url, verify=context, trust_env=False, timeout=30)


def test_each_client_gets_what_is_for_it(home: Home, serving: Serving) -> None:
    with (
        client(home, serving, "woovi") as woovi,
        client(home, serving, "efi") as efi,
        client(home, serving, "other") as other,
    ):
        answer = woovi.post("/webhook/pix", json=REPORT)
        seen = woovi.get("/webhook/pix").json(), efi.get("/webhook/pix").json()
        assert other.get("/status").json()["hello"] == "other"
        assert other.post("/webhook/pix", json=REPORT).status_code == 403
        assert woovi.put("/webhook/pix", json=REPORT).status_code == 403
    assert (answer.status_code, answer.json()) == (201, {"from": "woovi"})
    assert seen == ([REPORT], [])
    with (
        httpx2.Client(base_url=serving.url, verify=home.trust.client_context(), trust_env=False) as nobody,
        pytest.raises(httpx2.TransportError),
    ):
        nobody.get("/status")
    while (line := serving.next_line("refused"))["reason"] == "not_granted":
        continue
    assert line["reason"] == "no_certificate"
    assert serving.stop() in {0, -15}
    assert "Traceback" not in serving.talk

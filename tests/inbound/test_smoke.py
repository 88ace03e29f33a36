from collections.abc import Callable

import httpx2

from mutua import Home
from tests.serving import Serving


def test_a_known_client_gets_in(home: Home, serve: Callable[..., Serving], loop: str) -> None:
    serving = serve(loop=loop)
    context = home.identities.load("woovi").client_context(home.trust)
    with httpx2.Client(verify=context) as client:
        assert client.get(f"{serving.url}/status").json()["client"] == "woovi"
    assert serving.next_line("admitted")["client"] == "woovi"

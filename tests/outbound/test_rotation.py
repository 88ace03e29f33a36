"""A renewed identity is presented by the next request of every client, without a restart and without a failure."""

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
import websockets.asyncio.client
import websockets.sync.client

from mutua import FollowedIdentity
from mutua.outbound.following import LOOK_SECONDS
from mutua.outbound.watched import SETTLE_SECONDS
from tests.outbound.forwarding_proxy import proxy
from tests.outbound.renewing import Renewing
from tests.outbound.sessions import PATIENCE_SECONDS, POOLED, UNPOOLED
from tests.serving import Serving
from tests.store.watching import eventually

PROMISED_SECONDS = 2


@pytest.mark.usefixtures("looks_always")
@pytest.mark.parametrize("client", POOLED)
def test_a_pooled_connection_is_retired_by_the_first_request_after_a_renewal(client: str, renewed: Renewing) -> None:
    context = FollowedIdentity(renewed.path, renewed.trust).client_context()
    with POOLED[client](context) as get:
        first, again = get(renewed.url), get(renewed.url)
        assert first["thumbprint"] == again["thumbprint"]
        for _ in range(3):
            assert get(renewed.url)["thumbprint"] != (new := renewed.renew())
            assert [get(renewed.url)["thumbprint"] for _ in range(3)] == [new] * 3


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("client", UNPOOLED)
def test_each_new_connection_presents_the_newest_with_nothing_but_the_context(client: str, renewed: Renewing) -> None:
    context = FollowedIdentity(renewed.path, renewed.trust).client_context()
    with UNPOOLED[client](context) as get:
        for _ in range(3):
            new = renewed.renew()
            assert get(renewed.url)["thumbprint"] == new


def test_the_usual_interval_between_two_looks_keeps_the_promise() -> None:
    assert SETTLE_SECONDS + 2 * LOOK_SECONDS < PROMISED_SECONDS


@pytest.mark.parametrize("client", ["httpx", "requests", "aiohttp"])
def test_with_the_usual_interval_it_is_used_soon(client: str, renewed: Renewing) -> None:
    context = FollowedIdentity(renewed.path, renewed.trust).client_context()
    with POOLED[client](context) as get:
        get(renewed.url)
        new = renewed.renew()
        eventually(lambda: get(renewed.url)["thumbprint"] == new)


@pytest.mark.usefixtures("settled")
def test_a_websocket_presents_the_newest_when_it_connects(renewed: Renewing) -> None:
    context = FollowedIdentity(renewed.path, renewed.trust).client_context()
    url = renewed.url.replace("https", "wss")

    async def thumbprint() -> Any:
        async with websockets.asyncio.client.connect(url, ssl=context, proxy=None) as socket:
            return socket.transport.get_extra_info("ssl_object").context

    with websockets.sync.client.connect(url, ssl=context, proxy=None) as before:
        before.send("hello")
        assert before.recv() == "hello"
        renewed.renew()
        with websockets.sync.client.connect(url, ssl=context, proxy=None) as after:
            assert not context.is_current(before.socket)
            assert context.is_current(after.socket)
        assert asyncio.run(thumbprint()) is context.newest()
        before.send("still here")
        assert before.recv() == "still here"


@pytest.mark.usefixtures("looks_always")
class TestAnAnswerThatIsBeingRead:
    """Its connection presents an older identity, and is left alone until it has been read."""

    def test_by_httpx(self, renewed: Renewing) -> None:
        import httpx

        from mutua.outbound.httpx import RetiringTransport

        transport = RetiringTransport(FollowedIdentity(renewed.path, renewed.trust).client_context())
        with httpx.Client(transport=transport) as client, client.stream("GET", renewed.url) as slow:
            new = renewed.renew()
            assert client.get(renewed.url).json()["thumbprint"] == new
            assert len(transport._succession.all()) == 2
            slow.read()
            assert slow.json()["client"] == "woovi"
            assert slow.json()["thumbprint"] != new
        assert len(transport._succession.all()) == 1

    def test_by_httpx_async(self, renewed: Renewing) -> None:
        import httpx

        from mutua.outbound.httpx import AsyncRetiringTransport

        transport = AsyncRetiringTransport(FollowedIdentity(renewed.path, renewed.trust).client_context())

        async def run() -> None:
            async with httpx.AsyncClient(transport=transport) as client:
                async with client.stream("GET", renewed.url) as slow:
                    new = renewed.renew()
                    assert (await client.get(renewed.url)).json()["thumbprint"] == new
                    assert len(transport._succession.all()) == 2
                    await slow.aread()
                    assert slow.json()["thumbprint"] != new
                assert len(transport._succession.all()) == 1

        asyncio.run(run())

    def test_by_requests(self, renewed: Renewing) -> None:
        import requests

        from mutua.outbound.requests import MutualTLSAdapter

        context = FollowedIdentity(renewed.path, renewed.trust).client_context()
        with requests.Session() as session:
            session.mount("https://", MutualTLSAdapter(context))
            with session.get(renewed.url, stream=True, timeout=PATIENCE_SECONDS) as slow:
                new = renewed.renew()
                assert session.get(renewed.url, timeout=PATIENCE_SECONDS).json()["thumbprint"] == new
                assert slow.json()["thumbprint"] != new
            answers = [session.get(renewed.url, timeout=PATIENCE_SECONDS).json() for _ in range(3)]
            assert [answer["thumbprint"] for answer in answers] == [new] * 3

    def test_by_aiohttp(self, renewed: Renewing) -> None:
        import aiohttp

        from mutua.outbound.aiohttp import RetiringConnector

        async def run() -> None:
            connector = RetiringConnector(FollowedIdentity(renewed.path, renewed.trust).client_context())
            async with aiohttp.ClientSession(connector=connector) as session, session.get(renewed.url) as slow:
                new = renewed.renew()
                async with session.get(renewed.url) as other:
                    assert (await other.json())["thumbprint"] == new
                assert (await slow.json())["thumbprint"] != new

        asyncio.run(run())


@pytest.mark.usefixtures("looks_always")
def test_a_connection_that_carries_several_requests_at_once_is_retired_after_the_last(renewed: Renewing) -> None:
    """HTTP/2: they share one connection."""
    import httpx2

    from mutua.outbound.httpx2 import AsyncRetiringTransport

    context = FollowedIdentity(renewed.path, renewed.trust).client_context()
    serving = Serving.start(renewed.home, arguments=("--server", "hypercorn"))
    there = Renewing(renewed.home, serving)

    async def run() -> None:
        transport = AsyncRetiringTransport(context, http2=True)
        async with httpx2.AsyncClient(transport=transport, base_url=serving.url) as client:
            async with client.stream("GET", "/status") as slow, client.stream("GET", "/status") as slower:
                old = json.loads(await slow.aread())["thumbprint"]
                new = there.renew()
                answers = await asyncio.gather(*(client.get("/status") for _ in range(5)))
                assert {answer.json()["thumbprint"] for answer in answers} == {new} != {old}
                assert {answer.http_version for answer in answers} == {"HTTP/2"}
                assert json.loads(await slower.aread())["thumbprint"] == old
            assert len(transport._succession.all()) == 1

    try:
        asyncio.run(run())
    finally:
        serving.stop()


def test_a_request_that_fails_ends_its_reign_too(renewed: Renewing) -> None:
    import httpx

    from mutua.outbound.httpx import RetiringTransport

    transport = RetiringTransport(FollowedIdentity(renewed.path, renewed.trust).client_context())
    with httpx.Client(transport=transport) as client:
        with pytest.raises(httpx.ConnectError):
            client.get("https://127.0.0.1:9/")
        assert transport._succession._reign.requests == 0


def test_a_request_that_fails_ends_its_reign_too_when_asynchronous(renewed: Renewing) -> None:
    import httpx2

    from mutua.outbound.httpx2 import AsyncRetiringTransport

    transport = AsyncRetiringTransport(FollowedIdentity(renewed.path, renewed.trust).client_context())

    async def run() -> None:
        async with httpx2.AsyncClient(transport=transport) as client:
            with pytest.raises(httpx2.ConnectError):
                await client.get("https://127.0.0.1:9/")

    asyncio.run(run())
    assert transport._succession._reign.requests == 0


@pytest.mark.usefixtures("looks_always")
def test_urllib3_retires_connections_through_a_proxy_too(renewed: Renewing) -> None:
    from mutua.outbound.urllib3 import pool_manager

    context = FollowedIdentity(renewed.path, renewed.trust).client_context()
    with proxy() as (url, targets), pool_manager(context, proxy_url=url, retries=False) as pool:
        before = pool.request("GET", renewed.url).json()["thumbprint"]
        assert pool.request("GET", renewed.url).json()["thumbprint"] == before
        new = renewed.renew()
        assert pool.request("GET", renewed.url).json()["thumbprint"] == new
        pool.clear()
    assert len(targets) == 2


def in_threads(count: int, work: Callable[[], None]) -> list[BaseException]:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


@pytest.mark.usefixtures("looks_always")
def test_threads_that_connect_while_it_is_renewed_all_get_through(renewed: Renewing) -> None:
    context = FollowedIdentity(renewed.path, renewed.trust).client_context()
    seen: set[str] = set()
    finished = threading.Event()

    def call() -> None:
        with POOLED["requests"](context) as get, UNPOOLED["http.client"](context) as connect:
            for _ in range(10):
                seen.update({get(renewed.url)["thumbprint"], connect(renewed.url)["thumbprint"]})

    def renew() -> None:
        while not finished.is_set():
            renewed.renew()

    renewer = threading.Thread(target=renew)
    renewer.start()
    try:
        assert in_threads(4, call) == []
    finally:
        finished.set()
        renewer.join()
    assert len(seen) > 1


def test_a_plain_context_works_with_each_of_them_too(renewed: Renewing) -> None:
    context = renewed.home.identities.load("woovi").client_context(renewed.trust)
    for session in POOLED.values():
        with session(context) as get:
            assert [get(renewed.url)["client"] for _ in range(2)] == ["woovi"] * 2

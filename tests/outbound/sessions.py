"""Each Python client as one session: what gets a URL, with connections kept where the client keeps them."""

import asyncio
import http.client
import json
import ssl
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

PATIENCE_SECONDS = 30

Get = Callable[[str], Any]
Session = Callable[[ssl.SSLContext], AbstractContextManager[Get]]


@contextmanager
def httpx_session(context: ssl.SSLContext) -> Iterator[Get]:
    import httpx

    from mutua.outbound.httpx import RetiringTransport

    with httpx.Client(transport=RetiringTransport(context), timeout=PATIENCE_SECONDS) as client:
        yield lambda url: client.get(url).raise_for_status().json()


@contextmanager
def httpx2_session(context: ssl.SSLContext) -> Iterator[Get]:
    import httpx2

    from mutua.outbound.httpx2 import RetiringTransport

    with httpx2.Client(transport=RetiringTransport(context), timeout=PATIENCE_SECONDS) as client:
        yield lambda url: client.get(url).raise_for_status().json()


@contextmanager
def httpx_async_session(context: ssl.SSLContext) -> Iterator[Get]:
    import httpx

    from mutua.outbound.httpx import AsyncRetiringTransport

    client = httpx.AsyncClient(transport=AsyncRetiringTransport(context), timeout=PATIENCE_SECONDS)
    with asyncio.Runner() as runner:
        yield lambda url: runner.run(client.get(url)).raise_for_status().json()
        runner.run(client.aclose())


@contextmanager
def httpx2_async_session(context: ssl.SSLContext) -> Iterator[Get]:
    import httpx2

    from mutua.outbound.httpx2 import AsyncRetiringTransport

    client = httpx2.AsyncClient(transport=AsyncRetiringTransport(context), timeout=PATIENCE_SECONDS)
    with asyncio.Runner() as runner:
        yield lambda url: runner.run(client.get(url)).raise_for_status().json()
        runner.run(client.aclose())


@contextmanager
def requests_session(context: ssl.SSLContext) -> Iterator[Get]:
    import requests

    from mutua.outbound.requests import MutualTLSAdapter

    with requests.Session() as session:
        session.mount("https://", MutualTLSAdapter(context))

        def get(url: str) -> Any:
            response = session.get(url, timeout=PATIENCE_SECONDS)
            response.raise_for_status()
            return response.json()

        yield get


@contextmanager
def urllib3_session(context: ssl.SSLContext) -> Iterator[Get]:
    from mutua.outbound.urllib3 import pool_manager

    with pool_manager(context, retries=False, timeout=PATIENCE_SECONDS) as pool:
        yield lambda url: pool.request("GET", url).json()


@contextmanager
def _aiohttp_session(context: ssl.SSLContext, loop: Callable[[], asyncio.AbstractEventLoop] | None) -> Iterator[Get]:
    import aiohttp

    from mutua.outbound.aiohttp import RetiringConnector

    async def start() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=RetiringConnector(context), raise_for_status=True)

    with asyncio.Runner(loop_factory=loop) as runner:
        session = runner.run(start())

        async def get(url: str) -> Any:
            async with session.get(url) as response:
                return await response.json()

        try:
            yield lambda url: runner.run(get(url))
        finally:
            runner.run(session.close())


def aiohttp_session(context: ssl.SSLContext) -> AbstractContextManager[Get]:
    return _aiohttp_session(context, None)


def aiohttp_uvloop_session(context: ssl.SSLContext) -> AbstractContextManager[Get]:
    import uvloop

    return _aiohttp_session(context, uvloop.new_event_loop)


@contextmanager
def http_client_session(context: ssl.SSLContext) -> Iterator[Get]:
    """A connection for each request."""

    def get(url: str) -> Any:
        address = urlsplit(url)
        with closing(http.client.HTTPSConnection(address.netloc, context=context, timeout=PATIENCE_SECONDS)) as one:
            one.request("GET", address.path)
            return json.load(one.getresponse())

    yield get


@contextmanager
def urllib_session(context: ssl.SSLContext) -> Iterator[Get]:
    """A connection for each request."""

    def get(url: str) -> Any:
        with urllib.request.urlopen(url, context=context, timeout=PATIENCE_SECONDS) as response:
            return json.load(response)

    yield get


POOLED: dict[str, Session] = {
    "httpx": httpx_session,
    "httpx async": httpx_async_session,
    "httpx2": httpx2_session,
    "httpx2 async": httpx2_async_session,
    "requests": requests_session,
    "urllib3": urllib3_session,
    "aiohttp": aiohttp_session,
    "aiohttp on uvloop": aiohttp_uvloop_session,
}
"""Those that keep connections, as they are used with a followed identity."""

UNPOOLED: dict[str, Session] = {"http.client": http_client_session, "urllib": urllib_session}
"""Those that connect for each request: the context is all that they need."""

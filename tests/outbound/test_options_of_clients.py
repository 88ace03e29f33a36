"""Options with which a client would turn verification off, widen trust or show another certificate: each is refused."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from mutua import FollowedIdentity
from mutua.errors import InvalidInput
from mutua.outbound.following_context import FollowingContext
from tests.outbound.renewing import Renewing
from tests.outbound.servers import served

SECONDS = 30
BUNDLE = ssl.get_default_verify_paths().openssl_cafile


@pytest.fixture
def context(renewed: Renewing) -> FollowingContext:
    return FollowedIdentity(renewed.path, renewed.trust).client_context()


def urllib3_with(**options: Any) -> Callable[[FollowingContext, str], Any]:
    def get(context: FollowingContext, url: str) -> Any:
        from mutua.outbound.urllib3 import pool_manager

        with pool_manager(context, retries=False, timeout=SECONDS, **options) as pool:
            return pool.request("GET", url)

    return get


def httpx_with_a_certificate(context: FollowingContext, url: str) -> Any:
    import httpx

    from mutua.outbound.httpx import RetiringTransport

    with httpx.Client(transport=RetiringTransport(context, cert="other.pem"), timeout=SECONDS) as client:
        return client.get(url)


def aiohttp_with(option: Any) -> Callable[[FollowingContext, str], Any]:
    def get(context: FollowingContext, url: str) -> Any:
        import aiohttp

        from mutua.outbound.aiohttp import RetiringConnector

        async def run() -> None:
            async with aiohttp.ClientSession(connector=RetiringConnector(context)) as session:
                ssl_option = aiohttp.Fingerprint(bytes(32)) if option == "fingerprint" else option
                async with session.get(url, ssl=ssl_option):
                    pass

        asyncio.run(run())

    return get


REFUSED: dict[str, Callable[[FollowingContext, str], Any]] = {
    "urllib3 cert_reqs": urllib3_with(cert_reqs="CERT_NONE"),
    "urllib3 assert_hostname": urllib3_with(assert_hostname=False),
    "urllib3 another name": urllib3_with(assert_hostname="elsewhere.example"),
    "urllib3 fingerprint": urllib3_with(assert_fingerprint="00" * 32),
    "urllib3 ca_certs": urllib3_with(ca_certs=BUNDLE),
    "urllib3 cert_file": urllib3_with(cert_file="other.pem"),
    "httpx cert": httpx_with_a_certificate,
    "aiohttp ssl=False": aiohttp_with(option=False),
    "aiohttp fingerprint": aiohttp_with("fingerprint"),
}


@pytest.mark.filterwarnings("ignore:`cert=:DeprecationWarning")
@pytest.mark.parametrize("option", REFUSED)
def test_it_is_refused_and_nothing_is_sent(option: str, context: FollowingContext) -> None:
    received: list[bytes] = []
    with served(lambda plain: received.append(plain.recv(1))) as url, pytest.raises(InvalidInput):
        REFUSED[option](context, url)
    assert b"".join(received) == b""
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_a_context_of_a_request_s_own_is_taken_and_its_connection_kept(
    context: FollowingContext, renewed: Renewing
) -> None:
    import aiohttp

    from mutua.outbound.aiohttp import RetiringConnector

    own = renewed.home.identities.load("woovi").client_context(renewed.trust)

    async def run() -> list[int | None]:
        reused: list[int | None] = []
        watch = aiohttp.TraceConfig()

        async def note(*_: object) -> None:
            reused.append(1)

        watch.on_connection_reuseconn.append(note)
        connector = RetiringConnector(context)
        async with aiohttp.ClientSession(connector=connector, trace_configs=[watch]) as session:
            for _ in range(3):
                async with session.get(renewed.url, ssl=own) as response:
                    assert response.status == 200
                    await response.read()
        return reused

    assert asyncio.run(run()) == [1, 1]

"""The clients that the one suite is run on. A new one is a row in ``CLIENTS``, and has to pass all of it.

Each is given a context, or PEM where it takes none, as the documentation says; it returns the answer, or lets out
whatever its library raises.
"""

import asyncio
import http.client
import io
import socket
import ssl
import urllib.request
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import grpc  # type: ignore[import-untyped]
import httpx
import httpx2
import pycurl
import requests
import urllib3
import websockets.asyncio.client
import websockets.sync.client
from websockets.exceptions import WebSocketException

import mutua
from mutua.outbound.requests import MutualTLSAdapter
from tests.outbound.clients.callers import Caller, Outcome, answered, failed
from tests.outbound.clients.niquests_process import NiquestsProcess

SECONDS = 30
GRPC_METHOD = "/pix.Pix/Status"


@dataclass(frozen=True)
class Client:
    """A library.

    Attributes:
        get: makes one GET, or what is nearest to it, on a new connection; returns an answer with its status.
        raises: what docs/explain.md says to catch. Anything else ends the test.
        keeps_alerts: whether the alert of TLS 1.3, which comes after the handshake, is in what it raises. Each keeps
            that of TLS 1.2.
    """

    get: Callable[[Caller, str], Any]
    raises: tuple[type[Exception], ...]
    keeps_alerts: bool = True

    def outcome(self, caller: Caller, url: str) -> Outcome:
        try:
            answer = self.get(caller, url)
        except self.raises as error:
            return failed(error, caller, url)
        explained = mutua.explain_response(answer, identity=caller.identity)
        return answered(getattr(answer, "status_code", None) or answer.status, explained)


class Niquests:
    """niquests, in a process of its own, where ``mutua.explain`` is asked too."""

    keeps_alerts = True

    def __init__(self, *, is_async: bool) -> None:
        self.is_async = is_async

    def outcome(self, caller: Caller, url: str) -> Outcome:
        return NiquestsProcess.running().outcome(caller, url, is_async=self.is_async)


def with_httpx(caller: Caller, url: str) -> Any:
    with httpx.Client(verify=caller.context, trust_env=False, timeout=SECONDS) as client:
        return client.get(url)


def with_httpx_async(caller: Caller, url: str) -> Any:
    async def get() -> httpx.Response:
        async with httpx.AsyncClient(verify=caller.context, trust_env=False, timeout=SECONDS) as client:
            return await client.get(url)

    return asyncio.run(get())


def with_httpx2(caller: Caller, url: str) -> Any:
    with httpx2.Client(verify=caller.context, trust_env=False, timeout=SECONDS) as client:
        return client.get(url)


def with_httpx2_async(caller: Caller, url: str) -> Any:
    async def get() -> httpx2.Response:
        async with httpx2.AsyncClient(verify=caller.context, trust_env=False, timeout=SECONDS) as client:
            return await client.get(url)

    return asyncio.run(get())


def with_requests(caller: Caller, url: str) -> Any:
    with requests.Session() as session:
        session.mount("https://", MutualTLSAdapter(caller.context))
        return session.get(url, timeout=SECONDS)


def with_urllib3(caller: Caller, url: str) -> Any:
    with urllib3.PoolManager(ssl_context=caller.context, timeout=SECONDS) as pool:
        return pool.request("GET", url)


def with_urllib3_without_retries(caller: Caller, url: str) -> Any:
    with urllib3.PoolManager(ssl_context=caller.context, timeout=SECONDS, retries=False) as pool:
        return pool.request("GET", url)


def with_aiohttp(caller: Caller, url: str) -> Any:
    sockets: list[socket.socket] = []

    def remember(address: aiohttp.AddrInfoType) -> socket.socket:
        sockets.append(socket.socket(*address[:3]))
        return sockets[-1]

    async def get() -> aiohttp.ClientResponse:
        connector = aiohttp.TCPConnector(ssl=caller.context, socket_factory=remember)
        try:
            async with aiohttp.ClientSession(connector=connector) as opened, opened.get(url) as response:
                await response.read()
                return response
        finally:
            # It does not wait for the goodbye of a server that hangs up, and the event loop is about to end.
            while any(each.fileno() != -1 for each in sockets):  # noqa: ASYNC110 -- sockets have no event for it
                await asyncio.sleep(0.001)

    return asyncio.run(get())


def with_http_client(caller: Caller, url: str) -> Any:
    parts = urlsplit(url)
    with closing(http.client.HTTPSConnection(parts.netloc, context=caller.context, timeout=SECONDS)) as connection:
        connection.request("GET", parts.path)
        with connection.getresponse() as response:
            return response


def with_urllib(caller: Caller, url: str) -> Any:
    try:
        with urllib.request.urlopen(url, context=caller.context, timeout=SECONDS) as response:
            return response
    except urllib.error.HTTPError as error:
        error.close()
        raise


def with_websockets(caller: Caller, url: str) -> Any:
    with websockets.sync.client.connect(
        url.replace("https", "wss"), ssl=caller.context, proxy=None, open_timeout=SECONDS
    ):
        return SimpleNamespace(status=200)


def with_websockets_async(caller: Caller, url: str) -> Any:
    async def connect() -> None:
        async with websockets.asyncio.client.connect(
            url.replace("https", "wss"), ssl=caller.context, proxy=None, open_timeout=SECONDS
        ):
            pass

    asyncio.run(connect())
    return SimpleNamespace(status=200)


def with_grpc(caller: Caller, url: str) -> Any:
    credentials = grpc.ssl_channel_credentials(caller.anchors, caller.key, caller.certificate)
    with grpc.secure_channel(urlsplit(url).netloc, credentials) as channel:
        channel.unary_unary(GRPC_METHOD)(b"", timeout=SECONDS)
    return SimpleNamespace(status=200)


def with_grpc_async(caller: Caller, url: str) -> Any:
    async def call() -> None:
        credentials = grpc.ssl_channel_credentials(caller.anchors, caller.key, caller.certificate)
        async with grpc.aio.secure_channel(urlsplit(url).netloc, credentials) as channel:
            await channel.unary_unary(GRPC_METHOD)(b"", timeout=SECONDS)

    asyncio.run(call())
    return SimpleNamespace(status=200)


def with_pycurl(caller: Caller, url: str) -> Any:
    with closing(pycurl.Curl()) as curl:
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.TIMEOUT, SECONDS)
        curl.setopt(pycurl.WRITEDATA, io.BytesIO())
        curl.setopt(pycurl.CAINFO_BLOB, caller.anchors)
        if caller.certificate and caller.key:
            curl.setopt(pycurl.SSLCERT_BLOB, caller.certificate)
            curl.setopt(pycurl.SSLKEY_BLOB, caller.key)
        curl.perform()
        return SimpleNamespace(status=curl.getinfo(pycurl.RESPONSE_CODE))


CLIENTS: dict[str, Client | Niquests] = {
    "httpx2": Client(with_httpx2, (httpx2.TransportError,)),
    "httpx2-async": Client(with_httpx2_async, (httpx2.TransportError, ssl.SSLError)),
    "httpx": Client(with_httpx, (httpx.TransportError,)),
    "httpx-async": Client(with_httpx_async, (httpx.TransportError, ssl.SSLError)),
    "requests": Client(with_requests, (requests.RequestException,)),
    "urllib3": Client(with_urllib3, (urllib3.exceptions.HTTPError,)),
    "urllib3-without-retries": Client(with_urllib3_without_retries, (urllib3.exceptions.HTTPError,)),
    "aiohttp": Client(with_aiohttp, (aiohttp.ClientError,)),
    "http.client": Client(with_http_client, (OSError, http.client.HTTPException)),
    "urllib": Client(with_urllib, (OSError, http.client.HTTPException)),
    "websockets": Client(with_websockets, (OSError, WebSocketException), keeps_alerts=False),
    "websockets-async": Client(with_websockets_async, (OSError, WebSocketException), keeps_alerts=False),
    "grpcio": Client(with_grpc, (grpc.RpcError,), keeps_alerts=False),
    "grpcio-async": Client(with_grpc_async, (grpc.RpcError,), keeps_alerts=False),
    "pycurl": Client(with_pycurl, (pycurl.error,)),
    "niquests": Niquests(is_async=False),
    "niquests-async": Niquests(is_async=True),
}

"""The Python clients: each a context manager that opens a session and gives a function from URL to status.

All get a plain ``ssl.SSLContext`` from mutua and nothing else about TLS. They are imported when they are used.
"""

import asyncio
import http.client
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from importlib.util import find_spec
from urllib.parse import urlsplit

from mutua.cli.demo.clients.client import CALL_SECONDS, Call, LiveClient
from mutua.cli.demo.seeing import Sight, answered, in_exception

Get = Callable[[str], int]
Session = Callable[[ssl.SSLContext, str], AbstractContextManager[Get]]


class PythonClient(LiveClient):
    """A library of this process.

    Args:
        name: of the library.
        session: opens a session.
    """

    def __init__(self, name: str, session: Session) -> None:
        self.name = name
        self._session = session

    def get(self, call: Call) -> Sight:
        try:
            with self._session(_context(call), call.url) as get:
                return answered(get(call.url))
        except Exception as error:  # noqa: BLE001 -- each library has a tree of its own
            return in_exception(error)

    def get_twice(self, call: Call, between: Callable[[], None]) -> Sight:
        try:
            with self._session(_context(call), call.url) as get:
                first = get(call.url)
                between()
                return Sight(f"{first}, then {get(call.url)}")
        except Exception as error:  # noqa: BLE001 -- each library has a tree of its own
            return in_exception(error)


def _context(call: Call) -> ssl.SSLContext:
    return call.actor.identity.client_context(call.trust) if call.actor else call.trust.client_context()


@contextmanager
def http_client_session(context: ssl.SSLContext, url: str) -> Iterator[Get]:
    """The standard library's ``HTTPSConnection``, one connection."""
    netloc = urlsplit(url).netloc
    with closing(http.client.HTTPSConnection(netloc, context=context, timeout=CALL_SECONDS)) as connection:

        def get(url: str) -> int:
            connection.request("GET", urlsplit(url).path)
            response = connection.getresponse()
            response.read()
            return response.status

        yield get


@contextmanager
def httpx_session(context: ssl.SSLContext, _url: str) -> Iterator[Get]:
    """``verify`` takes the context; with a path and ``cert`` httpx 0.28 would drop the certificate."""
    import httpx  # noqa: PLC0415

    with httpx.Client(verify=context, trust_env=False, timeout=CALL_SECONDS) as client:
        yield lambda url: client.get(url).status_code


@contextmanager
def httpx2_session(context: ssl.SSLContext, _url: str) -> Iterator[Get]:
    """As httpx."""
    import httpx2  # noqa: PLC0415

    with httpx2.Client(verify=context, trust_env=False, timeout=CALL_SECONDS) as client:
        yield lambda url: client.get(url).status_code


@contextmanager
def requests_session(context: ssl.SSLContext, _url: str) -> Iterator[Get]:
    """requests, with an adapter that leaves the context's trust alone."""
    import requests  # noqa: PLC0415

    from mutua.outbound.requests import MutualTLSAdapter  # noqa: PLC0415

    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", MutualTLSAdapter(context))
        yield lambda url: session.get(url, timeout=CALL_SECONDS).status_code


@contextmanager
def urllib3_session(context: ssl.SSLContext, _url: str) -> Iterator[Get]:
    """A pool that does not retry: a refusal is told at once."""
    import urllib3  # noqa: PLC0415

    with urllib3.PoolManager(ssl_context=context, retries=False, timeout=CALL_SECONDS) as pool:
        yield lambda url: pool.request("GET", url).status


@contextmanager
def aiohttp_session(context: ssl.SSLContext, _url: str) -> Iterator[Get]:
    """aiohttp, on an event loop of its own that runs only during a call."""
    import aiohttp  # noqa: PLC0415

    async def start() -> aiohttp.ClientSession:
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context), timeout=timeout)

    with asyncio.Runner() as runner:
        session = runner.run(start())

        async def get(url: str) -> int:
            async with session.get(url) as response:
                await response.read()
                return response.status

        try:
            yield lambda url: runner.run(get(url))
        finally:
            runner.run(session.close())


SESSIONS: dict[str, Session] = {
    "http.client": http_client_session,
    "httpx2": httpx2_session,
    "httpx": httpx_session,
    "requests": requests_session,
    "aiohttp": aiohttp_session,
    "urllib3": urllib3_session,
}


def installed(library: str) -> bool:
    """Whether a library can be imported."""
    return find_spec(library) is not None

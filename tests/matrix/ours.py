"""Our clients at servers of other makes."""

import asyncio
import socket
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import aiohttp
import requests

from mutua.cli.demo.clients.client import CALL_SECONDS
from mutua.cli.demo.seeing import Sight, answered, in_exception
from mutua.doctor.call import CallObservation
from mutua.outbound.call import call
from mutua.outbound.handshaking import target_of
from mutua.outbound.probing import probe
from mutua.outbound.requests import MutualTLSAdapter
from tests.matrix.cells import ADMITTED, NO_WORD, Cells, Place, cell, settled
from tests.matrix.parties import ROLES, Parties
from tests.matrix.servers import Ports
from tests.outbound.clients.callers import Caller
from tests.outbound.clients.clients import (
    with_http_client,
    with_httpx,
    with_httpx2,
    with_urllib3_without_retries,
)


def with_requests(caller: Caller, url: str) -> Any:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", MutualTLSAdapter(caller.context))
        return session.get(url, timeout=CALL_SECONDS)


def with_aiohttp(caller: Caller, url: str) -> Any:
    return asyncio.run(_with_aiohttp(caller, url))


async def _with_aiohttp(caller: Caller, url: str) -> aiohttp.ClientResponse:
    made: list[socket.socket] = []

    def make(address: Any) -> socket.socket:
        made.append(socket.socket(*address[:3]))
        return made[-1]

    try:
        connector = aiohttp.TCPConnector(ssl=caller.context, socket_factory=make)
        async with aiohttp.ClientSession(connector=connector) as session, session.get(url) as response:
            await response.read()
            return response
    finally:
        # A closed session leaves connections that the server ends to the loop, and this loop ends with the call.
        async with asyncio.timeout(CALL_SECONDS):
            while any(each.fileno() != -1 for each in made):  # noqa: ASYNC110 -- nothing tells of a closed socket
                await asyncio.sleep(0.001)


def with_mutua_call(caller: Caller, url: str) -> Any:
    result = call(url, identity=caller.identity, trust=caller.trust)
    if result.answer is None:
        return _sight(result.observation)
    return SimpleNamespace(status=result.answer.status)


CLIENTS: dict[str, Callable[[Caller, str], Any]] = {
    "httpx2": with_httpx2,
    "httpx": with_httpx,
    "requests": with_requests,
    "urllib3": with_urllib3_without_retries,
    "aiohttp": with_aiohttp,
    "http.client": with_http_client,
    "mutua call": with_mutua_call,
}


def cells_of(server: str, ports: Ports, parties: Parties) -> Cells:
    """Everybody as everybody at every listener of a server."""
    callers = parties.callers()
    found: Cells = {}
    for (key, version), port in ports.items():
        url = f"https://127.0.0.1:{port}/"
        for role in ROLES:
            caller = callers[role, key]
            verdict = verdict_on(caller, url)
            for name, get in CLIENTS.items():
                seen = cell(_seen(get, caller, url))
                found[Place(server, version, key, name, role)] = settled(seen, verdict, version, name)
    return found


def verdict_on(caller: Caller, url: str) -> str:
    """What the handshake alone says: a probe writes nothing, so nothing overtakes the server's alert."""
    seen = probe(target_of(url), identity=caller.identity, trust=caller.trust)
    return seen.alert or (NO_WORD if seen.closed else ADMITTED)


def _seen(get: Callable[[Caller, str], Any], caller: Caller, url: str) -> Sight:
    try:
        answer = get(caller, url)
    except Exception as error:
        return in_exception(error)
    if isinstance(answer, Sight):
        return answer
    return answered(getattr(answer, "status_code", None) or answer.status)


def _sight(seen: CallObservation) -> Sight:
    if seen.alert:
        return Sight(f"alert {seen.alert}")
    return Sight("connection closed" if seen.closed else "error", seen.error)

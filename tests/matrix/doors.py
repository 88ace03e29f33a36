"""Programs of other makes at our doors."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from mutua.cli.demo.clients import find_java, find_undici
from mutua.cli.demo.clients.client import Call, Client
from mutua.cli.demo.clients.programs import Curl, Wget
from mutua.cli.demo.clients.runtimes import java_http_client, node_fetch, node_https
from tests.inbound.doors.doors import DOORS as ALL_DOORS
from tests.matrix.cells import Cells, Place, cell, settled
from tests.matrix.ours import verdict_on
from tests.matrix.parties import KEYS, ROLES, VERSIONS, Parties, server_name
from tests.matrix.servers import Ports
from tests.outbound.clients.callers import Caller
from tests.serving import Serving

DOORS = {"uvicorn": tuple(KEYS), "hypercorn": ("P-256",), "gunicorn-gthread": ("P-256",)}
"""With which keys each is called: TLS is OpenSSL's behind all of them, so one is enough for all."""

PROGRAMS = ("curl", "wget", "node", "java")
"""What has to be installed, beside undici from npm."""

Find = Callable[[str], str]
"""From a program's name to its path."""


@contextmanager
def running(door: str, parties: Parties) -> Iterator[Ports]:
    """A server for each key."""
    with ExitStack() as stack:
        ports: Ports = {}
        for key in DOORS[door]:
            kind = ALL_DOORS[door]
            serving = Serving.start(
                parties.home, identity=server_name(key), loop=kind.loop, app=kind.app, arguments=kind.arguments
            )
            stack.callback(serving.stop)
            ports |= {(key, version): serving.port for version in VERSIONS}
        yield ports


@contextmanager
def clients(folder: Path, find: Find) -> Iterator[list[Client]]:
    """All of them; those that stay running are ended."""
    java, undici = find_java(), find_undici()
    assert java is not None, "a JDK is needed: javac is missing"
    assert undici is not None, "undici is needed: npm ci --prefix tests/peers/node"
    node = find("node")
    made: list[Client] = []
    with ExitStack() as stack:
        for client in (
            Curl(find("curl")),
            Wget(find("wget")),
            node_https(node, folder),
            node_fetch(node, undici, folder),
            java_http_client(java, folder),
        ):
            stack.callback(client.close)
            made.append(client)
        yield made


def cells_of(door: str, ports: Ports, parties: Parties, clients: list[Client]) -> Cells:
    """Every program as everybody, each at work on its own list of calls."""
    callers = parties.callers()
    with ThreadPoolExecutor(len(clients)) as pool:
        parts = pool.map(lambda client: _cells_of(door, ports, parties, client, callers), clients)
        return {place: found for part in parts for place, found in part.items()}


def _cells_of(
    door: str, ports: Ports, parties: Parties, client: Client, callers: dict[tuple[str, str], Caller]
) -> Cells:
    found: Cells = {}
    for (key, version), port in ports.items():
        url = f"https://127.0.0.1:{port}/status"
        for role in ROLES:
            actor = parties.actors[role, key]
            call = Call(
                url=url,
                actor=actor,
                trust=parties.home.trust,
                ca_file=parties.ca_file,
                no_anchors=parties.nothing,
                tls_version=version,
            )
            verdict = verdict_on(callers[role, key], url)
            seen = cell(client.get(call))
            found[Place(door, version, key, client.name, role)] = settled(seen, verdict, version, client.name)
    return found

"""The story: every case with every client, and what both sides say of it."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from urllib.parse import urlsplit

from mutua.cli.demo.actors import Cast
from mutua.cli.demo.cases import ADMITTED, CASES, NOTHING, Case, Evidence, Role, Row, Site
from mutua.cli.demo.clients.client import Call, Client, LiveClient
from mutua.cli.demo.server import PATIENCE_SECONDS, Line, Server
from mutua.home.home import Home

WORKERS = 4
"""Clients at work at once: most of the time each waits for a process to start."""

PROBE_SECONDS = 0.01

FORBIDDEN = 403

ANOTHER_CONNECTION = "another connection"
"""What stands in a row whose client has connected again where it should have stayed connected."""


class Story:
    """Runs the cases.

    Args:
        home: the demo's home.
        cast: whom clients present themselves as.
        servers: one for each site.
    """

    def __init__(self, home: Home, cast: Cast, servers: dict[Site, Server]) -> None:
        self._home = home
        self._cast = cast
        self._servers = servers

    def tell(self, clients: Sequence[Client], begun: Callable[[str, str], None], ended: Callable[[Row], None]) -> None:
        """Drive all clients, several at once, each case after case.

        Args:
            clients: whom to drive.
            begun: called with the client and the case, before each.
            ended: called with each row.
        """
        stopping = threading.Event()

        def drive(client: Client) -> None:
            for case in cases_for(client):
                if stopping.is_set():
                    return
                begun(client.name, case.summary)
                ended(self.row(client, case))

        with ThreadPoolExecutor(WORKERS, thread_name_prefix="mutua-demo") as pool:
            try:
                for driven in as_completed([pool.submit(drive, client) for client in clients]):
                    driven.result()
            finally:
                stopping.set()

    def row(self, client: Client, case: Case) -> Row:
        """Try one case with one client."""
        server, call = self._servers[case.site], self._call(client, case)
        with server.watched(self._cast, alone=case.evidence is Evidence.ORDER) as meanwhile:
            if isinstance(client, LiveClient) and case.live:
                sight = client.get_twice(call, lambda: self._suspend(client, server))
            else:
                sight = client.get(call)
        path = urlsplit(call.url).path
        shown = call.actor.identity.thumbprint if call.actor else None
        lines = [line for line in meanwhile if _belongs(line, case.evidence, path, shown)]
        return Row(client=client.name, case=case, saw=sight.text, logged=logged(lines, case), detail=sight.detail)

    def _call(self, client: Client, case: Case) -> Call:
        return Call(
            url=self._servers[case.site].url(f"/demo/{client.slug}/{case.name}"),
            actor=self._cast.actor(case.role, client.slug),
            trust=self._cast.trust,
            ca_file=self._cast.ca_file,
            no_anchors=self._cast.no_anchors,
        )

    def _suspend(self, client: Client, server: Server) -> None:
        """Suspend the client's leaver, and wait until the server refuses it, as seen on another connection."""
        self._home.clients.suspend(self._cast.leaver(client.slug))
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            if server.request(self._cast, f"/demo/{client.slug}/probe", Role.LEAVER, client.slug) == FORBIDDEN:
                return
            time.sleep(PROBE_SECONDS)


def cases_for(client: Client) -> tuple[Case, ...]:
    """The cases a client can take part in."""
    return tuple(case for case in CASES if isinstance(client, LiveClient) or not case.live)


def _belongs(line: Line, evidence: Evidence, path: str, thumbprint: str | None) -> bool:
    if "path" in line:
        return bool(line["path"] == path)
    if evidence is Evidence.ORDER:
        return line["thumbprint"] is None
    return thumbprint is not None and bool(line["thumbprint"] == thumbprint)


def logged(lines: Sequence[Line], case: Case) -> str:
    """What a server said of a row: the reason in its last line, ``admitted``, or nothing.

    A live case has two lines; the second counts only if the first let the client in on the same connection.
    """
    verdicts = [str(line.get("reason", ADMITTED)) for line in lines]
    if not verdicts:
        return NOTHING
    if not case.live:
        return verdicts[-1]
    if len(lines) == 1:
        return f"one request: {verdicts[0]}"
    if len(lines) != 2 or verdicts[0] != ADMITTED or verdicts[1] == ADMITTED:
        return ", ".join(verdicts)
    return verdicts[1] if lines[0]["peer"] == lines[1]["peer"] else ANOTHER_CONNECTION

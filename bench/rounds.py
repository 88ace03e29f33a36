"""Alternating rounds: every server in turn, forwards and then backwards, so that a drift hits all alike."""

import ssl
import statistics
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench import load
from bench.certificates import Files, client_identity, server_identity
from bench.servers import Kind, Server, cores
from mutua import Home
from mutua.pki.keys import KeyType

REFERENCE = "uvicorn"

HANDSHAKE = "handshake"
BUSY = "busy"
ALONE = "alone"

WARM_UP_HANDSHAKES = 40
WARM_UP_REQUESTS = 1500


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        key_types: of both sides' certificates.
        loops: event loops of the Python servers.
        measures: of ``HANDSHAKE``, ``BUSY`` and ``ALONE``.
        rounds: how often each server has its turn.
        handshakes: in a turn.
        requests: in a turn.
        warm_up: a share of the warm-up; 0 for none.
    """

    key_types: tuple[KeyType, ...] = (KeyType.P256, KeyType.RSA2048)
    loops: tuple[str, ...] = ("uvloop", "asyncio")
    measures: tuple[str, ...] = (HANDSHAKE, BUSY, ALONE)
    rounds: int = 9
    handshakes: int = 50
    requests: int = 1200
    warm_up: float = 1.0

    def groups(self) -> list[list[Kind]]:
        """Servers that are measured side by side; bare uvicorn is in each."""
        groups = [
            [Kind(server, loop, access_line) for server in ("mutua", REFERENCE)]
            for loop in self.loops
            for access_line in (True, False)
        ]
        others = [kind for kind in (Kind("nginx"), Kind("node")) if kind.installed]
        # They write no access line, so they stand beside the first pair that writes none either.
        groups[1] += others
        return groups


@dataclass
class Row:
    """Server CPU microseconds of one server for one measure, a figure for each round."""

    key_type: KeyType
    measure: str
    group: Kind
    kind: Kind
    microseconds: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.microseconds)

    @property
    def ratio(self) -> float:
        """The median over the rounds of this server's figure divided by the reference's of the same round."""
        return statistics.median(self.ratios)

    @property
    def bound(self) -> float | None:
        """What mutua may cost at most; lower is better, and the others have no bound."""
        if self.kind.server != "mutua":
            return None
        return 1.10 if self.measure == HANDSHAKE or self.kind.access_line else 1.25

    @property
    def held(self) -> bool:
        return self.bound is None or self.ratio <= self.bound


def measure(plan: Plan, home: Home, folder: Path, tell: Callable[[str], None]) -> list[Row]:
    """Run the plan; the load, in this process, has to be on its core already."""
    rows = []
    core, _ = cores()
    for key_type in plan.key_types:
        context = home.identities.load(client_identity(key_type)).client_context(home.trust)
        files = Files(home.path, server_identity(key_type))
        for number, kinds in enumerate(plan.groups()):
            tell(f"{key_type.value}: {', '.join(map(str, kinds))}")
            with ExitStack() as running:
                servers = []
                for kind in kinds:
                    place = folder / f"{key_type.value}-{number}-{kind.server}"
                    servers.append(running.enter_context(Server.start(kind, files, place, core)))
                rows += _measure_group(plan, key_type, context, servers)
    return rows


def _measure_group(plan: Plan, key_type: KeyType, context: ssl.SSLContext, servers: list[Server]) -> list[Row]:
    for server in servers:
        if plan.warm_up:
            load.handshakes(server, context, round(WARM_UP_HANDSHAKES * plan.warm_up))
            load.requests(server, context, round(WARM_UP_REQUESTS * plan.warm_up), load.BUSY_CONNECTIONS)
    turns: dict[str, Callable[[Server], float]] = {
        HANDSHAKE: partial(load.handshakes, context=context, count=plan.handshakes),
        BUSY: partial(load.requests, context=context, count=plan.requests, connections=load.BUSY_CONNECTIONS),
        ALONE: partial(load.requests, context=context, count=plan.requests, connections=1),
    }
    rows = []
    for name in plan.measures:
        group = [Row(key_type, name, servers[0].kind, server.kind) for server in servers]
        for number in range(plan.rounds):
            _one_round(group, servers, turns[name], backwards=bool(number % 2))
        rows += group
    return rows


def _one_round(group: list[Row], servers: list[Server], turn: Callable[[Server], float], *, backwards: bool) -> None:
    pairs = list(zip(group, servers, strict=True))
    for row, server in reversed(pairs) if backwards else pairs:
        row.microseconds.append(turn(server))
    reference = next(row for row in group if row.kind.server == REFERENCE).microseconds[-1]
    for row in group:
        row.ratios.append(row.microseconds[-1] / reference)


def missed(rows: Iterable[Row]) -> list[Row]:
    """The rows whose bound did not hold."""
    return [row for row in rows if not row.held]

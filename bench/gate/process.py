"""The process that is the gate and measures itself: ``python -m bench.gate.process HOME TRIALS``, a line of JSON."""

import json
import random
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.gate.population import thumbprints
from mutua import Home
from mutua.gate.decision import Refusal, Request
from mutua.inbound.live_gate import LiveGate
from mutua.pki.certificates import write_der
from mutua.registry.clients import KnownClient
from mutua.tls.peer import PeerCertificate
from tests.pki.hierarchy import make_root

ASKED = 20_000
REQUEST = Request("GET", "/status", b"/status")
PATIENCE_SECONDS = 30


@dataclass(frozen=True)
class Gate:
    """What one registry costs.

    Attributes:
        first_us: the median of a decision on a peer that was not seen yet, in microseconds.
        next_us: of one that was.
        unknown_us: of one that nobody knows.
        start_seconds: from nothing to the first decision.
        memory_mib: what the process grew by.
        change_ms: from the return of a suspension to the first refusal, the longest of all trials.
    """

    first_us: float
    next_us: float
    unknown_us: float
    start_seconds: float
    memory_mib: float
    change_ms: float


def measure(folder: Path, trials: int) -> Gate:
    """Open the home, decide, and change it."""
    known = thumbprints(folder, ASKED)
    random.Random(1).shuffle(known)
    before, began = _memory_mib(), time.perf_counter()
    with Home.open(folder) as home:
        gate = LiveGate(home)
        try:
            gate.trust.client_context()
            start = time.perf_counter() - began
            memory = _memory_mib() - before
            peers, strangers = _peers(known), _peers([f"{number:x<43}" for number in range(len(known))])
            first, again, unknown = _median_us(gate, peers), _median_us(gate, peers), _median_us(gate, strangers)
            assert isinstance(gate.decide(strangers[0], REQUEST), Refusal)
            assert not isinstance(gate.decide(peers[0], REQUEST), Refusal)
            changes = [_change_ms(home, gate, peers[number % len(peers)]) for number in range(trials)]
        finally:
            gate.close()
    return Gate(first, again, unknown, start, memory, max(changes))


def _median_us(gate: LiveGate, peers: Sequence[PeerCertificate]) -> float:
    figures = []
    for peer in peers:
        began = time.perf_counter_ns()
        gate.decide(peer, REQUEST)
        figures.append(time.perf_counter_ns() - began)
    return statistics.median(figures) / 1000


def _change_ms(home: Home, gate: LiveGate, peer: PeerCertificate) -> float:
    admitted = gate.decide(peer, REQUEST)
    assert isinstance(admitted, KnownClient)
    home.clients.suspend(admitted.name)
    returned = time.perf_counter()
    while not isinstance(gate.decide(peer, REQUEST), Refusal):
        if time.perf_counter() - returned > PATIENCE_SECONDS:
            raise RuntimeError("the gate does not follow")
        time.sleep(0.0005)
    seconds = time.perf_counter() - returned
    home.clients.resume(admitted.name)
    while isinstance(gate.decide(peer, REQUEST), Refusal):
        time.sleep(0.0005)
    return seconds * 1000


def _peers(those: Sequence[str]) -> list[PeerCertificate]:
    """One certificate stands for all: what is looked up is the thumbprint."""
    leaf, now = make_root().certificate, datetime.now(UTC)
    chain, day = (write_der(leaf),), timedelta(days=1)
    return [PeerCertificate(leaf, chain, thumbprint, now - day, now + day) for thumbprint in those]


def _memory_mib() -> float:
    """What the process holds now: the kernel's highest figure begins with that of whoever started the process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


if __name__ == "__main__":
    print(json.dumps(asdict(measure(Path(sys.argv[1]), int(sys.argv[2])))))

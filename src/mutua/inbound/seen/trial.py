"""A trial of other grants: which of a client's admitted requests they would refuse, and refuse none.

Only grants are tried, never who it is. A request that is refused anyway says nothing of them.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from threading import Lock
from typing import Any

from mutua.errors import InvalidGrant
from mutua.gate.decision import Decision, Request
from mutua.gate.snapshot import Rules
from mutua.inbound.live_gate import LiveGate
from mutua.inbound.seen.answering import Caller
from mutua.inbound.seen.ring import bounded
from mutua.registry.clients import KnownClient
from mutua.registry.grants import Grant

MAX_TRIALS = 8
"""At once in a worker; each costs every request that is admitted a comparison."""

MAX_KINDS = 1000
"""Of requests, by method and path, that a trial tells apart: as many as refusals are remembered; 2 MiB at the most."""

TELL_SECONDS = 0.2
"""Between two looks at what is new. A request only counts, and wakes nobody up."""


class Trial:
    """Counts the admitted requests of a client that some grants would refuse; any thread may count and read.

    Args:
        client: its name.
        grants: as if it had these and no others.
    """

    def __init__(self, client: str, grants: Iterable[Grant]) -> None:
        self._client = client
        self._rules = Rules(tuple(grants))
        self._counts: dict[tuple[str, str], int] = {}
        self._fresh: dict[tuple[str, str], float] = {}
        self._others = 0
        self._others_told = 0
        self._counting = Lock()

    def note(self, decision: Decision, request: Request) -> None:
        """Look at a decision; see ``LiveGate.watching``."""
        if not isinstance(decision, KnownClient) or decision.name != self._client:
            return
        if self._rules.allow(request.method, request.path):
            return
        kind = bounded(request.method), bounded(request.path)
        with self._counting:
            if kind not in self._counts and len(self._counts) >= MAX_KINDS:
                self._others += 1
                return
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._fresh[kind] = time.time()

    def news(self) -> list[dict[str, Any]]:
        """Each kind of request that came since the last call, how often it came in all, and when it did last."""
        with self._counting:
            told: list[dict[str, Any]] = [
                {"method": method, "path": path, "count": self._counts[method, path], "at": at}
                for (method, path), at in self._fresh.items()
            ]
            self._fresh.clear()
            if self._others > self._others_told:
                told.append({"others": self._others})
                self._others_told = self._others
        return told


async def try_grants(caller: Caller, gate: LiveGate, question: Mapping[str, Any]) -> None:
    """Answer a question for a trial, as long as the caller listens. One too many is not begun.

    Raises:
        ValueError: it is no such question.
    """
    trial = asked(question, gate.public)
    if len(gate.watching) >= MAX_TRIALS:
        await caller.tell(b'{"trial": false}\n')
        return
    watch = trial.note
    gate.watching = (*gate.watching, watch)
    try:
        await caller.tell_on(lambda ended: _lines(trial, ended))
    finally:
        gate.watching = tuple(each for each in gate.watching if each is not watch)


async def _lines(trial: Trial, ended: asyncio.Event) -> AsyncIterator[bytes]:
    yield b'{"trial": true}\n'
    while not ended.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), TELL_SECONDS)
        for each in trial.news():
            yield json.dumps(each).encode("ascii") + b"\n"
    yield b'{"end": true}\n'


def asked(question: Mapping[str, Any], public: Iterable[Grant] = ()) -> Trial:
    """The trial that a question asks for.

    Args:
        question: as it was sent.
        public: what needs no grant, whichever there are.

    Raises:
        ValueError: it asks for none.
    """
    client, grants = question.get("client"), question.get("grants")
    if not isinstance(client, str) or not isinstance(grants, list):
        raise ValueError("not a question for a trial")  # noqa: TRY004 -- what was sent
    try:
        return Trial(client, [*public, *(Grant.parse(each) for each in grants if isinstance(each, str))])
    except InvalidGrant as error:
        raise ValueError(error.message) from None

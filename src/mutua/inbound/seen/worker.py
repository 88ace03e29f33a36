"""What a worker tells whoever runs it, on its socket in the home's ``run/``.

A question is a line of JSON, the answer some more, the last ``{"end": true}``:

    {"ask": "state"}                                  -> counts, snapshot, identity
    {"ask": "refusals", "of": instance, "after": n}   -> the instance, then those behind number n, or all it keeps
    {"ask": "certificate", "id": id}                  -> a refusal with the certificate that was shown

One answer goes on until whoever asked hangs up, see ``trial``; without ``true`` it ends at once:

    {"ask": "trial", "client": name, "grants": [...]} -> {"trial": true}, then what those grants would refuse
"""

import json
import logging
import os
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mutua.errors import DiskFull, UnreadableFile
from mutua.home.home import Home
from mutua.inbound.live_gate import LiveGate
from mutua.inbound.seen.answering import Answering, Caller
from mutua.inbound.seen.record import RECORD, Record
from mutua.inbound.seen.run_folder import credentials, listen
from mutua.inbound.seen.state import WorkerState
from mutua.inbound.seen.trial import try_grants
from mutua.tls.identity import Identity

log = logging.getLogger("mutua.seen")


class Seen:
    """A worker that can be asked what it sees. Made by ``seen``.

    Attributes:
        path: of its socket; ``None`` if it has none.
    """

    def __init__(
        self, home: Path, gate: LiveGate, identity: Callable[[], Identity] | None = None, record: Record = RECORD
    ) -> None:
        self.path: Path | None = None
        self._home = home
        self._gate = gate
        self._identity = identity
        self._record = record
        self._instance = os.urandom(8).hex()
        self._started = time.time()
        self._is_ready = False
        self._allowed = {os.geteuid(), home.stat().st_uid, 0}
        self._answering: Answering | None = None

    def start(self) -> None:
        """Begin to answer.

        Raises:
            UnsafeHome: others can write ``run/``, or own it.
        """
        try:
            listener, self.path = listen(self._home)
            self._answering = Answering("mutua-seen", listener, self._exchange)
            self._answering.start()
        except (UnreadableFile, DiskFull) as error:
            log.warning("nobody can ask this process what it sees: %s", error.message)

    def ready(self) -> None:
        """Say that connections are accepted from now on."""
        self._is_ready = True

    def on_start(self, then: Callable[[int], object] | None = None) -> Callable[[int], None]:
        """What a door calls with its port once it accepts connections.

        Args:
            then: whoever else is to be called with it.
        """

        def started(port: int) -> None:
            self.ready()
            if then is not None:
                then(port)

        return started

    def close(self) -> None:
        """Answer no more."""
        if self._answering is not None:
            self._answering.close()
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def state(self) -> WorkerState:
        """What it says of itself now."""
        identity = self._identity() if self._identity is not None else None
        handshakes, seconds = self._record.handshakes.read()
        return WorkerState(
            instance=self._instance,
            pid=os.getpid(),
            started=self._started,
            is_ready=self._is_ready,
            admitted=self._record.admitted.value,
            refused={reason.value: counter.value for reason, counter in self._record.refused.items()},
            last_hour={reason.value: number for reason, number in self._record.last_hour.read().items()},
            handshakes=handshakes,
            handshake_seconds=seconds,
            snapshot_version=self._gate.version,
            snapshot_age=self._gate.age,
            max_stale=self._gate.max_stale,
            identity_thumbprint=identity.thumbprint if identity else None,
            identity_ends=identity.not_after.timestamp() if identity else None,
        )

    async def _exchange(self, caller: Caller) -> None:
        _, uid = credentials(caller.connection)
        if uid not in self._allowed:
            log.warning("the user %d asked what this process sees, and is not told", uid)
            return
        question = _read(await caller.question(b"\n"))
        if question.get("ask") == "trial":
            await try_grants(caller, self._gate, question)
            return
        for line in self._answers(question):
            await caller.tell(json.dumps(line).encode("ascii") + b"\n")
        await caller.tell(b'{"end": true}\n')

    def _answers(self, question: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
        match question:
            case {"ask": "state"}:
                yield self.state().as_json()
            case {"ask": "refusals"}:
                yield {"instance": self._instance}
                after = question.get("after") if question.get("of") == self._instance else 0
                for each in self._record.refusals.since(after if isinstance(after, int) else 0):
                    yield {"number": each.number, "at": each.at, **each.as_json()}
            case {"ask": "certificate", "id": str(identifier)}:
                found = self._record.refusals.find(identifier)
                if found is not None:
                    shown = None if found.certificate is None else b64encode(found.certificate).decode("ascii")
                    yield {"number": found.number, "at": found.at, **found.as_json(), "certificate": shown}


@contextmanager
def seen(home: Home | Path, gate: LiveGate, identity: Callable[[], Identity] | None = None) -> Iterator[Seen]:
    """Let the owner of the home ask this process what it admits and refuses, as long as the block runs.

    Every door runs in one, in the process that decides (after a fork), and calls ``ready`` or ``on_start`` once it
    accepts connections. Where no socket can be made, that is told of in the log, and the block runs without.

    Args:
        home: whose ``run/``; the folder is enough.
        gate: decides in this process.
        identity: what the process shows at the moment, if it is it that ends TLS.

    Raises:
        UnsafeHome: others can write ``run/``, or own it.
    """
    made = Seen(home if isinstance(home, Path) else home.path, gate, identity)
    made.start()
    try:
        yield made
    finally:
        made.close()


def _read(line: bytes) -> Mapping[str, Any]:
    try:
        question = json.loads(line)
    except RecursionError:
        question = None
    if not isinstance(question, dict):
        raise ValueError("not a question")  # noqa: TRY004 -- what was sent
    return question

"""Asking every worker of a home at once. Those that are dead are passed over; those that hang are named."""

import json
import socket
import time
from base64 import b64decode
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mutua.errors import HomeNotFound, InvalidInput
from mutua.home.files import require_private
from mutua.home.settings import SETTINGS_FILE
from mutua.inbound.seen.run_folder import FOLDER, connect, credentials, parent_of, sockets
from mutua.inbound.seen.state import WorkerState

ANSWER_SECONDS = 2.0
"""How long a worker may take; a busy one takes milliseconds."""

MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""A thousand refusals at their longest, each character of them escaped, take 20 MiB."""

AT_ONCE = 16

_FAR_FUTURE = 253_402_300_800.0
"""Seconds since 1970: the year 10,000, beyond the calendar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker that listens.

    Attributes:
        name: of its socket.
        pid: as the kernel has it; 0 where it is in another container.
        answer: what it said; ``None`` if it hangs.
    """

    name: str
    pid: int
    answer: tuple[Mapping[str, Any], ...] | None

    @property
    def state(self) -> WorkerState | None:
        """What it says of itself, if it was asked for that."""
        try:
            return WorkerState.read(self.answer[0]) if self.answer else None
        except ValueError:
            return None

    def is_of(self, server: int) -> bool:
        """Whether it is the process with this pid, or was started by it."""
        return self.pid != 0 and server in {self.pid, parent_of(self.pid)}


def require_home(path: Path) -> None:
    """See to it that there is a home, whatever became of its store.

    Raises:
        HomeNotFound: there is none. UnsafeHome: another user owns the folder or can write it.
    """
    if not (path / SETTINGS_FILE).is_file():
        raise HomeNotFound(f"there is no home at '{path}'", hint="mutua init")
    require_private(path)


def states(home: Path) -> list[Worker]:
    """Every worker of a home, with its state.

    Raises:
        UnsafeHome: others can write ``run/``, or own it.
    """
    return _ask((each, {"ask": "state"}) for each in sockets(home.absolute() / FOLDER))


class Refusals:
    """The refusals of every worker of a home, as they come.

    Args:
        home: the folder.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home.absolute() / FOLDER
        self._read: dict[str, tuple[str, int]] = {}
        self.missed = 0
        self.silent: list[str] = []

    def fresh(self) -> list[Mapping[str, Any]]:
        """Those that were not told of before, the newest last. ``missed`` counts those that were forgotten before they
        could be asked for, and ``silent`` names the workers that hang.

        Raises:
            UnsafeHome: others can write ``run/``, or own it.
        """
        found: list[Mapping[str, Any]] = []
        workers = _ask((each, self._question(each.name)) for each in sockets(self._folder))
        self._read = {each.name: self._read[each.name] for each in workers if each.name in self._read}
        self.silent = [each.name for each in workers if each.answer is None]
        for each in workers:
            found += self._of(each)
        return sorted(found, key=lambda refusal: refusal["at"])

    def _question(self, name: str) -> dict[str, Any]:
        instance, number = self._read.get(name, ("", 0))
        return {"ask": "refusals", "of": instance, "after": number}

    def _of(self, worker: Worker) -> list[Mapping[str, Any]]:
        if not worker.answer or not isinstance(instance := worker.answer[0].get("instance"), str):
            return []
        refusals = [each for each in worker.answer[1:] if _is_refusal(each)]
        known, number = self._read.get(worker.name, ("", 0))
        number = number if known == instance else 0
        if refusals:
            if known == instance:
                self.missed += refusals[0]["number"] - number - 1
            number = refusals[-1]["number"]
        self._read[worker.name] = instance, number
        return refusals


def refused_certificate(home: Path, identifier: str) -> tuple[Mapping[str, Any], bytes]:
    """A recent refusal and the certificate that was refused, in DER.

    Args:
        home: the folder.
        identifier: as ``mutua gate refusals`` and the log have it.

    Raises:
        InvalidInput: no worker remembers it, or there was no certificate.
        HomeNotFound, UnsafeHome: there is no home to ask, or not one to trust.
    """
    require_home(home)
    question = {"ask": "certificate", "id": identifier}
    asked = _ask((each, question) for each in sockets(home.absolute() / FOLDER))
    found = [each for worker in asked for each in worker.answer or () if _is_refusal(each) and each["id"] == identifier]
    if not found:
        raise InvalidInput(
            f"no gate that runs here remembers the refusal {identifier[:40]!r}", hint="mutua gate refusals"
        )
    shown = found[0].get("certificate")
    if not isinstance(shown, str):
        raise InvalidInput(
            f"the refusal {identifier!r} came without a certificate that could be kept",
            hint="ask the client for its certificate: mutua client trust NAME --cert FILE",
        )
    try:
        return found[0], b64decode(shown, validate=True)
    except ValueError:
        raise InvalidInput(f"the certificate of {identifier!r} was not told whole", hint="do it again") from None


def _is_refusal(line: Mapping[str, Any]) -> bool:
    texts = ("id", "time", "reason", "detail", "peer")
    perhaps = ("client", "thumbprint", "method", "path")
    return (
        isinstance(line.get("at"), float)
        and 0 <= line["at"] < _FAR_FUTURE
        and type(line.get("number")) is int
        and all(isinstance(line.get(name), str) for name in texts)
        and all(isinstance(line.get(name), str | None) for name in perhaps)
    )


def _ask(questions: Iterable[tuple[Path, Mapping[str, Any]]]) -> list[Worker]:
    with ThreadPoolExecutor(AT_ONCE, "mutua-asking") as pool:
        return [each for each in pool.map(lambda each: _ask_one(*each), questions) if each is not None]


def _ask_one(path: Path, question: Mapping[str, Any]) -> Worker | None:
    try:
        connection = connect(path, ANSWER_SECONDS)
    except (ConnectionRefusedError, FileNotFoundError):
        return None
    except OSError:
        return Worker(name=path.name, pid=0, answer=None)
    with connection:
        pid, _ = credentials(connection)
        try:
            return Worker(name=path.name, pid=pid, answer=_answer(connection, question))
        except (OSError, ValueError, RecursionError):
            return Worker(name=path.name, pid=pid, answer=None)


def _answer(connection: socket.socket, question: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    deadline = time.monotonic() + ANSWER_SECONDS
    connection.sendall(json.dumps(question).encode("ascii") + b"\n")
    parts, size = [], 0
    while part := connection.recv(65_536):
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER_BYTES or time.monotonic() > deadline:
            raise ValueError("too long an answer")
        connection.settimeout(max(0.001, deadline - time.monotonic()))
    lines = [json.loads(line) for line in b"".join(parts).splitlines()]
    if not lines or lines.pop() != {"end": True} or not all(isinstance(line, dict) for line in lines):
        raise ValueError("not a whole answer")
    return tuple(lines)

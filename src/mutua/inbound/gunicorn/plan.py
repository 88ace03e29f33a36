"""What the arbiter tells its workers, and they it. Made before any process is forked."""

import json
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mutua import errors
from mutua.errors import InvalidSettings, MutuaError
from mutua.tls.identity import Identity

MAX_WORD_BYTES = 64 * 1024
"""Of what a worker says at its start; an error is a line or two."""


class Words:
    """What workers have to say about their start."""

    def __init__(self) -> None:
        self._arbiters, self._workers = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._arbiters.settimeout(0)
        self._workers.settimeout(1)

    def ready(self) -> None:
        """Said by a worker: it serves."""
        self._say({})

    def failed(self, error: MutuaError) -> None:
        """Said by a worker: it cannot start."""
        self._say({"error": type(error).__name__, "message": error.message, "hint": error.hint})

    def _say(self, word: dict[str, str]) -> None:
        with suppress(OSError):  # the arbiter is gone, or has heard enough
            self._workers.send(json.dumps(word).encode()[:MAX_WORD_BYTES])

    def heard(self) -> list[MutuaError | None]:
        """What was said since the last call: an error, or ``None`` of a worker that is ready."""
        words: list[MutuaError | None] = []
        while True:
            try:
                words.append(_read(self._arbiters.recv(MAX_WORD_BYTES)))
            except OSError:
                return words

    def close(self) -> None:
        self._arbiters.close()
        self._workers.close()


def _read(data: bytes) -> MutuaError | None:
    try:
        word = json.loads(data)
    except ValueError:
        return InvalidSettings("a worker did not start, and its message is cut short")
    if not word:
        return None
    kind = getattr(errors, word["error"], InvalidSettings)
    try:
        made: MutuaError = kind(word["message"], hint=word["hint"])
    except TypeError:
        made = InvalidSettings(word["message"], hint=word["hint"])
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What each worker needs to begin.

    Attributes:
        app: ``module:attribute``, or the application itself.
        home: the folder.
        identity: who the server is, or the path that is watched; ``None`` behind a proxy that has ended TLS.
        is_unix: whether it is served on a Unix socket.
        forwards: whether a proxy may forward.
        words: tells the arbiter how it went.
        sightings: takes what the worker's gate has seen.
    """

    app: Any
    home: Path
    identity: Identity | Path | None
    is_unix: bool = False
    forwards: bool = False
    words: Words = field(default_factory=Words)
    sightings: "socket.socket"

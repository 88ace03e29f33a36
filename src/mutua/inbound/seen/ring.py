"""The last refusals of a process, with the certificate that was refused; however many there are, in bounded memory."""

import os
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from threading import Lock
from typing import Any

MAX_REFUSALS = 1000
"""Remembered; with everything at its longest they take 20 MiB."""

MAX_TEXT = 256
"""Characters kept of what a peer has a say in: path, detail, method. The line in the log has all of it."""

MAX_KEPT_BYTES = 16 * 1024
"""Of a certificate: what fits into one TLS record (RFC 8446 section 5.1). Longer ones are not kept; most take two."""

ID_BYTES = 6
"""Of a refusal's id. Random, for workers do not know of each other: with a million refusals in memory on one machine,
the next has one chance in 281 million of an id that is taken; with four bytes, one in 4,000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRefusal:
    """A refusal, as the ring keeps it.

    Attributes:
        number: 1, 2, 3, ... in its process.
        id: 12 hex digits, its own on this machine.
        at: seconds since 1970.
        reason: the stable reason.
        detail: what exactly was wrong.
        client: the client's name, as far as it is known.
        thumbprint: x5t#S256 of the certificate that was shown, if one was.
        peer: address and port.
        method, path: of the request; ``None`` when the handshake failed.
        certificate: what was shown, in DER; ``None`` if nothing was, or too much.
    """

    number: int
    id: str
    at: float
    reason: str
    detail: str
    client: str | None
    thumbprint: str | None
    peer: str
    method: str | None
    path: str | None
    certificate: bytes | None = field(default=None, repr=False)

    def as_json(self) -> dict[str, Any]:
        """Everything but the certificate, which is asked for by id."""
        return {
            "id": self.id,
            "time": datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds"),
            "reason": self.reason,
            "detail": self.detail,
            "client": self.client,
            "thumbprint": self.thumbprint,
            "peer": self.peer,
            "method": self.method,
            "path": self.path,
        }


class Ring:
    """The last ``MAX_REFUSALS`` refusals; any thread may add and read."""

    def __init__(self) -> None:
        self._kept: deque[SeenRefusal] = deque(maxlen=MAX_REFUSALS)
        self._number = 0
        self._writing = Lock()

    def add(
        self,
        at: float,
        reason: str,
        detail: str,
        *,
        peer: str,
        client: str | None,
        thumbprint: str | None,
        method: str | None = None,
        path: str | None = None,
        certificate: bytes | None = None,
    ) -> str:
        """Keep one, and let the oldest go; returns its id."""
        identifier = os.urandom(ID_BYTES).hex()
        if certificate is not None and len(certificate) > MAX_KEPT_BYTES:
            certificate = None
        with self._writing:
            self._number += 1
            self._kept.append(
                SeenRefusal(
                    number=self._number,
                    id=identifier,
                    at=at,
                    reason=reason,
                    detail=bounded(detail),
                    client=None if client is None else bounded(client),
                    thumbprint=None if thumbprint is None else bounded(thumbprint),
                    peer=bounded(peer),
                    method=None if method is None else bounded(method),
                    path=None if path is None else bounded(path),
                    certificate=certificate,
                )
            )
        return identifier

    def since(self, number: int = 0, most: int = MAX_REFUSALS) -> list[SeenRefusal]:
        """Those behind ``number``, the oldest first; where there are more than ``most``, the newest of them."""
        with self._writing:
            fresh = min(len(self._kept), max(0, self._number - number), most)
            return list(islice(self._kept, len(self._kept) - fresh, None))

    def find(self, identifier: str) -> SeenRefusal | None:
        """The one with this id, if it is still kept."""
        return next((each for each in self.since() if each.id == identifier), None)


def bounded(text: str) -> str:
    """As much of a text as is kept."""
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 3]}..."

"""What a server would have logged, read again for a test to look at."""

import json
import logging
from threading import Condition
from typing import Any, Self

from mutua.inbound.access_log import access

PATIENCE_SECONDS = 10
"""How long a line is waited for; a server logs a request in the milliseconds around its answer."""


class AccessLog(logging.Handler):
    """The lines of the access log since it was opened, each parsed.

    Attributes:
        lines: the oldest first.
    """

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[dict[str, Any]] = []
        self._written = Condition()
        self._looked_at = 0
        self._level = access.level

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line."""
        with self._written:
            self.lines.append(json.loads(record.getMessage()))
            self._written.notify_all()

    @property
    def refusals(self) -> list[dict[str, Any]]:
        """Of them, those about somebody who was refused."""
        return [line for line in self.lines if line["event"] == "refused"]

    @property
    def admissions(self) -> list[dict[str, Any]]:
        """Of them, those about somebody who was admitted."""
        return [line for line in self.lines if line["event"] == "admitted"]

    def next(self, event: str = "", *, timeout: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """The next line that was not given yet, waited for: a server may write it after it has answered.

        Args:
            event: ``admitted`` or ``refused`` passes over the others.
            timeout: seconds.

        Raises:
            AssertionError: there is none within the time.
        """
        with self._written:
            while True:
                if not self._written.wait_for(lambda: len(self.lines) > self._looked_at, timeout):
                    raise AssertionError(f"no line {event!r} in the access log within {timeout} s: {self.lines}")
                line = self.lines[self._looked_at]
                self._looked_at += 1
                if not event or line["event"] == event:
                    return line

    def __enter__(self) -> Self:
        access.addHandler(self)
        access.setLevel(logging.INFO)
        return self

    def __exit__(self, *_: object) -> None:
        access.removeHandler(self)
        access.setLevel(self._level)

"""A thread that looks at things outside the process again and again, so that no request has to."""

import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger("mutua.watching")


class Watcher:
    """Calls ``look`` every ``interval`` seconds on a thread of its own until it is stopped.

    Args:
        name: of the thread.
        interval: seconds.
        look: may raise; the error is logged, and it is called again.
    """

    def __init__(self, name: str, interval: float, look: Callable[[], object]) -> None:
        self._interval = interval
        self._look = look
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop looking, and wait until the last look has ended."""
        self._stopping = True
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        # A plain sleep: waiting for an event with a timeout costs twice the CPU, day and night.
        while not self._stopping:
            time.sleep(self._interval)
            try:
                self._look()
            except Exception:
                log.exception("%s failed; it goes on looking", self._thread.name)

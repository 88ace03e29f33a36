"""How a forked process ends: without going back through the frames of whoever has called ``serve``."""

import atexit
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

ENDING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})


@contextmanager
def signals_kept() -> Iterator[None]:
    """Keep the signals that end a process until the block is over; one that is forked in it gets them by ``heed``.

    The arbiter's handlers are there in the forked process too, and would swallow what ends it before its own are.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def heed() -> None:
    """Take the signals that were kept, and whatever comes; for a forked process, once its handlers are in place."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def leave(code: object) -> NoReturn:
    """End this process as ``sys.exit`` would, though nothing above is unwound: that belongs to the arbiter.

    Args:
        code: as of ``SystemExit``.
    """
    try:
        atexit._run_exitfuncs()  # noqa: SLF001 -- what an application has left to do at its end
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code if isinstance(code, int) else int(code is not None))

"""How a forked process ends: without going back through the frames of whoever has called ``serve``."""

import atexit
import logging
import os
import sys
from typing import NoReturn


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

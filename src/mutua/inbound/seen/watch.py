"""``--metrics`` and ``--health``: what a server tells monitoring, each at an address of its own or both at one."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from mutua.inbound.seen.apart import serving_apart
from mutua.inbound.seen.http import Address, bound
from mutua.inbound.seen.pages import serving


@contextmanager
def watched(
    home: Path, *, metrics: Address | None = None, health: Address | None = None, apart: bool = False
) -> Iterator[list[Address]]:
    """Serve metrics and health as long as the block runs, in the process that serves or starts the workers.

    Args:
        home: the folder of whose workers.
        metrics: where ``/metrics`` is; every worker of the home on this machine counts.
        health: where ``/healthz`` and ``/readyz`` are; only this process and those that it started count.
        apart: in a process beside this one, which forks and may have no threads.

    Yields:
        Where they are, with the ports that were picked.

    Raises:
        AddressInUse: another process listens there. InvalidAddress: the host cannot be listened on.
    """
    with ExitStack() as stack:
        wanted = dict.fromkeys(each for each in (metrics, health) if each is not None)
        listeners = {each: stack.enter_context(closing(bound(each))) for each in wanted}
        for_metrics = None if metrics is None else listeners[metrics]
        for_health = None if health is None else listeners[health]
        places = [Address(each.host, listener.getsockname()[1]) for each, listener in listeners.items()]
        if apart and listeners:
            stack.enter_context(serving_apart(home, for_metrics, for_health))
        else:
            stack.enter_context(serving(home, for_metrics, for_health, os.getpid()))
        yield places

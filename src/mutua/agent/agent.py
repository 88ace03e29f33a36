"""The agent: all identities that are watched, looked at whenever one of them is due."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from mutua.agent.memory import Memories
from mutua.agent.metrics import metrics
from mutua.agent.notices import channels
from mutua.agent.schedule import LONGEST_SLEEP, sleep_until
from mutua.agent.settings import AgentSettings
from mutua.agent.status import IdentityStatus
from mutua.agent.watch import Watch
from mutua.errors import MutuaError
from mutua.home.files import PUBLIC_FILE, update_file

AT_ONCE = 8
"""Identities that are looked at at the same time: one whose authority is silent does not hold up the others."""

log = logging.getLogger("mutua.agent")

Clock = Callable[[], datetime]


def wall_clock() -> datetime:
    """The time of day, UTC."""
    return datetime.now(UTC)


class Agent:
    """Watches identities. It sleeps nowhere: whoever has it calls ``look`` again.

    Args:
        settings: which, and whom that concerns.
        now: gives the time, UTC.
    """

    def __init__(self, settings: AgentSettings, *, now: Clock = wall_clock) -> None:
        self._settings, self._now = settings, now
        memories = Memories(settings.state)
        told = channels(settings.webhook, settings.warn_command)
        self._watches = tuple(Watch(each, memories, told, settings.trust_every, now()) for each in settings.identities)
        self._complaint = ""

    def look(self, stopping: Callable[[], bool] = bool) -> timedelta:
        """Do whatever is due, and say how long to sleep until the next look.

        Args:
            stopping: whether to leave the rest undone: somebody wants to end.
        """
        now = self._now()

        def look(watch: Watch) -> datetime:
            return now if stopping() else _looked(watch, self._now())

        with ThreadPoolExecutor(AT_ONCE, "mutua-agent") as pool:
            moments = tuple(pool.map(look, self._watches))
        self._write_metrics()
        return sleep_until(moments, self._now())

    @property
    def statuses(self) -> tuple[IdentityStatus, ...]:
        """As of the last look."""
        return tuple(each.status for each in self._watches)

    def metrics(self) -> str:
        """The text for Prometheus, as of the last look, with the days as of now."""
        return metrics(self.statuses, self._now())

    def _write_metrics(self) -> None:
        if self._settings.metrics_file is None:
            return
        try:
            update_file(self._settings.metrics_file, self.metrics().encode(), mode=PUBLIC_FILE)
        except MutuaError as error:
            if error.message != self._complaint:
                log.warning("metrics are not written: %s", error.message)
            self._complaint = error.message
        else:
            self._complaint = ""


def _looked(watch: Watch, now: datetime) -> datetime:
    """A mistake in one look is not the end of the agent, nor of the other identities."""
    try:
        return watch.look(now)
    except Exception:
        log.exception("a look has failed; it is tried again")
        return now + LONGEST_SLEEP

"""One identity, looked at again and again: renewed when it is time, its hooks run, somebody warned."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from mutua.agent.folder import IdentityFolder
from mutua.agent.hooks import run_hook
from mutua.agent.memory import Memories, Memory
from mutua.agent.notices import Channel, Notice
from mutua.agent.renewing import refresh_trust, renew
from mutua.agent.schedule import LONGEST_SLEEP, Failures, next_renewal, warning_due
from mutua.agent.settings import WatchedIdentity
from mutua.agent.status import Found, IdentityStatus, find, is_enrolled, readable_status, unreadable_status
from mutua.errors import IdentityBusy, MutuaError

log = logging.getLogger("mutua.agent")


class Watch:
    """An identity under watch.

    Args:
        watched: which.
        memories: where to remember things.
        channels: whom to warn.
        trust_every: how often CA certificates are asked for.
        now: UTC.

    Attributes:
        status: as of the last look.
    """

    def __init__(
        self,
        watched: WatchedIdentity,
        memories: Memories,
        channels: Mapping[str, Channel],
        trust_every: timedelta,
        now: datetime,
    ) -> None:
        self._watched, self._memories, self._channels, self._trust_every = watched, memories, channels, trust_every
        self._memory: Memory = memories.recall(watched.path)
        self._complaint = ""
        self.status: IdentityStatus = unreadable_status(watched, self._memory, "it was not looked at yet")
        self._now = now

    def look(self, now: datetime) -> datetime:
        """Do what is due, and say when to look again. What fails is in the log and the status; nothing is raised.

        Args:
            now: UTC.
        """
        self._now, memory = now, self._memory
        try:
            found = find(self._watched)
        except MutuaError as error:
            self._complain(f"'{self._watched.path}' cannot be read: {error.message}")
            self.status = unreadable_status(self._watched, memory, error.message)
            return now + LONGEST_SLEEP
        found = self._renewed(found)
        self._run_hooks(found)
        self._warn(found)
        self.status = readable_status(self._watched, found, memory, now)
        try:
            self._memories.keep(self._watched.path, memory)
        except MutuaError as error:
            self._complain(f"what was done cannot be remembered beyond this run: {error.message}")
        return self._next(found)

    def _renewed(self, found: Found) -> Found:
        """The identity after whatever was due for it."""
        if not found.renewed:
            return found
        memory, now = self._memory, self._now
        try:
            if next_renewal(found.life, memory.renewal, now) <= now:
                self._renew(found)
            elif self._trust_at(found) <= now and is_enrolled(self._watched):
                self._refresh()
            else:
                return found
            return find(self._watched)
        except IdentityBusy as error:
            log.info("%s; this one looks again later", error.message)
        except MutuaError as error:
            self._complain(f"'{self._watched.path}' cannot be read any more: {error.message}")
        return found

    def _renew(self, found: Found) -> None:
        memory, now, name = self._memory, self._now, ascii(self._watched.name)[1:-1]
        folder = IdentityFolder(self._watched.path)
        try:
            fresh = renew(folder, home=self._watched.home, now=now, same_key=self._watched.same_key)
        except IdentityBusy:
            raise
        except MutuaError as error:
            memory.renewal, memory.error = Failures(memory.renewal.count + 1, now), error.message
            memory.failed += 1
            self._tell_failure(found, error)
            return
        memory.succeeded_at = memory.trust_at = now
        memory.renewals += 1
        memory.error, memory.trusting = "", Failures()
        log.info("%s is renewed: %s until %s", name, fresh.thumbprint, f"{fresh.not_after:%Y-%m-%d %H:%M} UTC")
        if find(self._watched).life.renew_at <= now:
            # Without a pause it would be renewed for ever.
            memory.renewal = Failures(memory.renewal.count + 1, now)
            memory.error = "the certificate that came is due again at once: is this machine's clock right?"
            log.warning("%s: %s", name, memory.error)
        else:
            memory.renewal = Failures()

    def _tell_failure(self, found: Found, error: MutuaError) -> None:
        count, again = self._memory.renewal.count, next_renewal(found.life, self._memory.renewal, self._now)
        left = found.life.ends - self._now
        log.warning(
            "%s could not be renewed, attempt %d: %s (%s); the certificate %s %s; next attempt at %s",
            ascii(self._watched.name)[1:-1],
            count,
            ascii(error.message)[1:-1],
            ascii(error.hint)[1:-1],
            "is good until" if left > timedelta(0) else "HAS ENDED at",
            f"{found.life.ends:%Y-%m-%d %H:%M:%S} UTC",
            f"{again:%Y-%m-%d %H:%M:%S} UTC",
        )

    def _refresh(self) -> None:
        memory, now, name = self._memory, self._now, ascii(self._watched.name)[1:-1]
        try:
            changed = refresh_trust(IdentityFolder(self._watched.path))
        except IdentityBusy:
            raise
        except MutuaError as error:
            memory.trusting, memory.error = Failures(memory.trusting.count + 1, now), error.message
            self._complain(f"the CA certificates of {name} cannot be asked for: {error.message}")
            return
        memory.trust_at = memory.succeeded_at = now
        memory.trusting = Failures()
        if changed:
            log.info("%s has other CA certificates now", name)

    def _trust_at(self, found: Found) -> datetime:
        """When CA certificates are asked for again. A last time in the future means that the clock was set back."""
        last = self._memory.trust_at
        if last is None or last > self._now:
            return self._memory.trusting.next_try(found.life, self._now)
        return max(last + self._trust_every, self._memory.trusting.next_try(found.life, self._now))

    def _run_hooks(self, found: Found) -> None:
        """Run the hooks if anything is not what they were last run for, whoever has changed it."""
        memory, seen = self._memory, (found.identity.thumbprint, found.trust)
        first = not memory.thumbprint
        if (memory.thumbprint, memory.trust) == seen:
            memory.hooks = Failures()
            return
        if memory.hooks.next_try(found.life, self._now) > self._now:
            return
        given = {"MUTUA_IDENTITY": str(self._watched.path), "MUTUA_THUMBPRINT": found.identity.thumbprint}
        # Whoever uses it has started with what is seen first.
        commands = () if first else self._watched.hooks
        if all(run_hook(each, seconds=self._watched.hook_seconds, given=given) for each in commands):
            (memory.thumbprint, memory.trust), memory.hooks = seen, Failures()
        else:
            memory.hooks = Failures(memory.hooks.count + 1, self._now)
            memory.error = "a hook has failed; it is run again later"

    def _warn(self, found: Found) -> None:
        memory, life = self._memory, found.life
        if memory.told_of != life.thumbprint:
            memory.told_of, memory.told, memory.silent = life.thumbprint, {}, Failures()
        waits = memory.silent.next_try(life, self._now) > self._now
        reached = True
        for name, channel in self._channels.items():
            told = memory.told.get(name)
            failures = memory.renewal.count
            days = warning_due(life, self._now, told, renewed=found.renewed, failures=failures)
            if days is None or (waits and name != "log"):
                continue
            if channel(self._notice(found, days)):
                memory.told[name] = days
            else:
                reached = False
        if not waits:
            memory.silent = Failures() if reached else Failures(memory.silent.count + 1, self._now)

    def _notice(self, found: Found, days: int) -> Notice:
        return Notice(
            name=self._watched.name,
            path=str(self._watched.path),
            thumbprint=found.life.thumbprint,
            not_after=found.life.ends,
            days=days,
            left=found.life.ends - self._now,
            renewed=found.renewed,
            error=self._memory.error,
        )

    def _next(self, found: Found) -> datetime:
        moments = [self._now + LONGEST_SLEEP]
        if found.renewed:
            moments += [next_renewal(found.life, self._memory.renewal, self._now)]
        if self._memory.hooks.count:
            moments += [self._memory.hooks.next_try(found.life, self._now)]
        # What another process is at, or was interrupted, is not looked at in a circle.
        return max(min(moments), self._now + timedelta(seconds=1))

    def _complain(self, complaint: str) -> None:
        """Say it once, and again when it has changed."""
        if complaint != self._complaint:
            log.warning("%s", ascii(complaint)[1:-1])
        self._complaint = complaint

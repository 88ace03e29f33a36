"""``mutua gate check --report-only``: what other grants would refuse, as it comes."""

import json
import math
import time
from datetime import UTC, datetime
from pathlib import Path

from mutua.cli.exits import ExitCode
from mutua.cli.output import data, printable, talk
from mutua.inbound.seen.trying import Affected, Trying
from mutua.registry.grants import Grant

LOOK_SECONDS = 0.5


def try_live(home: Path, client: str, grants: tuple[Grant, ...], seconds: float | None, *, as_json: bool) -> ExitCode:
    """Show what these grants would refuse a client, until Ctrl-C or for so many seconds."""
    report = _Report(client, as_json=as_json)
    ends = math.inf if seconds is None else time.monotonic() + seconds
    with Trying(home, client, grants) as trying:
        try:
            while (left := ends - time.monotonic()) > 0:
                report.note(trying.wait(min(left, LOOK_SECONDS)))
                report.warn(trying)
        finally:
            report.note(trying.finish())
            report.end(trying)
    return ExitCode.NEGATIVE if report.total or trying.others else ExitCode.OK


class _Report:
    """What was told so far."""

    def __init__(self, client: str, *, as_json: bool) -> None:
        self._client = client
        self._as_json = as_json
        self._last: dict[tuple[str, str], Affected] = {}
        self._shown: dict[tuple[str, str], int] = {}
        self._warned: set[str] = set()
        self._watching = -1

    @property
    def total(self) -> int:
        """How many requests would have been refused, as far as they are told apart."""
        return sum(each.count for each in self._last.values())

    def note(self, found: list[Affected]) -> None:
        """Show those that are new, and those that have become ten times as many since they were shown."""
        for each in found:
            kind = each.method, each.path
            self._last[kind] = each
            if kind not in self._shown or each.count >= 10 * self._shown[kind]:
                self._show(each)

    def warn(self, trying: Trying) -> None:
        """Tell how many gates are watched, when that has changed, and of those that cannot be."""
        if trying.watching != self._watching:
            self._watching = trying.watching
            told = {0: "no gate runs on this machine; one that starts is joined", 1: "1 gate is watched"}
            talk(f"mutua: {told.get(self._watching, f'{self._watching} gates are watched')}")
        for name in sorted(trying.silent - self._warned):
            talk(f"warning: the gate at {printable(name)} does not tell: mutua status")
        self._warned = set(trying.silent)

    def end(self, trying: Trying) -> None:
        """Show what has grown since it was shown, and the sum."""
        for kind, each in self._last.items():
            if each.count > self._shown[kind]:
                self._show(each)
        if trying.others:
            talk(f"warning: {trying.others} more would be refused, of too many kinds to tell them apart")
        if self._last:
            talk(f"mutua: requests that would be refused: {self.total}; different ones: {len(self._last)}")
        else:
            talk("mutua: nothing would be refused of what came")

    def _show(self, each: Affected) -> None:
        self._shown[each.method, each.path] = each.count
        moment = datetime.fromtimestamp(each.at, UTC)
        if self._as_json:
            told = {"time": moment.isoformat(timespec="milliseconds"), "client": self._client}
            data(json.dumps({**told, "method": each.method, "path": each.path, "count": each.count}))
        else:
            times = "" if each.count == 1 else f"  {each.count} times"
            data(f"{moment:%Y-%m-%d %H:%M:%S}  {printable(f'{each.method} {each.path}')}{times}")

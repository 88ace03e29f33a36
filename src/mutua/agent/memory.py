"""What the agent remembers of each identity from one look to the next, and from one start to the next."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mutua.agent.schedule import Failures
from mutua.errors import UnreadableFile
from mutua.home.files import PRIVATE_DIRECTORY, refusals, update_file
from mutua.tls.files import read_file

MAX_MEMORY_BYTES = 64 * 1024
"""A memory takes under a kilobyte."""

_WORDS = 500


@dataclass(slots=True)
class Memory:
    """What was tried, and what was told.

    Attributes:
        thumbprint: of the certificate that hooks were last run for.
        trust: of the CA certificates that hooks were last run for.
        succeeded_at: when it was last renewed, or its CAs were asked for with success, UTC.
        trust_at: when its CA certificates were last asked for, UTC.
        renewal: failed attempts to renew it.
        trusting: failed attempts to have its CA certificates anew.
        renewals: how many succeeded.
        failed: how many failed, ever.
        hooks: failed attempts to run the hooks.
        error: why the last attempt failed, for people; empty after a success.
        told_of: the certificate that warnings were about.
        told: the least number of days before its end that each channel was told of.
        silent: failed attempts to reach somebody.
    """

    thumbprint: str = ""
    trust: str = ""
    succeeded_at: datetime | None = None
    trust_at: datetime | None = None
    renewal: Failures = field(default_factory=Failures)
    trusting: Failures = field(default_factory=Failures)
    renewals: int = 0
    failed: int = 0
    hooks: Failures = field(default_factory=Failures)
    error: str = ""
    told_of: str = ""
    told: dict[str, int] = field(default_factory=dict)
    silent: Failures = field(default_factory=Failures)


class Memories:
    """The memories of an agent, one file for each identity.

    Args:
        folder: made, for nobody else to read, when something is remembered.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def recall(self, identity: Path) -> Memory:
        """What is remembered of an identity; nothing where that cannot be read."""
        try:
            return _memory(json.loads(read_file(self._file(identity), MAX_MEMORY_BYTES)))
        except (UnreadableFile, ValueError, TypeError, KeyError, OverflowError, RecursionError, AttributeError):
            return Memory()

    def keep(self, identity: Path, memory: Memory) -> None:
        """Remember.

        Raises:
            DiskFull, UnreadableFile: it cannot be written.
        """
        with refusals(self._folder):
            self._folder.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        told = {"v": 1, "identity": str(identity), **asdict(memory), "error": memory.error[:_WORDS]}
        update_file(self._file(identity), json.dumps(told, default=datetime.isoformat).encode() + b"\n")

    def _file(self, identity: Path) -> Path:
        return self._folder / f"{hashlib.sha256(bytes(identity)).hexdigest()[:32]}.json"


def _memory(told: dict[str, Any]) -> Memory:
    """Raises ValueError and its like: it is none."""
    known = {each.name: told[each.name] for each in fields(Memory) if each.name in told}
    for name in ("succeeded_at", "trust_at"):
        known[name] = _moment(known.get(name))
    for name in ("renewal", "trusting", "hooks", "silent"):
        value = known.get(name, {})
        known[name] = Failures(_count(value.get("count", 0)), _moment(value.get("last")))
    for name in ("renewals", "failed"):
        known[name] = _count(known.get(name, 0))
    for name in ("thumbprint", "trust", "error", "told_of"):
        if not isinstance(known.get(name, ""), str):
            raise TypeError(name)
    known["told"] = {str(channel): _count(days) for channel, days in known.get("told", {}).items()}
    return Memory(**known)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise ValueError("no count")
    return value


def _moment(value: Any) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value).astimezone(UTC)

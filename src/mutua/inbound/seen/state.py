"""What a worker says of itself, as it stands on its socket."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from mutua.inbound.seen.counts import HANDSHAKE_BOUNDS
from mutua.reasons import Reason

_REASONS = frozenset(reason.value for reason in Reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerState:
    """A worker.

    Attributes:
        instance: of this process and no other, even where pids come again.
        pid: as the worker itself knows it.
        started: when it began to look, in seconds since 1970.
        is_ready: whether it accepts connections.
        admitted: requests since then.
        refused: requests and handshakes since then, by reason.
        last_hour: the same in the last hour.
        handshakes: how many took how long, by ``HANDSHAKE_BOUNDS``, and one more for those beyond.
        handshake_seconds: all of them together.
        snapshot_version: the last event that its gate knows of.
        snapshot_age: seconds since its gate last saw that this is the newest.
        max_stale: seconds from which its gate refuses everybody.
        identity_thumbprint: of the certificate it shows, if it shows one.
        identity_ends: when that ends, in seconds since 1970.
    """

    instance: str
    pid: int
    started: float
    is_ready: bool
    admitted: int
    refused: Mapping[str, int]
    last_hour: Mapping[str, int]
    handshakes: tuple[int, ...]
    handshake_seconds: float
    snapshot_version: int
    snapshot_age: float
    max_stale: float
    identity_thumbprint: str | None
    identity_ends: float | None

    @property
    def is_stale(self) -> bool:
        """Whether its gate refuses everybody, for it has been without its store for too long."""
        return self.snapshot_age > self.max_stale

    def as_json(self) -> dict[str, Any]:
        """As it is sent."""
        return asdict(self)

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """What was sent. What a newer mutua says beyond this is passed over.

        Raises:
            ValueError: something is missing or not what it should be.
        """
        read = {name: kind(values, name) for name, kind in _READERS.items()}
        if len(read["handshakes"]) != len(HANDSHAKE_BOUNDS) + 1:
            raise ValueError("handshakes are counted by other bounds")
        return cls(**read)


def _number(values: Mapping[str, Any], name: str) -> float:
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} is no number")  # noqa: TRY004 -- a value in what was sent
    return value


def _whole(values: Mapping[str, Any], name: str) -> int:
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} is no whole number")  # noqa: TRY004 -- as above
    return value


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text")  # noqa: TRY004 -- as above
    return value


def _truth(values: Mapping[str, Any], name: str) -> bool:
    return values.get(name) is True


def _counts(values: Mapping[str, Any], name: str) -> Mapping[str, int]:
    table = values.get(name)
    if not isinstance(table, dict):
        raise ValueError(f"{name} is no table")  # noqa: TRY004 -- as above
    return {reason: _whole(table, reason) for reason in table if reason in _REASONS}


def _list(values: Mapping[str, Any], name: str) -> tuple[int, ...]:
    numbers = values.get(name)
    if not isinstance(numbers, list) or not all(type(each) is int for each in numbers):
        raise ValueError(f"{name} is no list of numbers")
    return tuple(numbers)


_READERS: dict[str, Any] = {
    "instance": _text,
    "pid": _whole,
    "started": _number,
    "is_ready": _truth,
    "admitted": _whole,
    "refused": _counts,
    "last_hour": _counts,
    "handshakes": _list,
    "handshake_seconds": _number,
    "snapshot_version": _whole,
    "snapshot_age": _number,
    "max_stale": _number,
    "identity_thumbprint": lambda values, name: _text(values, name) if values.get(name) is not None else None,
    "identity_ends": lambda values, name: _number(values, name) if values.get(name) is not None else None,
}

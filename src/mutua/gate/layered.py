"""A large mapping that changes a little at a time, and never under whoever is reading it."""

from collections.abc import Container, Iterator, Mapping
from itertools import compress
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")

LEAST_FOLDED = 4096
"""Changes that are kept beside the mapping before both are made one, which copies a million entries in 20 ms."""

FOLDED_SHARE = 64
"""One in so many entries may be a change: to copy the changes stays as quick as that."""


class Layered(Mapping[K, V]):
    """An immutable mapping: a base that is shared with the one before, and the changes since.

    Args:
        base: never changed again by anybody.
        changes: what is otherwise by now; a value of ``None`` stands for what is gone.
    """

    __slots__ = ("_base", "_changes", "_length")

    def __init__(self, base: dict[K, V], changes: Mapping[K, V | None] | None = None) -> None:
        self._base = base
        self._changes: dict[K, V | None] = dict(changes or {})
        self._length: int | None = None

    def with_changes(self, changes: Mapping[K, V | None]) -> "Layered[K, V]":
        """The mapping with these changes; this one stays as it is."""
        if not changes:
            return self
        every = {**self._changes, **changes}
        if len(every) <= max(LEAST_FOLDED, len(self._base) // FOLDED_SHARE):
            return Layered(self._base, every)
        folded = self._base.copy()
        for key, value in every.items():
            if value is None:
                folded.pop(key, None)
            else:
                folded[key] = value
        return Layered(folded)

    def __getitem__(self, key: K) -> V:
        found = self._changes[key] if key in self._changes else self._base[key]
        if found is None:
            raise KeyError(key)
        return found

    # These two are asked on requests; those of Mapping raise and catch an error for whatever is not there.

    def get(self, key: K, default: V | None = None) -> V | None:  # type: ignore[override]
        """The value, or the default where there is none."""
        found = self._changes[key] if key in self._changes else self._base.get(key)
        return default if found is None else found

    def __contains__(self, key: object) -> bool:
        return self._changes[key] is not None if key in self._changes else key in self._base

    def holding(self, values: Container[V]) -> list[K]:
        """The keys whose value is one of these; every entry is looked at, a million in 50 ms."""
        found = compress(self._base, map(values.__contains__, self._base.values()))
        changed = [key for key, value in self._changes.items() if value is not None and value in values]
        return [key for key in found if key not in self._changes] + changed

    def __iter__(self) -> Iterator[K]:
        yield from (key for key in self._base if key not in self._changes)
        yield from (key for key, value in self._changes.items() if value is not None)

    def __len__(self) -> int:
        if self._length is None:
            self._length = sum(1 for _ in self)
        return self._length

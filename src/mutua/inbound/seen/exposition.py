"""The text format that Prometheus scrapes, version 0.0.4.

Labels are ours: reasons, bounds, the names of our own CAs and identities. Nothing that a peer writes becomes one, for
each new value would be another series to keep.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Sample(NamedTuple):
    """One line: labels, a value, and what is added to the name of the family."""

    labels: Sequence[tuple[str, str]]
    value: float
    suffix: str = ""


class Family(NamedTuple):
    """A metric with all its samples; ``kind`` is ``counter``, ``gauge`` or ``histogram``."""

    name: str
    kind: str
    help: str
    samples: Sequence[Sample]


def histogram(name: str, help_: str, bounds: Sequence[float], counts: Sequence[int], total: float) -> Family:
    """A histogram.

    Args:
        name: of the family.
        help_: what it is, one line.
        bounds: ascending.
        counts: how many fell between each bound and the one before, the last beyond all of them.
        total: the sum of everything that was counted.
    """
    samples, seen = [], 0
    for bound, count in zip((*map(_number, bounds), "+Inf"), counts, strict=True):
        seen += count
        samples.append(Sample([("le", bound)], seen, "_bucket"))
    return Family(name, "histogram", help_, [*samples, Sample([], total, "_sum"), Sample([], seen, "_count")])


def exposition(families: Iterable[Family]) -> str:
    """The whole text."""
    lines = []
    for family in families:
        lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}"]
        lines += [f"{family.name}{each.suffix}{_labels(each.labels)} {_number(each.value)}" for each in family.samples]
    return "\n".join([*lines, ""])


def _labels(labels: Sequence[tuple[str, str]]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(float(value))

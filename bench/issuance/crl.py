"""CRLs of a million certificates: time and peak memory, each list made in a process of its own."""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.issuance.crl_process import Made
from bench.issuance.rounds import one_round

PARTS = 256

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Limit:
    """What one CRL may cost at most."""

    seconds: float
    peak_mib: float


@dataclass(frozen=True)
class Contender:
    """Who makes a CRL.

    Attributes:
        name: in the table.
        does: what is in the time.
        maker: ``module:Class`` below this package, loaded in the child alone: what one imports is not another's memory.
        parts: into how many the list is cut; one of them is made.
        limit: what is asked of it.
    """

    name: str
    does: str
    maker: str
    parts: int = 1
    limit: Limit | None = None


CONTENDERS = (
    Contender("bare cryptography", "build, sign", "bare_crl:BareCrl"),
    Contender("mutua", "read, build, sign, commit", "our_crls:WholeCrl", limit=Limit(10, 1024)),
    Contender("bare cryptography", "build, sign", "bare_crl:BareCrl", PARTS),
    Contender("mutua", "revoke one, publish its part", "our_crls:OnePart", PARTS, Limit(0.2, 1024)),
)


@dataclass(frozen=True)
class CrlRow:
    """One contender's lists."""

    contender: Contender
    made: Sequence[Made]

    @property
    def seconds(self) -> float:
        return statistics.median(made.seconds for made in self.made)

    @property
    def peak_mib(self) -> float:
        return max(made.peak_mib for made in self.made)

    @property
    def held(self) -> bool:
        limit = self.contender.limit
        return limit is None or (self.seconds <= limit.seconds and self.peak_mib <= limit.peak_mib)


def measure(
    revoked: int, contenders: Sequence[Contender], rounds: int, folder: Path, tell: Callable[[str], None]
) -> list[CrlRow]:
    """Every contender in turn, each time in a new process, which runs on the caller's core.

    Args:
        revoked: certificates.
        contenders: such as ``CONTENDERS``.
        rounds: how often each has its turn.
        folder: for what they keep on disk.
        tell: takes a line of progress.
    """
    for contender in contenders:
        tell(f"crl: {contender.name} gets ready to {contender.does}, of {revoked} certificates")
        _place(folder, contender).mkdir(parents=True)
        _child(contender, revoked, folder, "--prepare")
    made = []
    for number in range(rounds):
        tell(f"crl: round {number + 1} of {rounds}")
        made.append(one_round(contenders, partial(_measured, revoked=revoked, folder=folder), number))
    return [CrlRow(contender, column) for contender, column in zip(contenders, zip(*made, strict=True), strict=True)]


def missed(rows: Sequence[CrlRow]) -> list[str]:
    """Each limit that did not hold, in words."""
    return [
        f"{row.contender.name}: {row.contender.does} took {row.seconds:.2f} s and {row.peak_mib:.0f} MiB, "
        f"at most {row.contender.limit.seconds:g} s and {row.contender.limit.peak_mib:g} MiB"
        for row in rows
        if row.contender.limit and not row.held
    ]


def _measured(contender: Contender, revoked: int, folder: Path) -> Made:
    return Made(**json.loads(_child(contender, revoked, folder)))


def _child(contender: Contender, revoked: int, folder: Path, *options: str) -> str:
    place = str(_place(folder, contender))
    arguments = [contender.maker, str(revoked), str(contender.parts), place, *options]
    command = [sys.executable, "-m", "bench.issuance.crl_process", *arguments]
    return subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


def _place(folder: Path, contender: Contender) -> Path:
    return folder / f"{contender.maker.partition(':')[2]}-{contender.parts}"

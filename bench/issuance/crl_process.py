"""The process that makes one CRL and measures itself: ``python -m bench.issuance.crl_process MAKER REVOKED ...``."""

import json
import random
import re
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path

from cryptography import x509

from bench.issuance.issuer import now

REASONS = ("unspecified", "key_compromise", "superseded", "cessation_of_operation")
"""They take turns. An unspecified one is left out of the entry (RFC 5280 section 5.3.1)."""

NEXT_UPDATE = timedelta(days=7)

_YEAR_SECONDS = 31_536_000


@dataclass(frozen=True)
class Made:
    """One CRL.

    Attributes:
        seconds: what it took.
        before_mib: memory of the process at its highest before that.
        peak_mib: and in the end.
        entries: of the list.
        size: of the list, in bytes of DER.
    """

    seconds: float
    before_mib: float
    peak_mib: float
    entries: int
    size: int


class Maker(ABC):
    """Who makes a CRL.

    Args:
        folder: what it keeps on disk.
        revoked: certificates.
        parts: into how many the list is cut.
    """

    def __init__(self, folder: Path, revoked: int, parts: int) -> None:
        self.folder = folder
        self.revoked = revoked
        self.parts = parts

    def prepare(self) -> None:  # noqa: B027 -- not everybody needs a file
        """Put on disk what has to be there; neither measured nor in the process that is."""

    @abstractmethod
    def ready(self) -> Callable[[], bytes]:
        """Get ready, which is not timed; what is returned makes the signed CRL in DER, and is."""

    def is_whole(self, crl: x509.CertificateRevocationList) -> bool:
        """Whether the list says what it must; asked when everything is measured."""
        return len(crl) == self.revoked // self.parts


def revocations(count: int) -> Iterator[tuple[int, datetime, str]]:
    """Serial numbers of 127 bits, the same ones each time, with a moment in the last year and a reason."""
    chance, moment = random.Random(0), now()
    for number in range(count):
        serial = chance.getrandbits(126) | 1 << 126
        yield serial, moment - timedelta(seconds=number % _YEAR_SECONDS), REASONS[number % len(REASONS)]


def main(name: str, revoked: str, parts: str, folder: str, *options: str) -> None:
    module, _, kind = name.partition(":")
    maker: Maker = getattr(import_module(f"bench.issuance.{module}"), kind)(Path(folder), int(revoked), int(parts))
    if options == ("--prepare",):
        maker.prepare()
        return
    make = maker.ready()
    before = peak_mib()
    began = time.perf_counter()
    der = make()
    seconds = time.perf_counter() - began
    peak = peak_mib()
    crl = x509.load_der_x509_crl(der)
    if not maker.is_whole(crl):
        raise ValueError(f"the CRL of {name} does not list what it must")
    print(json.dumps(asdict(Made(seconds, before, peak, len(crl), len(der)))))


def peak_mib() -> float:
    """The most memory that this process ever had resident."""
    # Not getrusage: its ru_maxrss begins with what the parent had at the fork, and a new program does not reset it.
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found.group(1)) / 1024


if __name__ == "__main__":
    main(*sys.argv[1:])

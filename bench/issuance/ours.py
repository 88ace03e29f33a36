"""mutua: from a request to a certificate that is committed, in each of the ways it can be asked for."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from ssl import DER_cert_to_PEM_cert

from cryptography.hazmat.primitives.asymmetric import ec

from bench.issuance.django_ca import AS_SHIPPED
from bench.issuance.rounds import BARE, Bound, Contestant
from mutua import Home
from mutua.errors import MutuaError
from mutua.home.issuing import Order
from mutua.home.requests import Ask, Signed
from mutua.home.settings import SETTINGS_FILE
from mutua.pki.names import DnsName
from mutua.pki.profiles import SERVER

CALLERS = 16

FEW = 1_000
"""Certificates in the store before anybody's first turn."""

_POLICY = """
[policy.server]
names = ["*.bench.example"]
"""

_FILLED_AT_ONCE = 5_000


def make_home(folder: Path, stored: int) -> Home:
    """A home whose policy lets the requests pass, with so many certificates in its store, all issued by itself."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    Home.create(folder, name="Benchmark").close()
    with (folder / SETTINGS_FILE).open("a") as settings:
        settings.write(_POLICY)
    home = Home.open(folder)
    public_key = ec.generate_private_key(ec.SECP256R1()).public_key()
    for first in range(0, stored, _FILLED_AT_ONCE):
        numbers = range(first, min(first + _FILLED_AT_ONCE, stored))
        home.authority.issuing.issue(
            [
                Order(profile=SERVER, names=(DnsName(f"stored-{number}.bench.example"),), public_key=public_key)
                for number in numbers
            ]
        )
    return home


class _Ours(Contestant):
    """A home's authority.

    Args:
        home: of ``make_home``; its maker closes it.
        stored: how many certificates are in its store, for the name of one that has not the usual ``FEW``.
    """

    kept = "committed"
    usual_bounds: tuple[Bound, ...] = ()

    def __init__(self, home: Home, stored: int = FEW) -> None:
        self._home = home
        self.issuer = home.hierarchy.issuing.certificate
        self.bounds = self.usual_bounds
        if stored != FEW:
            self.bounds = (Bound(self.name, 0.9),)
            self.name = f"{self.name}, {stored:,} stored"

    def _sign(self, csr: bytes) -> bytes:
        return _pem(self._home.requests.sign(csr, profile=SERVER.name))


class SingleCalls(_Ours):
    """One call after the other, each with a transaction of its own."""

    name = "mutua, single calls"

    def issue(self, csrs: Sequence[bytes]) -> float:
        began = time.perf_counter()
        self.issued = [self._sign(csr) for csr in csrs]
        return time.perf_counter() - began


class Batch(_Ours):
    """The batch API, which commits hundreds together."""

    name = "mutua, batch"
    usual_bounds = (Bound(BARE, 0.60), Bound(AS_SHIPPED.name, 10))

    def issue(self, csrs: Sequence[bytes]) -> float:
        began = time.perf_counter()
        asks = (Ask(request=csr, profile=SERVER.name) for csr in csrs)
        self.issued = [_pem(answer) for answer in self._home.requests.sign_many(asks)]
        return time.perf_counter() - began


class ManyCallers(_Ours):
    """Threads that each make one call after the other; whoever waits at the same time is committed together."""

    name = f"mutua, {CALLERS} callers"
    usual_bounds = (Bound(BARE, 0.35),)

    def __init__(self, home: Home, stored: int = FEW) -> None:
        super().__init__(home, stored)
        self._threads = ThreadPoolExecutor(CALLERS)

    def issue(self, csrs: Sequence[bytes]) -> float:
        began = time.perf_counter()
        shares = list(self._threads.map(self._share, (csrs[number::CALLERS] for number in range(CALLERS))))
        seconds = time.perf_counter() - began
        self.issued = [shares[number % CALLERS][number // CALLERS] for number in range(len(csrs))]
        return seconds

    def _share(self, csrs: Sequence[bytes]) -> list[bytes]:
        return [self._sign(csr) for csr in csrs]

    def close(self) -> None:
        self._threads.shutdown()


def _pem(answer: Signed | MutuaError) -> bytes:
    if isinstance(answer, MutuaError):
        raise answer
    return DER_cert_to_PEM_cert(answer.der).encode()

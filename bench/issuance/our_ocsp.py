"""mutua's OCSP answers: those that lie ready and those signed for a nonce, by a call and from ``mutua ca serve``."""

import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from bench.issuance.issuer import now
from bench.issuance.ocsp import REVOKED_SHARE, Inventory, Responder, State
from bench.issuance.responders import Listening
from mutua import Home
from mutua.home.issuing import Order
from mutua.home.responder import Responder as HomeResponder
from mutua.pki.names import DnsName
from mutua.pki.profiles import SERVER


def stock(home: Home, count: int) -> Inventory:
    """Certificates to be asked for, some of them revoked."""
    public_key = ec.generate_private_key(ec.SECP256R1()).public_key()
    orders = [
        Order(profile=SERVER, names=(DnsName(f"asked-{number}.bench.example"),), public_key=public_key)
        for number in range(count)
    ]
    states = []
    for number, issued in enumerate(home.authority.issuing.issue(orders)):
        is_revoked = number % REVOKED_SHARE == 0
        if is_revoked:
            home.revocation.revoke(issued.record.thumbprint)
        states.append(State(issued.certificate.serial_number, now() if is_revoked else None))
    return Inventory(home.hierarchy.issuing.certificate, states)


class Called(Responder):
    """The responder without HTTP around it."""

    name = "mutua"
    way = "call"

    def __init__(self, home: Home, inventory: Inventory, *, afresh: bool) -> None:
        self.afresh = afresh
        self.inventory = inventory
        self._responder = HomeResponder(home)
        self._responder.start()

    def answer(self, requests: Sequence[bytes]) -> float:
        began = time.perf_counter()
        self.answers = [self._responder.answer(request).der for request in requests]
        return time.perf_counter() - began

    def close(self) -> None:
        self._responder.close()


class Served(Listening):
    """``mutua ca serve``."""

    name = "mutua"
    path = "/ocsp"

    def __init__(self, home: Home, inventory: Inventory, folder: Path, core: int, *, afresh: bool) -> None:
        super().__init__(folder, core)
        self.afresh = afresh
        self.inventory = inventory
        self._home = home

    def prepare(self) -> None:
        """The home is there."""

    def command(self) -> list[str]:
        return [sys.executable, "-m", "mutua", "ca", "serve", "--home", str(self._home.path), "--port", "0"]

    def announced_port(self, output: str) -> int | None:
        found = re.search(r"OCSP on http://\S+:(\d+)", output)
        return int(found.group(1)) if found else None

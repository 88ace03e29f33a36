"""Requests without end through three clients while the identity is renewed every second: none fails."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from mutua import FollowedIdentity, Home
from tests.conftest import soak
from tests.outbound.renewing import Renewing
from tests.outbound.sessions import POOLED
from tests.serving import Serving

CLIENTS = ("httpx", "requests", "aiohttp")
RENEW_SECONDS = 1.0
PROMISED_SECONDS = 2.0
SHARE, WHOLE = 600, 100_000
RENEWALS = 2
"""At least so many, for a machine that is fast."""


@dataclass
class Renewals:
    """What was put in place, one after the other, and when.

    Attributes:
        at: thumbprint and time, in order.
    """

    at: list[tuple[str, float]] = field(default_factory=list)

    def number(self, thumbprint: str) -> int:
        """Which one it is; 0 is what there was at first."""
        return next(index for index, (each, _) in enumerate(self.at) if each == thumbprint)


class Caller(threading.Thread):
    """A client that calls until it has made its requests and been through enough renewals.

    Attributes:
        first_seen: when the server first told of each certificate.
        failures: what was raised.
    """

    def __init__(self, client: str, renewed: Renewing, followed: FollowedIdentity, enough: Callable[[int], bool]):
        super().__init__(name=client)
        self._session, self._url = POOLED[client](followed.client_context()), renewed.url
        self._enough = enough
        self.first_seen: dict[str, float] = {}
        self.requests = 0
        self.failures: list[BaseException] = []

    def run(self) -> None:
        try:
            with self._session as get:
                while not self._enough(self.requests):
                    thumbprint = get(self._url)["thumbprint"]
                    self.first_seen.setdefault(thumbprint, time.monotonic())
                    self.requests += 1
        except BaseException as error:
            self.failures.append(error)


@contextmanager
def renewed_every_second(renewed: Renewing) -> Iterator[Renewals]:
    """Until the end."""
    renewals = Renewals([(renewed.home.identities.load("woovi").thumbprint, time.monotonic())])
    stop = threading.Event()

    def renew() -> None:
        while not stop.wait(RENEW_SECONDS):
            thumbprint = renewed.renew()
            renewals.at.append((thumbprint, time.monotonic()))

    thread = threading.Thread(target=renew)
    thread.start()
    try:
        yield renewals
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def quiet(home: Home) -> Iterator[Renewing]:
    """A server that writes no line for a request."""
    serving = Serving.start(home, app="tests.outbound.thumbprint:app", arguments=("--no-access-log",))
    yield Renewing(home, serving)
    serving.stop()


def slowest(caller: Caller, renewals: Renewals) -> float:
    """The longest it took from a renewal until the server saw that certificate, or a newer one, in seconds."""
    seen = sorted((renewals.number(thumbprint), when) for thumbprint, when in caller.first_seen.items())
    last = seen[-1][0]
    return max(
        (min(when for number, when in seen if number >= index) - replaced)
        for index, (_, replaced) in enumerate(renewals.at)
        if 0 < index <= last
    )


@pytest.mark.soak
def test_no_request_fails_and_each_certificate_is_soon_in_use(quiet: Renewing) -> None:
    requests = soak(share=SHARE, whole=WHOLE) // len(CLIENTS)
    followed = FollowedIdentity(quiet.path, quiet.trust)
    with renewed_every_second(quiet) as renewals:
        callers: list[Caller] = []

        def enough(made: int) -> bool:
            turns = all(len(caller.first_seen) > RENEWALS for caller in callers)
            return (made >= requests and turns) or any(caller.failures for caller in callers)

        callers.extend(Caller(client, quiet, followed, enough) for client in CLIENTS)
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    assert {caller.name: caller.failures for caller in callers} == {client: [] for client in CLIENTS}
    assert sum(caller.requests for caller in callers) >= requests * len(CLIENTS)
    took = {caller.name: slowest(caller, renewals) for caller in callers}
    if os.environ.get("MUTUA_SOAK"):
        assert max(took.values()) < PROMISED_SECONDS, took

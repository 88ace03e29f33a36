"""Several processes, and threads in them, on one home: no serial twice, no event lost, nobody stopped by another."""

import json
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from mutua import Home
from mutua.errors import MutuaError, RefusedRequest, UnknownAuthority, UnknownClient
from mutua.home.issuing import Issued, Order
from mutua.pki.names import DnsName
from mutua.pki.profiles import CLIENT
from mutua.pki.randomness import generate_key
from tests.conftest import soak
from tests.home.acting import CLIENTS, PEACEFUL, Actor, Promise
from tests.home.promises import assert_kept, assert_nothing_twice
from tests.postgresql import Cluster
from tests.serving import ROOT
from tests.store.watching import eventually

THREADS = 16


class Acting:
    """A process that acts, and what it says of it.

    Attributes:
        promises: what it was promised.
        failures: what it was refused.
    """

    def __init__(self, folder: Path, seed: int, clients: str, acts: str, most: int = 0) -> None:
        command = [sys.executable, "-m", "tests.home.acting", str(folder), str(seed), clients, acts, str(most)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.promises: list[Promise] = []
        self.failures: list[dict[str, str]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said: dict[str, Any] = json.loads(line)
            if "act" in said:
                self.promises.append(said)
            elif "failed" in said:
                self.failures.append(said)

    def wait(self) -> None:
        """Until it has done what it was to do."""
        self._reader.join()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        assert self._process.wait() == 0

    def stop(self) -> None:
        """After what it is doing."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self.wait()


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_two_processes_that_issue_at_once_repeat_no_serial_and_lose_no_event(shared: Path) -> None:
    most = soak(share=300, whole=10_000)
    both = [Acting(shared, seed, client, "issue,request", most) for seed, client in enumerate(("ana", "bia"))]
    for each in both:
        each.wait()
        assert not each.failures
        assert len(each.promises) == most
    with Home.open(shared) as home:
        assert_kept(home, [each.promises for each in both])
        issued = [told.subject for told in home.audit.after(0) if told.kind == "certificate.issued"]
        assert len(issued) == len(set(issued)) == 2 * most
        assert set(issued) == {promise["thumbprint"] for each in both for promise in each.promises}
        assert set(issued) == {record.thumbprint for record in home.authority.certificates()}


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_sixteen_threads_issue_while_another_process_revokes(shared: Path) -> None:
    most = soak(share=20, whole=1000)
    revoking = Acting(shared, 1, ",".join(CLIENTS), "revoke,hold,release")

    def issue(home: Home, seed: int) -> list[Promise]:
        actor = Actor(home, random.Random(seed), CLIENTS, {"issue": 1, "request": 3})
        return [actor.act(actor.next()) for _ in range(most)]

    with Home.open(shared) as home, ThreadPoolExecutor(THREADS) as pool:
        # Before that it finds nothing that it could revoke.
        first = Actor(home, random.Random(0), CLIENTS, {"issue": 1}).act("issue")
        issuing = [pool.submit(issue, home, seed) for seed in range(THREADS)]
        promised = [each.result() for each in issuing]
        eventually(lambda: revoking.promises)
        revoking.stop()
        assert not revoking.failures
        assert_kept(home, [[first], *promised, revoking.promises])
        assert len(list(home.authority.certificates())) == 1 + THREADS * most


def order(client: str, **options: Any) -> Order:
    key = generate_key().public_key()
    return Order(profile=CLIENT, names=[DnsName("a.example")], public_key=key, client=client, **options)


def fails(code: type[MutuaError]) -> Callable[[Any, Any], None]:
    def check(_connection: Any, _record: Any) -> None:
        raise code("it is not to be")

    return check


def in_one_transaction(home: Home, other: Home, work: list[Callable[[], Any]]) -> list[Any]:
    """Do it all on threads, so that all but the first, who finds nobody writing, are written together."""
    transactions = count()
    event.listen(home.store.engine, "commit", lambda _: next(transactions))
    commits = home.authority.issuing._commits
    with ThreadPoolExecutor(len(work)) as pool:
        with other.store.write():
            futures = [pool.submit(work[0])]
            eventually(lambda: commits._writing and not commits._waiting)
            futures += [pool.submit(each) for each in work[1:]]
            eventually(lambda: len(commits._waiting) == len(work) - 1)
        done = [each.result() for each in futures]
    assert next(transactions) == 2
    return done


def test_what_fails_for_one_of_a_group_fails_for_nobody_else(shared: Path) -> None:
    with Home.open(shared) as home, Home.open(shared) as other:
        other.hierarchy.add("partners")
        home.authority.issue_client("bia")
        wanted: list[tuple[Order, type[MutuaError] | None]] = [
            (order("ana"), None),
            (order("ana"), None),
            (order("nobody"), UnknownClient),
            (order("\x00"), UnknownClient),
            (order("\udcff"), UnknownClient),
            (order("bia", max_valid=1), RefusedRequest),
            (order("caio", max_valid=1), None),
            (order("caio", max_valid=1), RefusedRequest),
            (order("ana", check=fails(UnknownClient)), UnknownClient),
            (order("ana", authority="partners"), UnknownAuthority),
            *[(order(name), None) for name in ("ana", "bia", "caio", "davi")],
        ]
        signed = [home.authority.issuing.sign([each]) for each, _ in wanted]
        other.hierarchy.rotate("partners")
        commit = home.authority.issuing.commit
        done = [issued for (issued,) in in_one_transaction(home, other, [partial(commit, each) for each in signed])]

        assert Counter(_became(each) for each in done) == Counter(expected for _, expected in wanted)
        stored = {record.thumbprint for record in home.authority.certificates()}
        for (each, expected), issued in zip(wanted, done, strict=True):
            if each.client != "caio" or each.max_valid is None:  # it is not said which of the two comes first
                assert _became(issued) is expected
            assert (issued.record.thumbprint in stored) == (issued.error is None)
        assert_nothing_twice(home)
        home.audit.verify()


def _became(issued: Issued) -> type[MutuaError] | None:
    return None if issued.error is None else type(issued.error)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("database", ["postgresql"])
def test_postgresql_restarted_under_load_loses_nothing(shared: Path, cluster: Cluster) -> None:
    """Each act fails clearly or succeeds, and what it says is true."""
    both = [Acting(shared, seed, client, ",".join(PEACEFUL)) for seed, client in enumerate(("ana", "bia"))]

    def more() -> None:
        done = [len(each.promises) for each in both]
        eventually(lambda: all(len(each.promises) > before for each, before in zip(both, done, strict=True)))

    try:
        for number in range(soak(share=4, whole=40)):
            more()
            cluster.restart("immediate" if number % 2 else "fast")
        more()
    finally:
        for each in both:
            each.stop()
    with Home.open(shared) as home:
        assert_kept(home, [each.promises for each in both])
        for each in both:
            assert {failure["failed"] for failure in each.failures} <= {"store_unreachable"}
            assert_what_failed_did_nothing(home, each)


def assert_what_failed_did_nothing(home: Home, acting: Acting) -> None:
    """Of what each act was about, there is as much as was promised; and perhaps what it said is not known."""
    unknown = Counter(each["about"] for each in acting.failures if "is not known" in each["message"])
    promised = Counter(each["about"] for each in acting.promises)
    records = list(home.authority.certificates())
    thumbprints = {record.id: record.thumbprint for record in records}
    done = Counter(name for record in records if record.supersedes is None for name in record.names)
    done.update(thumbprints[record.supersedes] for record in records if record.supersedes is not None)
    done.update(
        told.subject for told in home.audit.after(0) if told.kind in {"certificate.revoked", "certificate.released"}
    )
    for about in {each["about"] for each in acting.failures}:
        what = [each for each in (*acting.promises, *acting.failures) if each["about"] == about]
        assert promised[about] <= done[about] <= promised[about] + unknown[about], what

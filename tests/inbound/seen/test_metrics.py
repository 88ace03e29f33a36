"""Metrics: what Prometheus makes of them, and what a peer cannot make of them."""

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from mutua import Home
from mutua.gate.decision import Refusal
from mutua.inbound.connection import Connection
from mutua.inbound.live_gate import LiveGate
from mutua.inbound.seen.counts import HANDSHAKE_BOUNDS
from mutua.inbound.seen.exposition import Family, Sample, exposition, histogram
from mutua.inbound.seen.metrics import Metrics, Totals
from mutua.inbound.seen.record import Record
from mutua.inbound.seen.state import WorkerState
from mutua.inbound.seen.worker import Seen
from mutua.reasons import Reason

HOSTILE = ("\x00", '"} 1\nmutua_admitted_total 99', "\\", "😀" * 300, "a" * 5000, "{}", "\ud800", "x\r\ny")


@pytest.fixture
def metrics(home: Home) -> Iterator[Metrics]:
    with closing(Metrics(home.path)) as made:
        yield made


def series(text: str) -> dict[str, float]:
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def a_state(instance: str, *, admitted: int = 0, refused: int = 0) -> WorkerState:
    return WorkerState(
        instance=instance,
        pid=1,
        started=0.0,
        is_ready=True,
        admitted=admitted,
        refused={"expired": refused},
        last_hour={},
        handshakes=(1,) * (len(HANDSHAKE_BOUNDS) + 1),
        handshake_seconds=2.0,
        snapshot_version=1,
        snapshot_age=0.0,
        max_stale=300.0,
        identity_thumbprint=None,
        identity_ends=None,
    )


def test_prometheus_own_tool_finds_nothing_wrong(
    peer: Callable[[str], str], metrics: Metrics, worker: Seen, record: Record, refuse: Callable[..., str]
) -> None:
    refuse()
    record.handshakes.add(0.003)
    command = [peer("promtool"), "check", "metrics"]
    done = subprocess.run(command, input=metrics.text(), text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_reason_is_there_before_anybody_was_refused(metrics: Metrics) -> None:
    found = series(metrics.text())
    assert {f'mutua_refused_total{{reason="{reason.value}"}}' for reason in Reason} <= set(found)
    assert found["mutua_workers"] == 0
    assert found["mutua_admitted_total"] == 0


def test_workers_are_added_up(home: Home, gate: LiveGate, metrics: Metrics) -> None:
    records = Record(), Record()
    identity = home.identities.load("api")
    workers = [Seen(home.path, gate, lambda: identity, each) for each in records]
    for each, record in zip(workers, records, strict=True):
        each.start()
        record.admitted.add()
        record.handshakes.add(0.003)
        record.refuse(Refusal(Reason.EXPIRED, ""), Connection(None, ""), "GET", "/")
    found = series(metrics.text())
    for each in workers:
        each.close()
    assert found["mutua_workers"] == found["mutua_admitted_total"] == 2
    assert found['mutua_refused_total{reason="expired"}'] == 2
    assert found['mutua_handshake_seconds_bucket{le="0.0025"}'] == 0
    assert found['mutua_handshake_seconds_bucket{le="0.005"}'] == found["mutua_handshake_seconds_count"] == 2
    assert found["mutua_handshake_seconds_sum"] == pytest.approx(0.006)
    assert 0 <= found["mutua_snapshot_age_seconds"] < found["mutua_snapshot_max_age_seconds"]
    served = 'mutua_certificate_expiry_timestamp_seconds{kind="served",name=""}'
    assert found[served] == identity.not_after.timestamp()
    assert series(metrics.text())["mutua_admitted_total"] == 2, "a worker that has ended takes nothing with it"


def test_nothing_that_a_peer_writes_becomes_a_series(
    metrics: Metrics, worker: Seen, refuse: Callable[..., str]
) -> None:
    before = set(series(metrics.text()))
    for text in HOSTILE:
        for reason in Reason:
            refuse(reason, client=text, path=text, detail=text)
    text = metrics.text()
    assert set(series(text)) == before
    assert all(
        re.fullmatch(r"#.*|[a-z_]+(\{[a-z]+=\"[^\"]*\"(,[a-z]+=\"[^\"]*\")*\})? [-+0-9.einfa]+", line)
        for line in text.splitlines()
    )


def test_our_own_certificates_and_what_ends_soon_have_series(home: Home, metrics: Metrics) -> None:
    found = series(metrics.text())
    expiry = "mutua_certificate_expiry_timestamp_seconds"
    for kind, name, end in [
        ("identity", "api", home.identities.load("api").not_after),
        ("ca", "root", home.hierarchy.root.certificate.not_valid_after_utc),
        ("ca", "issuing-1", home.hierarchy.issuing.certificate.not_valid_after_utc),
    ]:
        assert found[f'{expiry}{{kind="{kind}",name="{name}"}}'] == end.timestamp()
    crl = home.crls.find("issuing-1")
    assert crl is not None
    assert found['mutua_crl_next_update_timestamp_seconds{ca="issuing-1"}'] == crl.next_update.timestamp()
    assert [found[f'mutua_credentials_expiring{{days="{days}"}}'] for days in (30, 14, 7, 1)] == [0, 0, 0, 0]


def test_without_the_store_the_workers_still_count(
    home: Home, metrics: Metrics, worker: Seen, record: Record, caplog: pytest.LogCaptureFixture
) -> None:
    record.admitted.add()
    first = series(metrics.text())
    assert first["mutua_store_up"] == 1
    store = home.path / "store.db"
    store.rename(home.path / "elsewhere")
    metrics._due = float("-inf")
    gone = series(metrics.text())
    assert (gone["mutua_store_up"], gone["mutua_admitted_total"]) == (0, 1)
    assert set(gone) == set(first), "what was known stays"
    assert "without the store" in caplog.text
    (home.path / "elsewhere").rename(store)
    assert series(metrics.text())["mutua_store_up"] == 1


def test_totals_never_go_down() -> None:
    totals = Totals()
    one, other = a_state("one", admitted=5, refused=1), a_state("other", admitted=3)
    totals.update([one, other], is_everyone=True)
    assert (totals.admitted, totals.refused["expired"], totals.handshakes[0]) == (8, 1, 2)
    totals.update([replace(one, admitted=6)], is_everyone=True)
    assert totals.admitted == 9
    totals.update([a_state("third", admitted=1)], is_everyone=True)
    assert (totals.admitted, totals.handshake_seconds) == (10, 6.0)


def test_a_worker_that_hangs_for_a_while_is_not_counted_twice() -> None:
    totals = Totals()
    one, other = a_state("one", admitted=5), a_state("other", admitted=3)
    totals.update([one, other], is_everyone=True)
    totals.update([one], is_everyone=False)
    totals.update([one, replace(other, admitted=4)], is_everyone=True)
    assert totals.admitted == 9


def test_labels_are_escaped() -> None:
    family = Family("f", "gauge", "F.", [Sample([("name", 'a"b\\c\nd')], 1.5)])
    assert exposition([family]) == '# HELP f F.\n# TYPE f gauge\nf{name="a\\"b\\\\c\\nd"} 1.5\n'


def test_a_histogram_adds_up_to_its_count() -> None:
    family = histogram("h", "H.", (0.1, 1.0), (2, 0, 3), 7.5)
    assert exposition([family]).splitlines()[2:] == [
        'h_bucket{le="0.1"} 2',
        'h_bucket{le="1.0"} 2',
        'h_bucket{le="+Inf"} 5',
        "h_sum 7.5",
        "h_count 5",
    ]

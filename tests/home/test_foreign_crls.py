"""CRLs of partners: fetched when due, kept, verified whenever they are read, and asked by gates that run."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from mutua import Home
from mutua.errors import NetworkError
from mutua.gate.decision import Refusal, Request
from mutua.home import snapshots
from mutua.home.fetching import Fetcher
from mutua.home.foreign_crls import RETRY, CrlCondition, ForeignCrls
from mutua.home.upkeep import Upkeep
from mutua.inbound.live_gate import LiveGate
from mutua.pki.certificates import write_der
from mutua.reasons import Reason
from mutua.registry.clients import KnownClient
from mutua.registry.credentials import Form, StalePolicy
from mutua.registry.foreign_crls import with_crls
from mutua.registry.partners import by_subject
from mutua.store import credentials
from mutua.store.schema import foreign_crls
from mutua.tls.peer import PeerCertificate
from tests.clock import Clock
from tests.home.crl_server import CrlServer, body, serving
from tests.pki.hierarchy import NOW, Authority, issue, make_issuing_ca, make_root
from tests.pki.revocation_lists import crl

ROOT = make_root(organization="Partner")
CA = make_issuing_ca(ROOT)
SAME_NAME = make_issuing_ca(make_root(organization="Partner"))
LEAF = issue(CA, names=["api.bank.example"])
SERIAL = LEAF.certificate.serial_number
PEER = PeerCertificate.read(tuple(map(write_der, (LEAF.certificate, CA.certificate))))
STATUS = Request("GET", "/status", b"/status")
URL = "http://crl.bank.example/ca.crl"


class Web:
    """What is where, and what was asked for."""

    def __init__(self) -> None:
        self.there: dict[str, bytes] = {}
        self.asked: list[str] = []

    def __call__(self, url: str) -> bytes:
        self.asked.append(url)
        if url not in self.there:
            raise NetworkError("nobody answers")
        return self.there[url]


@pytest.fixture
def web() -> Web:
    return Web()


@pytest.fixture
def crls(home: Home, web: Web) -> ForeignCrls:
    register(home, URL)
    return ForeignCrls(home, web)


def register(home: Home, *urls: str, stale: StalePolicy = StalePolicy.REFUSE, ca: Authority = CA) -> None:
    home.clients.add("bank", allow=["GET /status"])
    brought = [ca.certificate]
    known = by_subject(brought, Form.DNS, "api.bank.example", now=home.now())
    home.credentials.add("bank", with_crls(known, brought, urls=urls, stale=stale))


def reason(home: Home) -> Reason | None:
    from mutua.gate.decision import decide

    found = decide(snapshots.load(home), PEER, STATUS, home.now())
    return found.reason if isinstance(found, Refusal) else None


def condition(crls: ForeignCrls) -> tuple[CrlCondition, str | None]:
    (state,) = crls.states()
    return state.condition, state.fetched.error if state.fetched else None


# Fetched and kept


def test_until_it_was_fetched_the_client_is_refused(home: Home, crls: ForeignCrls, web: Web) -> None:
    assert reason(home) is Reason.STALE_REGISTRY
    assert condition(crls) == (CrlCondition.MISSING, None)
    web.there[URL] = crl(CA)
    assert crls.fetch_due() == 1
    assert condition(crls) == (CrlCondition.CURRENT, None)
    assert reason(home) is None


def test_what_it_lists_is_refused(home: Home, crls: ForeignCrls, web: Web) -> None:
    web.there[URL] = crl(CA, [SERIAL])
    crls.fetch_due()
    assert reason(home) is Reason.REVOKED


def test_when_it_has_ended_the_client_is_refused(home: Home, crls: ForeignCrls, web: Web, clock: Clock) -> None:
    web.there[URL] = crl(CA)
    crls.fetch_due()
    clock.move(timedelta(days=2))
    assert reason(home) is Reason.STALE_REGISTRY
    assert condition(crls) == (CrlCondition.STALE, None)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (crl(SAME_NAME), "not signed by the CA"),
        (crl(ROOT), "not signed by the CA"),
        (b"<html>", "not a readable CRL"),
        (crl(CA, number=1), "5 was there before"),
        (crl(CA, number=5, this_update=NOW - timedelta(days=1)), "5 was there before"),
        (None, "nobody answers"),
    ],
)
def test_what_is_no_good_leaves_what_was_there(
    home: Home, crls: ForeignCrls, web: Web, bad: bytes | None, why: str
) -> None:
    web.there[URL] = crl(CA, [SERIAL], number=5)
    crls.fetch_due()
    web.there.clear() if bad is None else web.there.update({URL: bad})
    assert crls.fetch_due(anyway=True) == 0
    assert reason(home) is Reason.REVOKED
    found, error = condition(crls)
    assert found is CrlCondition.CURRENT
    assert error is not None
    assert why in error


def test_what_is_lifted_is_lifted(home: Home, crls: ForeignCrls, web: Web) -> None:
    web.there[URL] = crl(CA, [SERIAL], number=1)
    crls.fetch_due()
    web.there[URL] = crl(CA, [], number=2)
    crls.fetch_due(anyway=True)
    assert reason(home) is None


def test_the_crl_of_another_registered_ca_does_not_stand_in(home: Home, crls: ForeignCrls, web: Web) -> None:
    """Both are known, and the address is one CA's."""
    home.clients.add("other")
    brought = [SAME_NAME.certificate]
    known = by_subject(brought, Form.DNS, "other.example", now=home.now())
    home.credentials.add("other", with_crls(known, brought, urls=["http://other.example/"]))
    web.there[URL] = crl(SAME_NAME)
    crls.fetch_due()
    assert reason(home) is Reason.STALE_REGISTRY


# When


def test_it_is_fetched_again_when_it_is_due_and_no_sooner(crls: ForeignCrls, web: Web, clock: Clock) -> None:
    web.there[URL] = crl(CA)
    for move, count in ((timedelta(0), 1), (timedelta(minutes=59), 1), (timedelta(minutes=2), 2), (timedelta(0), 2)):
        clock.move(move)
        crls.fetch_due()
        assert len(web.asked) == count


def test_one_that_lives_for_minutes_is_fetched_before_it_ends(crls: ForeignCrls, web: Web, clock: Clock) -> None:
    web.there[URL] = crl(CA, this_update=NOW, life=timedelta(minutes=30))
    crls.fetch_due()
    clock.move(timedelta(minutes=16))
    crls.fetch_due()
    assert len(web.asked) == 2


def test_what_failed_is_tried_again_soon_and_not_at_once(crls: ForeignCrls, web: Web, clock: Clock) -> None:
    crls.fetch_due()
    crls.fetch_due()
    assert len(web.asked) == 1
    clock.move(RETRY)
    crls.fetch_due()
    assert len(web.asked) == 2


def test_two_processes_do_not_fetch_it_both(home: Home, crls: ForeignCrls, web: Web) -> None:
    web.there[URL] = crl(CA)

    def meanwhile(url: str) -> bytes:
        assert ForeignCrls(home, web).fetch_due() == 0
        return web(url)

    assert ForeignCrls(home, meanwhile).fetch_due() == 1
    assert web.asked == [URL]


def test_one_that_is_let_go_is_due_at_once(home: Home, crls: ForeignCrls, web: Web) -> None:
    """The process ended in the middle: the next one is not to wait."""
    ForeignCrls(home, web, stopping=lambda: bool(web.asked)).fetch_due()
    assert condition(crls) == (CrlCondition.MISSING, None)
    web.there[URL] = crl(CA)
    assert crls.fetch_due() == 1


def test_what_nobody_asks_for_any_more_is_forgotten(home: Home, crls: ForeignCrls, web: Web) -> None:
    web.there[URL] = crl(CA)
    crls.fetch_due()
    home.credentials.remove("bank", home.credentials.of("bank")[0])
    crls.fetch_due()
    assert crls.states() == []
    with home.store.read() as connection:
        assert credentials.crl_sources(connection) == []
        assert connection.execute(foreign_crls.select()).all() == []


def test_who_is_registered_anew_begins_with_a_new_list(home: Home, crls: ForeignCrls, web: Web) -> None:
    """The CA has lost count of its CRLs."""
    web.there[URL] = crl(CA, [SERIAL], number=9)
    crls.fetch_due()
    credential = home.credentials.of("bank")[0]
    home.credentials.remove("bank", credential)
    brought = [CA.certificate]
    known = by_subject(brought, Form.DNS, "api.bank.example", now=home.now())
    home.credentials.add("bank", with_crls(known, brought, urls=[URL]))
    assert condition(crls) == (CrlCondition.MISSING, None)
    web.there[URL] = crl(CA, number=1)
    assert crls.fetch_due() == 1
    assert reason(home) is None


def test_fetching_is_no_event(home: Home, crls: ForeignCrls, web: Web) -> None:
    before = home.snapshot().version
    web.there[URL] = crl(CA)
    crls.fetch_due()
    assert home.snapshot().version == before
    assert home.audit.verify() == before


# Changed past mutua


def tamper(home: Home, **values: object) -> None:
    with home.store.write() as connection:
        connection.execute(update(foreign_crls).values(**values))


@pytest.mark.parametrize("der", [crl(SAME_NAME), b"", b"junk", None, crl(CA, [1])[:-3] + b"abc"])
def test_a_row_that_the_ca_did_not_sign_is_not_believed(
    home: Home, crls: ForeignCrls, web: Web, der: bytes | None
) -> None:
    web.there[URL] = crl(CA, [SERIAL])
    crls.fetch_due()
    tamper(home, der=der, digest="x")
    assert reason(home) is Reason.STALE_REGISTRY


def test_a_gate_that_runs_keeps_the_newest_that_it_has_seen(home: Home, crls: ForeignCrls, web: Web) -> None:
    web.there[URL] = crl(CA, [SERIAL], number=2)
    crls.fetch_due()
    before = snapshots.load(home).foreign
    tamper(home, der=crl(CA, number=1), digest="x")
    after = crls.refreshed(before)
    assert after.judge(PEER, home.now()).revoked
    tamper(home, der=b"junk", digest="y")
    assert crls.refreshed(after).judge(PEER, home.now()).revoked


def test_facts_in_a_row_are_for_people_alone(home: Home, crls: ForeignCrls, web: Web, clock: Clock) -> None:
    web.there[URL] = crl(CA)
    crls.fetch_due()
    tamper(home, next_update=home.now() + timedelta(days=999), number="0", entries=0)
    clock.move(timedelta(days=2))
    assert reason(home) is Reason.STALE_REGISTRY


# In the snapshot, and in gates that run


def test_a_snapshot_is_followed_without_reading_crls_anew(home: Home, crls: ForeignCrls, web: Web) -> None:
    web.there[URL] = crl(CA)
    crls.fetch_due()
    before = snapshots.load(home)
    home.clients.suspend("woovi")
    after = snapshots.follow(home, before)
    assert after.foreign is before.foreign
    assert crls.refreshed(after.foreign) is after.foreign
    web.there[URL] = crl(CA, [SERIAL], number=2)
    crls.fetch_due(anyway=True)
    assert crls.refreshed(after.foreign).judge(PEER, home.now()).revoked


def test_a_ca_that_is_registered_is_stale_in_the_very_snapshot_that_knows_it(home: Home) -> None:
    before = snapshots.load(home)
    register(home, URL)
    found = snapshots.follow(home, before)
    assert found.subjects
    assert found.foreign.judge(PEER, home.now()).stale


@pytest.fixture
def partner() -> Iterator[CrlServer]:
    with serving(body(crl(CA))) as made:
        yield made


@pytest.fixture
def abroad(home: Home, partner: CrlServer) -> Iterator[Home]:
    """A home that may call this machine."""
    settings = home.path / "mutua.toml"
    settings.write_text(settings.read_text() + "\n[foreign_crls]\nallow_private = true\n")
    with Home.open(home.path) as opened:
        yield opened


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_upkeep_fetches_and_the_gate_that_runs_asks(abroad: Home, partner: CrlServer) -> None:
    gate, upkeep = LiveGate(abroad), Upkeep(abroad)
    try:
        upkeep.start()
        register(abroad, partner.url())
        eventually(lambda: isinstance(gate.decide(PEER, STATUS), KnownClient))
        partner.answer = body(crl(CA, [SERIAL], number=2))
        ForeignCrls(abroad).fetch_due(anyway=True)
        eventually(lambda: isinstance(found := gate.decide(PEER, STATUS), Refusal) and found.reason is Reason.REVOKED)
    finally:
        upkeep.close()
        gate.close()


def test_a_gate_that_runs_asks_what_another_process_fetched_on_either_database(shared: Path, web: Web) -> None:
    with Home.open(shared) as home:
        register(home, URL)
        crls = ForeignCrls(home, web)
        gate = LiveGate(home)
        try:
            web.there[URL] = crl(CA)
            assert crls.fetch_due() == 1
            eventually(lambda: isinstance(gate.decide(PEER, STATUS), KnownClient))
            web.there[URL] = crl(CA, [SERIAL], number=2)
            assert crls.fetch_due(anyway=True) == 1
            eventually(
                lambda: isinstance(found := gate.decide(PEER, STATUS), Refusal) and found.reason is Reason.REVOKED
            )
        finally:
            gate.close()
        web.there[URL] = b"junk"
        assert crls.fetch_due(anyway=True) == 0
        found, error = condition(crls)
        assert (found, error is None) == (CrlCondition.CURRENT, False)
        assert home.audit.verify()
        home.credentials.remove("bank", home.credentials.of("bank")[0])
        crls.fetch_due()
        assert crls.states() == []


def test_upkeep_ends_though_a_partner_is_silent(abroad: Home, partner: CrlServer) -> None:
    asked, let_go = threading.Event(), threading.Event()

    def silent(_: object) -> None:
        asked.set()
        let_go.wait()

    partner.answer = silent
    register(abroad, partner.url())
    upkeep = Upkeep(abroad)
    upkeep.start()
    assert asked.wait(60)
    upkeep.close()
    let_go.set()
    assert ForeignCrls(abroad).states()[0].fetched is not None


def test_private_addresses_are_refused_unless_the_settings_allow_them(home: Home, partner: CrlServer) -> None:
    register(home, partner.url())
    crls = ForeignCrls(home)
    assert crls.fetch_due() == 0
    _, error = condition(crls)
    assert error is not None
    assert "within a private network" in error
    assert not partner.requests
    assert ForeignCrls(home, Fetcher(max_bytes=100_000, allow_private=True)).fetch_due(anyway=True) == 1


def test_a_client_that_is_let_in_meanwhile_is_warned_of(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    register(home, URL, stale=StalePolicy.ADMIT)
    gate = LiveGate(home)
    try:
        for _ in range(5):
            assert isinstance(gate.decide(PEER, STATUS), KnownClient)
    finally:
        gate.close()
    told = [record.getMessage() for record in caplog.records if "may be revoked" in record.getMessage()]
    assert len(told) == 1
    assert "no CRL of" in told[0]


def test_settings(home: Home) -> None:
    path: Path = home.path / "mutua.toml"
    text = path.read_text()
    path.write_text(text + "\n[foreign_crls]\nrefresh_minutes = 5\n")
    with Home.open(home.path) as opened:
        assert opened.settings.foreign_crls.refresh == timedelta(minutes=5)
        assert not opened.settings.foreign_crls.allow_private

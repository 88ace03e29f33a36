"""``mutua status``: what one looks at at three in the morning, and its exit code."""

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from mutua import Home
from mutua.gate.decision import Refusal
from mutua.inbound.connection import Connection
from mutua.inbound.live_gate import LiveGate
from mutua.inbound.seen import workers
from mutua.inbound.seen.record import Record
from mutua.inbound.seen.run_folder import listen
from mutua.inbound.seen.worker import Seen
from mutua.pki.certificates import write_pem
from mutua.reasons import Reason
from tests.cli.conftest import Result, Run
from tests.clock import Clock, clock
from tests.home.crl_server import body
from tests.home.crl_server import serving as crl_serving
from tests.pki.hierarchy import make_issuing_ca, make_root
from tests.pki.revocation_lists import crl

__all__ = ["clock"]

KEYS = ["home", "time", "store", "gates", "refused_last_hour", "authorities", "identities", "credentials", "crls"]
KEYS += ["foreign_crls"]
DAY = timedelta(days=1)


@pytest.fixture
def gate(home: Home) -> Iterator[LiveGate]:
    with closing(LiveGate(home)) as running:
        yield running


@pytest.fixture
def record() -> Record:
    return Record()


@pytest.fixture
def worker(home: Home, gate: LiveGate, record: Record) -> Iterator[Seen]:
    identity = home.identities.load("api")
    with closing(Seen(home.path, gate, lambda: identity, record)) as made:
        made.start()
        made.ready()
        yield made


def needs(result: Result) -> dict[str, str]:
    """What needs attention, with what to type."""
    assert result.code == (1 if result.json["attention"] else 0)
    return {each["what"]: each["hint"] for each in result.json["attention"]}


def test_all_is_well(mutua: Run, home: Home, worker: Seen, record: Record) -> None:
    record.admitted.add()
    record.refuse(Refusal(Reason.REVOKED, "no"), Connection(None, ""), "GET", "/")
    result = mutua("status")
    assert (result.code, result.err) == (0, "")
    assert "attention" not in result.out
    lines = [line.split() for line in result.out.splitlines()]
    assert ["store", "can", "be", "read"] in lines
    assert ["revoked", "1"] in lines
    gate = next(line for line in lines if line[0:1] == [str(worker.state().pid)])
    assert gate[4] == "yes"
    assert gate[-4] == "1"
    assert next(line for line in lines if line[0:1] == ["issuing-1"])


def test_as_json_with_stable_keys(mutua: Run, home: Home, worker: Seen) -> None:
    found = mutua("status", "--json").json
    assert list(found) == [*KEYS, "attention"]
    assert found["store"] == {"reachable": True, "error": None}
    assert set(found["refused_last_hour"]) == {reason.value for reason in Reason}
    [gate] = found["gates"]
    assert gate["answers"]
    assert gate["ready"]
    assert gate["snapshot_version"] == home.snapshot().version
    assert gate["thumbprint"] == home.identities.load("api").thumbprint
    assert {each["name"] for each in found["authorities"]} == {"root", "issuing-1"}
    assert {each["name"] for each in found["identities"]} == {"api", "woovi"}
    assert found["credentials"] == {
        "ending_within_days": {"30": 0, "14": 0, "7": 0, "1": 0},
        "ending_first": [],
        "ended_lately": [],
    }
    assert {each["ca"] for each in found["crls"]} == {"root", "issuing-1"}


def test_without_a_gate_nothing_is_wrong(mutua: Run) -> None:
    result = mutua("status")
    assert result.code == 0
    assert "none runs on this machine" in result.out
    assert "nobody knows" in result.out


def test_what_ends_within_a_month_is_listed_and_the_rest_counted(mutua: Run, home: Home) -> None:
    for _ in range(25):
        home.authority.issue_client("woovi", lifetime=3 * DAY)
    result = mutua("status")
    assert result.code == 0
    assert sum("  client  " in line for line in result.out.splitlines()) == 20
    assert "and 5 more" in result.out
    assert mutua("status", "--json").json["credentials"]["ending_within_days"] == {"30": 25, "14": 25, "7": 25, "1": 0}


def test_a_stale_crl(mutua: Run, clock: Clock) -> None:
    clock.move(8 * DAY)
    found = needs(mutua("status", "--json"))
    assert sorted(what.split(" is stale")[0] for what in found) == ["the CRL of issuing-1", "the CRL of root"]
    assert set(found.values()) == {"mutua ca crl --renew"}
    assert mutua(*next(iter(found.values())).split()[1:]).code == 0
    assert needs(mutua("status", "--json")) == {}


def test_our_own_that_have_ended_each_with_what_mends_it(mutua: Run, home: Home, clock: Clock) -> None:
    clock.move(100 * DAY)
    mutua("ca", "crl", "--renew")
    found = needs(mutua("status", "--json"))
    assert {what.split(" ended")[0]: hint for what, hint in found.items()} == {
        "the identity api": "mutua cert issue server localhost 127.0.0.1 --identity api --force",
        "the identity woovi": "mutua cert issue client woovi --force",
    }
    for hint in found.values():
        assert mutua(*hint.split()[1:]).code == 0
    assert needs(mutua("status", "--json")) == {}


def test_a_client_whose_last_certificate_has_ended(mutua: Run, home: Home, clock: Clock) -> None:
    home.clients.add("bank")
    home.authority.issue_client("bank", lifetime=DAY)
    clock.move(2 * DAY)
    [(what, hint)] = needs(mutua("status", "--json")).items()
    assert what.startswith("the last certificate of bank ended at ")
    assert mutua(*hint.split()[1:]).code == 0
    assert needs(mutua("status", "--json")) == {}


def test_a_gate_that_shows_a_certificate_that_has_ended_is_named_once(
    mutua: Run, home: Home, worker: Seen, clock: Clock
) -> None:
    clock.move(100 * DAY)
    mutua("ca", "crl", "--renew")
    found = needs(mutua("status", "--json"))
    [shows] = [what for what in found if "shows a certificate that ended" in what]
    assert found[shows] == "mutua cert issue server localhost 127.0.0.1 --identity api --force"
    assert not [what for what in found if "identity api" in what]


def test_a_ca_that_has_ended(mutua: Run, clock: Clock) -> None:
    clock.move(6 * 366 * DAY)
    found = needs(mutua("status", "--json"))
    assert found[next(what for what in found if what.startswith("the CA issuing-1 ended"))] == (
        "mutua ca rotate issuing-1"
    )


def test_an_identity_that_cannot_be_read(mutua: Run, home: Home) -> None:
    (home.identities.folder / "api" / "chain.pem").write_text("nothing")
    assert list(needs(mutua("status", "--json"))) == ["the identity api cannot be read"]
    assert "cannot be read" in mutua("status").out


def test_a_gate_that_has_lost_its_store_and_then_refuses_everybody(
    mutua: Run, gate: LiveGate, worker: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate._watcher.stop()
    monkeypatch.setattr(gate, "_confirmed", time.monotonic() - 60)
    assert "will refuse everybody in 2" in next(iter(needs(mutua("status", "--json"))))
    monkeypatch.setattr(gate, "_confirmed", time.monotonic() - 1000)
    [(what, hint)] = needs(mutua("status", "--json")).items()
    assert "refuses everybody until it does" in what
    assert hint == "mutua client list"
    assert mutua("status", "--json").json["gates"][0]["stale"] is True


def test_without_the_store_the_gates_are_still_told_of(mutua: Run, home: Home, worker: Seen, record: Record) -> None:
    record.refuse(Refusal(Reason.EXPIRED, "no"), Connection(None, ""), "GET", "/")
    (home.path / "store.db").rename(home.path / "gone")
    result = mutua("status", "--json")
    text = mutua("status")
    (home.path / "gone").rename(home.path / "store.db")
    assert result.code == text.code == 1
    assert result.json["store"]["reachable"] is False
    assert "store.db" in result.json["store"]["error"]
    assert result.json["refused_last_hour"]["expired"] == 1
    assert len(result.json["gates"]) == 1
    assert {each["name"] for each in result.json["identities"]} == {"api", "woovi"}
    assert "cannot be read" in text.out


def test_a_gate_that_hangs(mutua: Run, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "ANSWER_SECONDS", 0.3)
    listener, path = listen(home.path)
    with closing(listener):
        [(what, hint)] = needs(mutua("status", "--json")).items()
    path.unlink()
    assert "does not answer" in what
    assert hint.startswith("ps -fp ")


@pytest.mark.parametrize(
    ("policy", "becomes"), [("refuse", "clients below its CA are refused"), ("admit", "are let in though revoked")]
)
def test_the_crls_of_partners(mutua: Run, home: Home, tmp_path: Path, clock: Clock, policy: str, becomes: str) -> None:
    ca = make_issuing_ca(make_root(organization="Partner"))
    (tmp_path / "ca.pem").write_bytes(write_pem([ca.certificate]))
    settings = home.path / "mutua.toml"
    settings.write_text(settings.read_text() + "\n[foreign_crls]\nallow_private = true\n")
    home.clients.add("bank", allow=["GET /status"])
    with crl_serving(body(crl(ca, [1], number=7))) as partner:
        known_by = ("--ca", str(tmp_path / "ca.pem"), "--san-dns", "a.example", "--stale-crl", policy)
        assert mutua("client", "trust", "bank", *known_by, "--crl", partner.url()).code == 0
        [(what, hint)] = needs(mutua("status", "--json")).items()
        assert what == f"the CRL from {partner.url()} was never fetched: {what.split(': ')[-1]}"
        assert becomes in what
        assert mutua(*hint.split()[1:]).code == 0
        result = mutua("status", "--json")
        assert needs(result) == {}
        assert [each["condition"] for each in result.json["foreign_crls"]] == ["current"]
        assert f"{partner.url()}  current" in mutua("status").out
        clock.move(8 * DAY)
        mutua("ca", "crl", "--renew")
        [(what, hint)] = needs(mutua("status", "--json")).items()
        assert what.startswith(f"the CRL from {partner.url()} is stale since ")
        partner.answer = body(crl(ca, [1], number=8, this_update=clock.now() - DAY / 24))
        assert mutua(*hint.split()[1:]).code == 0
        assert needs(mutua("status", "--json")) == {}


def test_attention_comes_first_with_what_to_type_below(mutua: Run, clock: Clock) -> None:
    clock.move(8 * DAY)
    lines = mutua("status").out.splitlines()
    assert lines[0].startswith("attention: the CRL of issuing-1 is stale since ")
    assert lines[1] == "  type:    mutua ca crl --renew"


def test_there_has_to_be_a_home(mutua: Run) -> None:
    result = mutua("status", "--home", "nothing")
    assert result.code == 3
    assert result.error().startswith("there is no home")

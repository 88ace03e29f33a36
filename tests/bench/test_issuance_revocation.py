"""The harness of the CRLs' and OCSP's benchmarks measures what it says, and finds out who does less."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature

from bench.issuance import bare_crl, crl, crl_process, ocsp, our_ocsp
from bench.issuance.crl import Contender, CrlRow, Limit
from bench.issuance.crl_process import Made
from bench.issuance.issuer import now
from bench.issuance.ocsp import Delegation, State, WronglyAnswered
from bench.issuance.ours import make_home
from bench.issuance.report import crl_section
from bench.issuance.responders import BareAfresh, BareCached, Listening, OpensslOcsp

BARE_CRL = Contender("bare", "build", "bare_crl:BareCrl")


def test_a_crl_lists_what_was_revoked(tmp_path: Path) -> None:
    contenders = [replace(each, limit=None, parts=min(each.parts, 4)) for each in crl.CONTENDERS]
    rows = crl.measure(400, contenders, 2, tmp_path, lambda _: None)
    whole, ours, part, one_more = [{made.entries for made in row.made} for row in rows]
    assert (whole, ours, part) == ({400}, {400}, {100})
    assert one_more <= {101, 102}
    assert all(made.seconds > 0 and made.peak_mib >= made.before_mib for row in rows for made in row.made)
    assert crl.missed(rows) == []


def test_memory_of_a_crl_is_its_own_process_alone(tmp_path: Path) -> None:
    ballast = bytearray(os.urandom(1) * (192 << 20))
    (row,) = crl.measure(10, [BARE_CRL], 1, tmp_path, lambda _: None)
    assert row.peak_mib < len(ballast) >> 20


def test_a_crl_that_does_not_list_everything_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bare_crl, "revocations", lambda count: crl_process.revocations(count - 1))
    with pytest.raises(ValueError, match="does not list what it must"):
        crl_process.main(BARE_CRL.maker, "10", "1", str(tmp_path))


@pytest.mark.parametrize(("seconds", "peak", "holds"), [(10, 1024, True), (10.1, 1024, False), (10, 1025, False)])
def test_a_crl_is_held_to_time_and_memory(seconds: float, peak: float, holds: bool) -> None:
    row = CrlRow(replace(BARE_CRL, limit=Limit(10, 1024)), [Made(seconds, 30, peak, 10, 400)])
    assert row.held is holds
    assert bool(crl.missed([row])) is not holds
    assert "1024" in crl_section([row])


@pytest.fixture(scope="module")
def delegation() -> Delegation:
    return Delegation.make(25)


def test_every_responder_answers_truly(delegation: Delegation, tmp_path: Path, peer: Callable[[str], str]) -> None:
    peer("openssl")
    responders = [
        BareAfresh(delegation),
        BareCached(delegation),
        OpensslOcsp(delegation, tmp_path / "openssl", min(os.sched_getaffinity(0))),
    ]
    rows = ocsp.measure(responders, 2, lambda _: None)
    assert [(row.name, row.afresh, len(row.rates)) for row in rows] == [
        ("bare cryptography", True, 2),
        ("bare cryptography", False, 2),
        ("openssl ocsp", True, 2),
    ]
    assert all(row.median > 0 for row in rows)


@pytest.mark.parametrize("afresh", [True, False])
def test_our_responder_answers_truly_by_call_and_over_http(afresh: bool, tmp_path: Path) -> None:
    with make_home(tmp_path / "home", stored=0) as home:
        stock = our_ocsp.stock(home, 11)
        assert sum(state.revoked_at is not None for state in stock.states) == 2
        served = our_ocsp.Served(home, stock, tmp_path / "served", min(os.sched_getaffinity(0)), afresh=afresh)
        rows = ocsp.measure([our_ocsp.Called(home, stock, afresh=afresh), served], 1, lambda _: None)
    assert [(row.name, row.way, row.afresh) for row in rows] == [
        ("mutua", "call", afresh),
        ("mutua", "HTTP, a connection each", afresh),
    ]


def _asked(responder: BareAfresh, truth: Delegation) -> None:
    responder.inventory = truth
    ocsp.measure([responder], 1, lambda _: None)


def test_an_untrue_answer_is_found_out(delegation: Delegation) -> None:
    lies = [State(state.serial, None if state.revoked_at else now()) for state in delegation.states]
    with pytest.raises(WronglyAnswered, match="is said to be"):
        _asked(BareAfresh(replace(delegation, states=lies)), delegation)


def test_an_answer_that_was_made_ahead_does_not_pass_as_fresh(delegation: Delegation) -> None:
    responder = BareCached(delegation)
    responder.afresh = True
    with pytest.raises(WronglyAnswered, match="nonce"):
        _asked(responder, delegation)


def test_an_answer_of_a_stranger_is_found_out(delegation: Delegation) -> None:
    other = Delegation.make(1)
    with pytest.raises(InvalidSignature):
        _asked(BareAfresh(replace(delegation, key=other.key, responder=other.responder)), delegation)


def test_a_missing_answer_is_found_out(delegation: Delegation) -> None:
    requests = delegation.requests(nonce=False)
    responder = BareCached(delegation)
    responder.answer(requests)
    with pytest.raises(WronglyAnswered, match="25 requests, 24 answers"):
        ocsp.check(responder.answers[:-1], requests, delegation)


class Silent(Listening):
    """Starts, says why it cannot listen, and ends."""

    name = "silent"

    def prepare(self) -> None:
        (self.folder / "why").write_text("no port is free")

    def command(self) -> list[str]:
        return ["cat", str(self.folder / "why")]

    def announced_port(self, output: str) -> int | None:
        return None


def test_a_server_that_does_not_start_is_told_of(tmp_path: Path) -> None:
    silent = Silent(tmp_path / "silent", min(os.sched_getaffinity(0)))
    with pytest.raises(RuntimeError, match="silent did not start: no port is free"):
        silent.__enter__()


def test_a_server_is_ended_with_its_turn(delegation: Delegation, tmp_path: Path, peer: Callable[[str], str]) -> None:
    peer("openssl")
    with OpensslOcsp(delegation, tmp_path / "openssl", min(os.sched_getaffinity(0))) as server:
        assert server._process is not None
        pid = server._process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)

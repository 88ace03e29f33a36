"""Clients that are gone: nothing of theirs counts any more, and whoever has their name next owns nothing of it."""

from collections import Counter
from datetime import timedelta

import pytest

from mutua import Home
from mutua.errors import ClientInUse, RefusedRenewal, UnknownClient
from mutua.home import snapshots
from mutua.home.exchange import export_registry, import_registry
from mutua.registry.clients import ClientState
from mutua.registry.credentials import Form
from mutua.registry.exchange import read_registry
from mutua.registry.foreign_crls import with_crls
from mutua.registry.partners import by_certificate, by_subject
from mutua.store import foreign_crls
from mutua.store.inventory import CertificateState
from tests.clock import Clock
from tests.home.history import every_event
from tests.home.renewing import by_connection
from tests.pki.hierarchy import make_issuing_ca, make_root

CA = make_issuing_ca(make_root(organization="Bank"))
URL = "http://crl.bank.example/ca.crl"


@pytest.fixture
def bank(home: Home) -> str:
    """A client with certificates of ours, one of them on hold and one revoked, a pin, and a CA with a CRL."""
    home.clients.add("bank", allow=["GET /**"])
    held, lost, _ = (home.authority.issue_client("bank") for _ in range(3))
    home.revocation.revoke(held.thumbprint, reason="certificate_hold")
    home.revocation.revoke(lost.thumbprint, reason="key_compromise")
    home.credentials.add("bank", by_certificate([make_root().certificate], now=home.now()))
    known = by_subject([CA.certificate], Form.DNS, "api.bank.example", now=home.now())
    home.credentials.add("bank", with_crls(known, [CA.certificate], urls=[URL]))
    return "bank"


def happened(home: Home, since: int) -> Counter[str]:
    return Counter(each.kind for each in every_event(home)[since:])


def test_who_is_not_suspended_is_not_removed(home: Home, bank: str) -> None:
    before = home.snapshot()
    with pytest.raises(ClientInUse, match="is not suspended") as refused:
        home.clients.remove(bank)
    assert refused.value.hint == "mutua client suspend bank"
    assert home.snapshot() == before
    home.clients.suspend(bank)
    assert home.clients.remove(bank) == 2


@pytest.mark.parametrize("name", ["nobody", "", "a\x00b", "\udcff"])
def test_nobody_is_removed_under_a_name_that_nobody_has(home: Home, name: str) -> None:
    before = home.snapshot()
    with pytest.raises(UnknownClient):
        home.clients.remove(name, force=True)
    assert home.snapshot() == before


def test_nothing_of_it_counts_any_more_and_each_act_is_told_of(home: Home, bank: str) -> None:
    issued = {each.thumbprint: each.reason for each in home.authority.certificates(client=bank)}
    before = len(every_event(home))
    with home.store.write() as connection:
        foreign_crls.begin(connection, URL, home.now())
    home.clients.remove(bank, force=True)
    told = happened(home, before)
    assert told.pop("crl.published") >= 1
    assert told == {"certificate.revoked": 2, "credential.removed": 2, "client.removed": 1}
    snapshot = home.snapshot()
    assert bank not in snapshot.clients
    assert not {*issued} & {*snapshot.issued}
    assert {*issued} <= {*snapshot.revoked}
    assert (snapshot.pins, snapshot.subjects, snapshot.foreign.sources) == ({}, {}, ())
    assert not home.trust_in_clients.partners
    for thumbprint, reason in issued.items():
        record = home.authority.certificate(thumbprint)
        assert record.client is None
        assert record.reason == ("key_compromise" if reason == "key_compromise" else "cessation_of_operation")
    with home.store.read() as connection:
        assert foreign_crls.everything(connection) == {}
    home.audit.verify()


def test_whoever_has_its_name_next_owns_nothing_of_it(home: Home, bank: str) -> None:
    before = home.snapshot()
    home.clients.remove(bank, force=True)
    again = home.clients.add(bank)
    assert (again.state, again.grants, home.clients.get(bank).credentials) == (ClientState.ACTIVE, (), ())
    assert list(home.authority.certificates(client=bank)) == []
    mine = home.authority.issue_client(bank).thumbprint
    for snapshot in (home.snapshot(), snapshots.follow(home, before)):
        assert [each for each, client in snapshot.issued.items() if client == bank] == [mine]
    home.audit.verify()


def test_what_has_ended_is_not_revoked_and_still_nobodys(home: Home, bank: str, clock: Clock) -> None:
    before = home.snapshot()
    clock.move(timedelta(days=400))
    assert home.clients.remove(bank, force=True) == 0
    assert bank not in snapshots.follow(home, before).issued.values()
    assert not list(home.authority.certificates(client=bank))


def test_its_certificates_are_not_renewed(home: Home, bank: str) -> None:
    identity = home.authority.issue_client(bank)
    home.clients.remove(bank, force=True)
    home.clients.add(bank)
    with pytest.raises(RefusedRenewal, match="cessation_of_operation"):
        by_connection(home, identity)


def test_a_failure_halfway_changes_nothing(home: Home, bank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from mutua.store import registry

    before = home.snapshot()

    def fail(*_: object) -> None:
        raise RuntimeError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(registry, "remove", fail)
        with pytest.raises(RuntimeError):
            home.clients.remove(bank, force=True)
    assert home.snapshot() == before
    home.audit.verify()


def test_from_an_export_of_before_comes_back_what_it_brought_and_nothing_of_ours(home: Home, bank: str) -> None:
    ours = {each.thumbprint for each in home.authority.certificates(client=bank)}
    text = export_registry(home)
    home.clients.remove(bank, force=True)
    assert bank not in export_registry(home)
    told = import_registry(home, read_registry(text.encode(), now=home.now()))
    assert told[0] == "bank: registered"
    assert len(told) == 3
    assert export_registry(home) == text
    assert {each.value for each in home.clients.get(bank).credentials}.isdisjoint(ours)
    revoked = home.authority.certificates(state=CertificateState.REVOKED)
    assert {each.thumbprint for each in revoked} == ours
    home.audit.verify()

"""Any history of acts verifies, is followed by the gate, and any cell changed behind its back is found."""

import random
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mutua import Home
from mutua.errors import BrokenAudit, MutuaError
from mutua.gate.snapshot import Snapshot
from mutua.home.snapshots import follow, load
from mutua.pki.requests import write_request
from mutua.registry.credentials import Form
from mutua.registry.partners import by_certificate, by_key, by_subject
from tests.home.history import EST, every_event, refuse, renew, reseal
from tests.pki.hierarchy import make_issuing_ca, make_root
from tests.store.tampering import COMPARED, Intruder, other_values

ACTS: dict[str, Callable[[Home, random.Random], object]] = {
    "add": lambda home, chance: home.clients.add(f"client-{chance.randrange(5)}", allow=["GET /a/*", "POST /b"]),
    "grant": lambda home, chance: home.clients.grant(some_client(home, chance), allow=["GET /c"], deny=["POST /b"]),
    "trust": lambda home, chance: trust(home, some_client(home, chance), chance),
    "distrust": lambda home, chance: distrust(home, some_client(home, chance)),
    "remove": lambda home, chance: remove(home, some_client(home, chance)),
    "suspend": lambda home, chance: home.clients.suspend(some_client(home, chance)),
    "resume": lambda home, chance: home.clients.resume(some_client(home, chance)),
    "issue": lambda home, chance: home.authority.issue_client(some_client(home, chance)),
    "serve": lambda home, _: home.authority.issue_server("api.acme.example", "10.0.0.1"),
    "revoke": lambda home, chance: home.revocation.revoke(some_certificate(home, chance)),
    "hold": lambda home, chance: home.revocation.revoke(some_certificate(home, chance), reason="certificate_hold"),
    "release": lambda home, chance: home.revocation.release(some_certificate(home, chance)),
    "rotate": lambda home, _: home.hierarchy.rotate(),
    "retire": lambda home, chance: home.hierarchy.retire(chance.choice(home.hierarchy.everyone()).id, force=True),
    "renew": lambda home, _: renew(home, home.identities.load("woovi")),
    "reseal": lambda home, _: reseal(home),
    "refuse": lambda home, _: refuse(home),
    "invite": lambda home, chance: home.invitations.invite(some_client(home, chance), url=EST),
    "enrol": lambda home, chance: enrol(home, some_client(home, chance)),
    "withdraw": lambda home, chance: home.invitations.withdraw(some_client(home, chance)),
}


PARTNER = make_issuing_ca(make_root(organization="Partner"))
SELF_SIGNED = make_root(organization="Self")


def enrol(home: Home, client: str) -> None:
    """With an invitation of its own."""
    token = home.invitations.invite(client, url=EST).token
    home.invitations.enrol(token, write_request(SELF_SIGNED.key, []), client=client)


def trust(home: Home, client: str, chance: random.Random) -> None:
    """Something that somebody else may be known by already."""
    now, ca = home.now(), [PARTNER.certificate]
    introduction = chance.choice(
        [
            by_certificate([SELF_SIGNED.certificate], now=now),
            by_key([SELF_SIGNED.certificate]),
            by_subject(ca, Form.DNS, "api.bank.example", now=now),
            by_subject(ca, Form.DN, "CN=Bank,O=Partner", now=now),
        ]
    )
    home.credentials.add(client, introduction, replace=chance.random() < 0.5)


def distrust(home: Home, client: str) -> None:
    for credential in home.credentials.of(client)[:1]:
        home.credentials.remove(client, credential)


def remove(home: Home, client: str) -> None:
    """Anybody but the last one, for there is always somebody to do something with."""
    if len(home.clients.all()) > 1:
        home.clients.remove(client, force=True)


def content(snapshot: Snapshot) -> dict[str, object]:
    """What a snapshot says, whatever it is made of."""
    said = {each.name: getattr(snapshot, each.name) for each in fields(snapshot) if each.name != "trust"}
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in said.items()}


def some_client(home: Home, chance: random.Random) -> str:
    return chance.choice(home.clients.all()).name


def some_certificate(home: Home, chance: random.Random) -> str:
    return chance.choice(list(home.authority.certificates())).thumbprint


@given(acts=st.lists(st.sampled_from(sorted(ACTS)), max_size=12), seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_any_history_verifies_and_any_cell_changed_in_it_is_found(
    home_template: Path, tmp_path_factory: pytest.TempPathFactory, acts: list[str], seed: int
) -> None:
    chance, folder = random.Random(seed), tmp_path_factory.mktemp("history") / "home"
    shutil.copytree(home_template, folder, symlinks=True)
    with Home.open(folder) as home:
        reseal(home)
        followed = load(home)
        for act in acts:
            with suppress(MutuaError):
                ACTS[act](home, chance)
            if chance.random() < 0.7:  # the others are followed together with those after them
                followed = follow(home, followed)
                assert content(followed) == content(load(home))
        assert home.audit.verify(home.audit.checkpoint()) == len(every_event(home))
        intruder = Intruder(home.store.path)
        for _ in range(8):
            change_any_cell(home, intruder, chance)
        intruder.close()
        home.audit.verify()
    shutil.rmtree(folder)


def change_any_cell(home: Home, intruder: Intruder, chance: random.Random) -> None:
    table = chance.choice([each for each in COMPARED if intruder.rows(each)])
    rows, column = intruder.rows(table), chance.choice(list(table.c))
    place = chance.randrange(len(rows))
    value = chance.choice(other_values(table, column, rows, place))
    with suppress(sqlite3.IntegrityError), intruder.changed(table, rows[place], column, value):
        require_broken(home)


def require_broken(home: Home) -> None:
    with pytest.raises(BrokenAudit):
        home.audit.verify()

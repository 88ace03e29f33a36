"""``mutua client list`` and ``show``: who calls, whose proofs end, and how the CRLs of partners' CAs are doing."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, insert

from mutua import Home
from mutua.home.foreign_crls import ForeignCrls
from mutua.pki.certificates import write_pem
from mutua.registry.partners import by_certificate, by_key
from mutua.store import sightings
from mutua.store.schema import clients, grants
from tests.cli.conftest import Run
from tests.clock import Clock, clock
from tests.home.renewing import by_connection
from tests.inbound.connections import LiveConnection, client_context, until
from tests.pki.hierarchy import NOW, issue, make_issuing_ca, make_root
from tests.pki.revocation_lists import crl
from tests.serving import Serving

CA = make_issuing_ca(make_root(organization="Bank"))
LEAF = issue(CA, names=["api.bank.example"], lifetime=timedelta(days=9))
URL = "http://crl.bank.example/ca.crl"

__all__ = ["clock"]


def listed(mutua: Run, *options: str) -> list[str]:
    """The rows without their heading."""
    result = mutua("client", "list", *options)
    assert result.code == 0, result.err
    return result.out.splitlines()[1:]


def names(mutua: Run, *options: str) -> list[str]:
    return [row.split()[0] for row in listed(mutua, *options)]


def see(home: Home, client: str, at: datetime) -> None:
    with home.store.write() as connection:
        sightings.put(connection, {f"{'x' * 43} {client}": at})


def test_each_with_its_state_its_first_end_and_when_it_was_seen(home: Home, mutua: Run, clock: Clock) -> None:
    ends = home.identities.load("woovi").not_after
    home.clients.add("bank")
    home.clients.suspend("bank")
    home.credentials.add("bank", by_certificate([LEAF.certificate], now=home.now()))
    clock.move(timedelta(hours=1))
    at = clock.now()
    see(home, "woovi", at)
    heading = mutua("client", "list").out.splitlines()[0]
    assert heading.split("  ")[0] == "CLIENT"
    assert [" ".join(row.split()) for row in listed(mutua)] == [
        f"bank suspended never {LEAF.certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC nothing",
        f"woovi active {at:%Y-%m-%d %H:%M} UTC {ends:%Y-%m-%d %H:%M} UTC GET /**, POST /webhook/*",
    ]
    bank, woovi = mutua("client", "list", "--json").json
    assert (bank["last_seen"], woovi["last_seen"]) == (None, at.isoformat())
    assert woovi["first_end"] == ends.isoformat()
    (pin,) = bank["credentials"]
    assert (pin["kind"], pin["form"], pin["state"]) == ("pin", "x5t#S256", "valid")
    assert pin["not_after"] == bank["first_end"] == LEAF.certificate.not_valid_after_utc.isoformat()


def test_what_counts_no_more_is_no_end_to_wait_for(home: Home, mutua: Run, clock: Clock) -> None:
    first = home.identities.load("woovi")
    second = by_connection(home, first)
    revoked = home.authority.issue_client("woovi", lifetime=timedelta(days=1))
    home.revocation.revoke(revoked.thumbprint)
    home.credentials.add("woovi", by_key([LEAF.certificate]))
    clock.move(timedelta(days=10))
    (woovi,) = mutua("client", "list", "--json").json
    states = {each["value"]: each["state"] for each in woovi["credentials"]}
    assert (states[first.thumbprint], states[second.thumbprint]) == ("superseded", "valid")
    assert states[revoked.thumbprint] == "revoked"
    assert [each["state"] for each in woovi["credentials"] if each["kind"] == "pin"] == ["expired"]
    assert woovi["first_end"] == second.not_after.isoformat()


def test_a_credential_that_is_replaced_ends_when_that_was_said(home: Home, mutua: Run) -> None:
    home.credentials.add("woovi", by_certificate([LEAF.certificate], now=home.now()))
    new = by_certificate([make_root().certificate], now=home.now())
    home.credentials.add("woovi", new, replace=True, overlap=timedelta(days=2))
    (woovi,) = mutua("client", "list", "--json").json
    assert woovi["first_end"] == woovi["credentials"][0]["ends_at"]
    assert "known by     x5t#S256" in mutua("client", "show", "woovi").out


def test_sorted_and_chosen(home: Home, mutua: Run) -> None:
    for name in ("c-late", "a-never", "b-early"):
        home.clients.add(name)
    home.authority.issue_client("b-early", lifetime=timedelta(days=1))
    for name, minutes in (("c-late", 30), ("b-early", 20), ("woovi", 10)):
        see(home, name, home.now() + timedelta(minutes=minutes))
    assert names(mutua) == ["a-never", "b-early", "c-late", "woovi"]
    assert names(mutua, "--sort", "seen") == ["a-never", "woovi", "b-early", "c-late"]
    assert names(mutua, "--sort", "until", "--limit", "2") == ["b-early", "woovi"]
    home.clients.suspend("c-late")
    assert names(mutua, "--state", "suspended") == ["c-late"]
    result = mutua("client", "list", "--state", "active", "--json", "--limit", "1")
    assert [each["name"] for each in result.json] == ["a-never"]


def test_without_any_it_says_what_to_type(home: Home, mutua: Run) -> None:
    result = mutua("client", "list", "--state", "suspended")
    assert (result.code, result.out) == (0, "")
    assert "mutua client add NAME" in result.err
    assert mutua("client", "list", "--state", "suspended", "--json").json == []


def test_a_crowd_takes_as_many_questions_as_one(home: Home, mutua: Run) -> None:
    asked: list[str] = []

    def count(*arguments: object) -> None:
        asked.append(str(arguments[2]))

    def questions() -> int:
        asked.clear()
        with home.store.read() as connection:
            event.listen(connection, "before_cursor_execute", count)
            from mutua.store import client_list

            found = list(client_list.everyone(connection, home.now()))
            event.remove(connection, "before_cursor_execute", count)
        assert found[-1].name == "woovi"
        return len(asked)

    few = questions()
    crowd = [{"name": f"client-{number:05}", "state": "active", "created_at": NOW} for number in range(5000)]
    with home.store.write() as connection:
        connection.execute(insert(clients), crowd)
        allowed = [{"client": each["name"], "methods": "GET", "pattern": "/status"} for each in crowd]
        connection.execute(insert(grants), allowed[::-1])
    assert questions() == few
    rows = listed(mutua)
    assert len(rows) == 5001
    assert all(row.endswith("GET /status") for row in rows[:-1])
    assert [row.split()[0] for row in rows[:-1]] == [each["name"] for each in crowd]


def test_show_has_the_state_of_the_crls_of_this_client_alone(
    home: Home, mutua: Run, tmp_path: Path, clock: Clock
) -> None:
    (tmp_path / "ca.pem").write_bytes(write_pem([CA.certificate]))
    for name, url in (("bank", URL), ("other", "http://crl.other.example/ca.crl")):
        home.clients.add(name, allow=["GET /status"])
        ways = ("--ca", str(tmp_path / "ca.pem"), "--san-dns", f"api.{name}.example", "--crl", url)
        assert mutua("client", "trust", name, *ways).code == 0
    assert mutua("client", "show", "bank").out.splitlines()[-1].split() == ["crl", URL, "missing"]
    foreign = ForeignCrls(home, lambda _: crl(CA, this_update=clock.now() - timedelta(minutes=1)))
    foreign.fetch_due(anyway=True)
    assert mutua("client", "show", "bank").out.splitlines()[-1].split()[:3] == ["crl", URL, "current"]
    (state,) = mutua("client", "show", "bank", "--json").json["crls"]
    assert (state["url"], state["condition"], state["stale_crl"]) == (URL, "current", "refuse")
    clock.move(timedelta(days=2))
    assert mutua("client", "show", "bank").out.splitlines()[-1].split()[:3] == ["crl", URL, "stale"]
    assert mutua("client", "show", "woovi", "--json").json["crls"] == []


def test_a_client_that_calls_is_seen(home: Home, mutua: Run, serve: Callable[..., Serving]) -> None:
    assert mutua("client", "show", "woovi", "--json").json["last_seen"] is None
    serving = serve()
    with LiveConnection(serving.port, client_context(home)) as connection:
        assert connection.get() == 200
    assert serving.stop() == 0
    assert mutua("client", "show", "woovi", "--json").json["last_seen"] is not None


def test_a_partner_that_calls_is_seen_by_its_name(home: Home, mutua: Run, serve: Callable[..., Serving]) -> None:
    mutua("client", "add", "bank", "--allow", "GET /**")
    alone = issue(CA, names=["api.bank.example"])
    home.credentials.add("bank", by_certificate([alone.certificate], now=home.now()))
    serving = serve()
    with LiveConnection(serving.port, alone.client_context(home.trust)) as connection:
        until(lambda: connection.get() == 200)
    assert serving.stop() == 0
    seen = {each["name"]: each["last_seen"] for each in mutua("client", "list", "--json").json}
    assert seen["bank"] is not None
    assert seen["woovi"] is None


@pytest.mark.parametrize("before", [True, False])
def test_who_was_seen_under_a_name_of_before_was_somebody_else(home: Home, mutua: Run, *, before: bool) -> None:
    home.clients.add("bank")
    late = home.now()
    see(home, "bank", late)
    home.clients.remove("bank", force=True)
    if before:
        see(home, "bank", late)  # there is nobody of that name
    home.clients.add("bank")
    see(home, "bank", late)
    assert mutua("client", "show", "bank", "--json").json["last_seen"] is None

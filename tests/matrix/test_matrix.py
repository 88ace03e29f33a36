"""Every client at every server: what comes of it is what stands in docs/compatibility.md.

Where that has changed for good, ``make matrix`` writes the page anew.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mutua.cli.demo.clients import find_java, find_undici
from mutua.cli.demo.clients.client import Client
from tests.matrix import doors
from tests.matrix.cells import Cells, Place, settled
from tests.matrix.ours import verdict_on
from tests.matrix.page import OURS, PAGE, THEIRS, Row, Side, render, rows_of, without_versions
from tests.matrix.parties import KEYS, ROLES, Parties
from tests.matrix.running import OTHER_CLIENTS, OUR_CLIENTS, door_rows, server_rows
from tests.matrix.servers import SERVERS, WITHOUT, envoy
from tests.missing import missing

pytestmark = pytest.mark.timeout(600)

Peer = Callable[[str], str]


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parties]:
    made = Parties.make(tmp_path_factory.mktemp("matrix"))
    with made.home:
        yield made


@pytest.fixture(scope="module")
def programs(parties: Parties, peer: Peer) -> Iterator[list[Client]]:
    for program in doors.PROGRAMS:
        peer(program)
    if find_java() is None:
        missing("the peer 'javac' is not installed")
    if find_undici() is None:
        missing("the peer 'undici' is not installed")
    with doors.clients(parties.nothing, peer) as clients:
        yield clients


def written() -> tuple[Side, Side]:
    text = PAGE.read_text()
    return Side.read(text, OURS, OUR_CLIENTS), Side.read(text, THEIRS, OTHER_CLIENTS)


def on_the_page(side: Side, server: str) -> list[Row]:
    return [row for row in side.rows if row.server == server]


@pytest.mark.parametrize("server", SERVERS)
def test_what_comes_of_our_clients_stands_on_the_page(
    server: str, parties: Parties, peer: Peer, tmp_path: Path
) -> None:
    assert server_rows(server, peer, parties, tmp_path) == on_the_page(written()[0], server)


@pytest.mark.parametrize("door", doors.DOORS)
def test_what_comes_of_other_clients_stands_on_the_page(door: str, parties: Parties, programs: list[Client]) -> None:
    assert [client.name for client in programs] == list(OTHER_CLIENTS)
    assert door_rows(door, programs, parties) == on_the_page(written()[1], door)


def test_the_page_says_of_its_tables_what_is_in_them() -> None:
    assert render(*written(), WITHOUT) == without_versions(PAGE.read_text())


def test_the_page_has_every_server_key_version_client_and_role() -> None:
    ours, theirs = written()
    assert list(dict.fromkeys(row.server for row in ours.rows)) == list(SERVERS)
    assert list(dict.fromkeys(row.server for row in theirs.rows)) == list(doors.DOORS)
    keys = dict.fromkeys(SERVERS, 3)
    for server, _ in WITHOUT:
        keys[server] -= 1
    assert ours.calls == sum(keys.values()) * 2 * len(OUR_CLIENTS) * len(ROLES)
    assert theirs.calls == sum(map(len, doors.DOORS.values())) * 2 * len(OTHER_CLIENTS) * len(ROLES)


def test_nobody_but_whoever_has_a_good_certificate_is_admitted() -> None:
    for side in written():
        for row in side.rows:
            assert [role for role, found in zip(ROLES, row.outcomes, strict=True) if found == "admitted"] == ["good"]


def test_envoy_asks_for_no_certificate_with_an_ed25519_key(parties: Parties, peer: Peer, tmp_path: Path) -> None:
    """Once it does, the page has a gap less."""
    callers = parties.callers()
    with envoy(peer("envoy"), parties, tmp_path, [("Ed25519", "1.3")]) as ports:
        (port,) = ports.values()
        url = f"https://127.0.0.1:{port}/"
        verdicts = [verdict_on(callers["good", key], url) for key in KEYS]
    assert verdicts == ["admitted", "admitted", "certificate_required"]


def cells(**changed: str) -> Cells:
    outcomes = dict.fromkeys(ROLES, "unknown_ca") | {"good": "admitted"}
    found = {
        Place("nginx", version, key, client, role): outcome
        for version in ("1.2", "1.3")
        for key in ("P-256", "Ed25519")
        for client in OTHER_CLIENTS
        for role, outcome in outcomes.items()
    }
    return found | {Place("nginx", "1.3", "Ed25519", client, "none"): outcome for client, outcome in changed.items()}


def test_what_is_the_same_stands_on_one_line_and_a_changed_cell_on_its_own() -> None:
    (row,) = rows_of(cells(), OTHER_CLIENTS)
    assert row.line(OTHER_CLIENTS) == (
        "| nginx | 1.2, 1.3 | P-256, Ed25519 | all | admitted | " + " | ".join(["`unknown_ca`"] * 5) + " |"
    )
    rows = rows_of(cells(curl="closed"), OTHER_CLIENTS)
    assert Row("nginx", ("1.3",), ("Ed25519",), ("curl",), ("admitted", "closed", *["unknown_ca"] * 4)) in rows
    assert sum(row.calls for row in rows) == len(cells())
    assert [Row.read(row.line(OTHER_CLIENTS), OTHER_CLIENTS) for row in rows] == rows


@pytest.mark.parametrize(
    ("found", "version", "client", "cell"),
    [
        ("closed", "1.3", "curl", "unknown_ca"),
        ("closed", "1.2", "curl", "closed"),
        ("unknown_ca", "1.3", "curl", "unknown_ca"),
        ("admitted", "1.3", "curl", "admitted"),
        ("certificate_expired", "1.3", "curl", "certificate_expired"),
        ("not told", "1.3", "curl", "not told"),
        ("closed", "1.3", "wget", "not told"),
    ],
)
def test_only_an_alert_that_was_overtaken_is_put_back(found: str, version: str, client: str, cell: str) -> None:
    assert settled(found, "unknown_ca", version, client) == cell

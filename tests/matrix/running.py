"""One server of the matrix after the other, called by everybody."""

from collections.abc import Callable, Mapping
from pathlib import Path

from mutua.cli.demo.clients.client import Client
from tests.matrix import doors, ours
from tests.matrix.cells import Cells
from tests.matrix.page import OURS, THEIRS, Row, Side, rows_of
from tests.matrix.parties import Parties
from tests.matrix.servers import SERVERS

OUR_CLIENTS = tuple(ours.CLIENTS)
OTHER_CLIENTS = ("curl", "wget", "Node https", "Node fetch", "Java")

Find = Callable[[str], str]


def server_rows(server: str, find: Find, parties: Parties, folder: Path) -> list[Row]:
    """Our clients at a server of another make.

    Args:
        server: its name on the page.
        find: gives the path of a program.
        parties: who calls.
        folder: for its files; empty.
    """
    program, start = SERVERS[server]
    with start(find(program), parties, folder) as ports:
        return rows_of(ours.cells_of(server, ports, parties), OUR_CLIENTS)


def door_rows(door: str, clients: list[Client], parties: Parties) -> list[Row]:
    """Other clients at a door of ours."""
    with doors.running(door, parties) as ports:
        found: Cells = doors.cells_of(door, ports, parties, clients)
    return rows_of(found, OTHER_CLIENTS)


def sides(ours_: Mapping[str, list[Row]], theirs: Mapping[str, list[Row]]) -> tuple[Side, Side]:
    """Both tables."""
    return (
        Side(OURS, OUR_CLIENTS, tuple(row for rows in ours_.values() for row in rows)),
        Side(THEIRS, OTHER_CLIENTS, tuple(row for rows in theirs.values() for row in rows)),
    )

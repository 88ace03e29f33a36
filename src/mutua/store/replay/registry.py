"""Clients and what they may call, as the events tell of them."""

from collections import Counter
from itertools import zip_longest

from sqlalchemy import Connection, RowMapping

from mutua.registry.clients import ClientState
from mutua.store.replay.difference import Differences, everything, shown
from mutua.store.replay.said import Said, Tellers
from mutua.store.schema import clients, grants

_GRANT = ("client", "methods", "pattern")

Granted = tuple[object, object, object]
"""A client, its methods and the pattern."""


class Registry:
    """``clients`` and ``grants``.

    Args:
        connection: a reading transaction.
        found: where differences go.
    """

    def __init__(self, connection: Connection, found: Differences) -> None:
        self._connection, self._found = connection, found
        self._clients: dict[str, dict[str, object]] = {}
        self._grants: list[Granted] = []
        self.tellers: Tellers = {
            "client.added": self._added,
            "client.granted": self._granted_more,
            "client.suspended": self._suspended,
            "client.resumed": self._resumed,
            "client.removed": self._removed,
        }

    def compare(self) -> None:
        """Compare the rows with what was told."""
        told = dict(self._clients)
        for row in everything(self._connection, clients):
            known = told.pop(row["name"], None)
            if known is None:
                self._found.unknown(clients, row["name"])
            else:
                self._found.compare(clients, row["name"], row, known)
        for name, known in told.items():
            self._found.missing(clients, name, f"the client is {known['state']}")
        self._compare_grants()

    def _added(self, said: Said) -> None:
        name = said.subject
        self._clients[name] = {"name": name, "state": ClientState.ACTIVE.value, "created_at": said.at}
        self._grants += [_told(name, grant) for grant in said.facts["grants"]]

    def _granted_more(self, said: Said) -> None:
        for grant in said.facts["denied"]:
            self._grants.remove(_told(said.subject, grant))
        self._grants += [_told(said.subject, grant) for grant in said.facts["allowed"]]

    def _suspended(self, said: Said) -> None:
        self._clients[said.subject]["state"] = ClientState.SUSPENDED.value

    def _resumed(self, said: Said) -> None:
        self._clients[said.subject]["state"] = ClientState.ACTIVE.value

    def _removed(self, said: Said) -> None:
        del self._clients[said.subject]
        self._grants = [granted for granted in self._grants if granted[0] != said.subject]

    def _compare_grants(self) -> None:
        """The ids of grants are no facts, but their order is that in which they were given."""
        rows = list(everything(self._connection, grants))
        left = Counter(self._grants)
        strangers: list[RowMapping] = []
        for row in rows:
            granted = _granted(row)
            if left[granted]:
                left[granted] -= 1
            else:
                strangers.append(row)
        for stranger, granted in zip_longest(strangers, left.elements()):
            self._differ(stranger, granted)
        if not strangers and not left.total():
            for place, (row, granted) in enumerate(zip(rows, self._grants, strict=True), 1):
                if _granted(row) != granted:
                    told = f"number {place} is {_text(granted)}"
                    self._found.cell(grants, row["id"], "id", f"number {place}: {_text(_granted(row))}", told)
                    break

    def _differ(self, row: RowMapping | None, told: Granted | None) -> None:
        if row is None:
            assert told is not None
            self._found.missing(grants, told[0], f"the client may {_text(told)}")
        elif told is None:
            self._found.unknown(grants, row["id"])
        else:
            self._found.compare(grants, row["id"], row, {"id": row["id"], **dict(zip(_GRANT, told, strict=True))})


def _told(client: str, grant: str) -> Granted:
    methods, _, pattern = grant.partition(" ")
    return client, methods, pattern


def _granted(row: RowMapping) -> Granted:
    return row["client"], row["methods"], row["pattern"]


def _text(granted: Granted) -> str:
    return shown(f"{granted[1]} {granted[2]}")

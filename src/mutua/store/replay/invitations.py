"""Invitations, as the events tell of them."""

from sqlalchemy import Connection

from mutua.store.replay.difference import Differences, everything, told_time
from mutua.store.replay.said import Said, Tellers
from mutua.store.schema import invitations


class Invitations:
    """``invitations``.

    Args:
        connection: a reading transaction.
        found: where differences go.
    """

    def __init__(self, connection: Connection, found: Differences) -> None:
        self._connection, self._found = connection, found
        self._told: dict[object, dict[str, object]] = {}
        self.tellers: Tellers = {
            "invitation.made": self._made,
            "invitation.used": self._used,
            "invitation.withdrawn": self._withdrawn,
            "client.removed": self._removed,
        }

    def compare(self) -> None:
        """Compare the rows with what was told."""
        left = dict(self._told)
        for row in everything(self._connection, invitations):
            told = left.pop(row["id"], None)
            if told is None:
                self._found.unknown(invitations, row["id"])
            else:
                self._found.compare(invitations, row["id"], row, told)
        for identifier, told in left.items():
            self._found.missing(invitations, identifier, f"{told['client']} is invited")

    def _made(self, said: Said) -> None:
        facts = said.facts
        self._told[said.id] = {
            "id": said.id,
            "client": said.subject,
            "token_hash": facts["token_hash"],
            "profile": facts["profile"],
            "names": "\n".join(facts["names"]),
            "lifetime": facts["lifetime"],
            "expires_at": told_time(facts["expires_at"]),
            "used_at": None,
            "certificate": None,
        }

    def _used(self, said: Said) -> None:
        self._told[said.facts["invitation"]] |= {"used_at": said.at, "certificate": said.facts["certificate"]}

    def _withdrawn(self, said: Said) -> None:
        del self._told[said.facts["invitation"]]

    def _removed(self, said: Said) -> None:
        self._told = {key: told for key, told in self._told.items() if told["client"] != said.subject}

"""Invitations, as the events tell of them; and what was issued for each is what it was for.

A row that was changed, used, and changed back is what the events say of it. What came of it is not.
"""

from sqlalchemy import Connection

from mutua.store.replay.difference import Differences, told_time
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
        self._awaited: dict[object, dict[str, object]] = {}
        """By the certificate whose event is the next: it follows within the transaction."""
        self.tellers: Tellers = {
            "certificate.issued": self._issued,
            "invitation.made": self._made,
            "invitation.used": self._used,
            "invitation.withdrawn": self._withdrawn,
            "client.removed": self._removed,
        }

    def compare(self) -> None:
        """Compare the rows with what was told."""
        self._found.compare_all(self._connection, invitations, self._told, lambda told: f"{told['client']} is invited")

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
        """Once, for whom it was, and before it ended."""
        identifier, certificate = said.facts["invitation"], said.facts["certificate"]
        told = self._told[identifier]
        if said.subject != told["client"]:
            self._found.cell(invitations, identifier, "client", said.subject, told["client"])
        if isinstance(said.at, int) and isinstance(told["expires_at"], int) and said.at > told["expires_at"]:
            self._found.cell(invitations, identifier, "expires_at", said.at, told["expires_at"])
        if told["used_at"] is not None:
            self._found.cell(invitations, identifier, "certificate", certificate, told["certificate"])
        told |= {"used_at": said.at, "certificate": certificate}
        self._awaited[certificate] = told

    def _issued(self, said: Said) -> None:
        """With the names and the profile of the invitation, and not for longer."""
        told = self._awaited.pop(said.subject, None)
        if told is None:
            return
        facts = said.facts
        issued = {"profile": facts["profile"], "names": "\n".join(facts["names"])}
        if isinstance(told["lifetime"], int) and isinstance(said.at, int):
            seconds = (told_time(facts["not_after"]) - said.at) // 1_000_000
            issued["lifetime"] = max(seconds, told["lifetime"])  # shorter where its CA ends before
        self._found.compare(invitations, told["id"], issued, told)

    def _withdrawn(self, said: Said) -> None:
        del self._told[said.facts["invitation"]]

    def _removed(self, said: Said) -> None:
        self._told = {key: told for key, told in self._told.items() if told["client"] != said.subject}

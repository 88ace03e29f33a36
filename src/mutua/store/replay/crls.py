"""The newest CRL of each CA and shard, as the events tell of them."""

from hashlib import sha256

from sqlalchemy import Connection, select

from mutua.store.replay.difference import Differences, rows, stored, told_time
from mutua.store.replay.said import Said, Tellers
from mutua.store.schema import crls


class Crls:
    """``crls``: the lists themselves by their SHA-256.

    Args:
        connection: a reading transaction.
        found: where differences go.
    """

    def __init__(self, connection: Connection, found: Differences) -> None:
        self._connection, self._found = connection, found
        self._told: dict[str, dict[str, object]] = {}
        self._numbers: dict[str, int] = {}
        self.tellers: Tellers = {
            "crl.published": self._published,
            "crl.withdrawn": self._withdrawn,
            "certificate.revoked": self._touched,
            "certificate.released": self._touched,
        }

    def compare(self) -> None:
        """Compare the rows with what was told."""
        told = dict(self._told)
        query = select(*stored(crls)).order_by(*crls.primary_key.columns)
        for row in rows(self._connection, query, at_once=1):
            place = f"{row['authority']}/{row['shard']}"
            known = told.pop(place, None)
            if known is None:
                self._found.unknown(crls, place)
            else:
                der = row["der"]
                named = {**row, "der": sha256(der).hexdigest() if isinstance(der, bytes) else der}
                self._found.compare(crls, place, named, known)
        for place, known in told.items():
            self._found.missing(crls, place, f"the CRL has number {known['number']}")

    def _published(self, said: Said) -> None:
        authority, _, shard = said.subject.rpartition("/")
        before, number = self._told.get(said.subject), int(said.facts["number"])
        last = self._numbers.get(said.subject, 0)
        if number <= last:
            self._found.cell(crls, said.subject, "number", number, f"more than {last} at event {said.id}")
        self._numbers[said.subject] = max(last, number)
        self._told[said.subject] = {
            "authority": authority,
            "shard": int(shard),
            "number": number,
            "this_update": told_time(said.facts["this_update"]),
            "next_update": told_time(said.facts["next_update"]),
            "event": said.facts["event"],
            "touched": 0 if before is None else before["touched"],
            "der": said.facts["sha256"],
        }

    def _withdrawn(self, said: Said) -> None:
        # Two processes may have done it at once. The numbers go on where they were, should it be made anew.
        self._told.pop(said.subject, None)

    def _touched(self, said: Said) -> None:
        if said.old:
            return  # there were no CRLs
        authority, shard = said.facts["authority"], said.facts["shard"]
        for place in {f"{authority}/0", f"{authority}/{shard}"}:
            if place in self._told:
                self._told[place]["touched"] = said.id

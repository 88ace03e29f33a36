"""The CAs, as the events tell of them."""

from functools import lru_cache
from hashlib import sha256

from cryptography import x509
from sqlalchemy import Connection

from mutua.ca.hierarchy import AuthorityState, Purpose
from mutua.errors import UnreadableCertificate
from mutua.pki.certificates import read_certificate
from mutua.pki.profiles import ISSUING_CA
from mutua.pki.thumbprints import x5t_s256
from mutua.store.replay.difference import UNTOLD, Differences, Values, everything
from mutua.store.replay.said import Said, Tellers
from mutua.store.schema import authorities


class Authorities:
    """``authorities``: certificates by their thumbprints, keys by the SHA-256 of what is stored of them.

    Args:
        connection: a reading transaction.
        found: where differences go.
    """

    def __init__(self, connection: Connection, found: Differences) -> None:
        self._found = found
        self._rows: dict[object, Values] = {row["id"]: dict(row) for row in everything(connection, authorities)}
        self._told: dict[str, dict[str, object]] = {}
        self.certificate = lru_cache(maxsize=None)(self._certificate)
        self.tellers: Tellers = {
            "authority.created": self._created,
            "authority.superseded": self._superseded,
            "authority.retired": self._retired,
            "authority.key_exported": self._key_moved,
            "authority.key_imported": self._key_moved,
            "keys.resealed": self._resealed,
            "audit.signed": self._adopted,
        }

    def compare(self) -> None:
        """Compare the rows with what was told."""
        told = dict(self._told)
        for identifier, row in self._rows.items():
            known = told.pop(identifier, None) if isinstance(identifier, str) else None
            if known is None:
                self._found.unknown(authorities, identifier)
            else:
                self._found.compare(authorities, identifier, _named(row), known)
        for identifier, known in told.items():
            self._found.missing(authorities, identifier, f"the CA is {known['state']}")

    def _certificate(self, authority: str) -> x509.Certificate | None:
        """The certificate of a CA, unless its row is not what the events say: that is told once."""
        row, told = self._rows.get(authority), self._told.get(authority)
        if row is None or told is None or not isinstance(row["certificate"], bytes):
            return None
        if told["certificate"] not in {UNTOLD, x5t_s256(row["certificate"])}:
            return None
        try:
            return read_certificate(row["certificate"])
        except UnreadableCertificate:
            return None

    def _created(self, said: Said) -> None:
        profile = said.facts["profile"]
        # What the migration from 0.1.0 gave to the CAs it found.
        parent = "root" if profile == ISSUING_CA.name else None
        self._told[said.subject] = {
            "id": said.subject,
            "profile": profile,
            "purpose": Purpose.ANY.value if said.old else said.facts["purpose"],
            "state": AuthorityState.ACTIVE.value,
            "parent": parent if said.old else said.facts["parent"],
            "certificate": said.unless_old("certificate"),
            "key": said.unless_old("key"),
            "created_at": said.at,
        }

    def _superseded(self, said: Said) -> None:
        self._told[said.subject]["state"] = AuthorityState.SUPERSEDED.value

    def _retired(self, said: Said) -> None:
        self._told[said.subject]["state"] = AuthorityState.RETIRED.value

    def _key_moved(self, said: Said) -> None:
        self._told[said.subject]["key"] = said.facts["key"]

    def _resealed(self, said: Said) -> None:
        for identifier, digest in said.facts["keys"].items():
            self._told[identifier]["key"] = digest

    def _adopted(self, said: Said) -> None:
        for identifier, facts in said.facts["authorities"].items():
            self._told[identifier].update(certificate=facts["certificate"], key=facts["key"])


def _named(row: Values) -> Values:
    """A row with its certificate and its key as events name them."""
    certificate, key = row["certificate"], row["key"]
    return {
        **row,
        "certificate": x5t_s256(certificate) if isinstance(certificate, bytes) else certificate,
        "key": sha256(key.encode("utf-8", "surrogateescape")).hexdigest() if isinstance(key, str) else key,
    }

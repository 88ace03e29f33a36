"""Pins and subjects, as the events tell of them, with the certificates and the addresses of CRLs that came along."""

from sqlalchemy import Connection

from mutua.pki.thumbprints import x5t_s256
from mutua.registry.credentials import Credential, CredentialKind, Form
from mutua.store.replay.difference import UNTOLD, Differences, Fact, everything, told_time
from mutua.store.replay.said import Said, Tellers
from mutua.store.schema import credentials, partner_certificates, partner_crls

Place = tuple[str, str, str]
"""What tells one credential from every other: its form, its value as it is compared, the CA it is pinned to."""


class Credentials:
    """``credentials``, ``partner_certificates`` and ``partner_crls``.

    Args:
        connection: a reading transaction.
        found: where differences go.
    """

    def __init__(self, connection: Connection, found: Differences) -> None:
        self._connection, self._found = connection, found
        self._told: dict[object, dict[str, object]] = {}
        self._brought: dict[tuple[object, object], tuple[str, int | Fact]] = {}
        self._crls: dict[tuple[object, object], dict[str, object]] = {}
        self._ids: dict[Place, int] = {}
        self.tellers: Tellers = {
            "credential.added": self._added,
            "credential.ended": self._ended,
            "credential.removed": self._removed,
        }

    def compare(self) -> None:
        """Compare the rows with what was told."""
        self._found.compare_all(
            self._connection,
            credentials,
            self._told,
            lambda told: f"{told['client']} is known by the {told['form']} {told['value']}",
        )
        self._compare_certificates()
        self._compare_crls()

    def _compare_certificates(self) -> None:
        left = dict(self._brought)
        for row in everything(self._connection, partner_certificates):
            key, der = (row["credential"], row["thumbprint"]), row["der"]
            known = left.pop(key, None)
            if known is None:
                self._found.unknown(partner_certificates, row["thumbprint"])
                continue
            thumbprint = x5t_s256(der) if isinstance(der, bytes) else der
            told = {**row, "role": known[0], "place": known[1], "der": row["thumbprint"]}
            self._found.compare(partner_certificates, row["thumbprint"], {**row, "der": thumbprint}, told)
        for (_, thumbprint), (role, _) in left.items():
            self._found.missing(partner_certificates, thumbprint, f"a partner brought it as its {role}")

    def _compare_crls(self) -> None:
        left = dict(self._crls)
        for row in everything(self._connection, partner_crls):
            told = left.pop((row["credential"], row["url"]), None)
            if told is None:
                self._found.unknown(partner_crls, row["url"])
            else:
                self._found.compare(partner_crls, row["url"], row, told)
        for _, url in left:
            self._found.missing(partner_crls, url, "the CRL of a partner's CA is there")

    def _added(self, said: Said) -> None:
        facts, credential = said.facts, _credential(said.facts)
        self._ids[_place(credential)] = said.id
        self._told[said.id] = {
            "id": said.id,
            "client": said.subject,
            "kind": credential.kind.value,
            "form": credential.form.value,
            "value": credential.value,
            "match_key": credential.match_key,
            "authority": credential.authority,
            "ends_at": None,
        }
        # The first events of this kind did not tell the order.
        places = {thumbprint: place for place, thumbprint in enumerate(facts.get("order", ()))}
        for thumbprint, role in facts["certificates"].items():
            self._brought[said.id, thumbprint] = str(role), places[thumbprint] if "order" in facts else UNTOLD
        for url, of in facts.get("crls", {}).items():
            authorities = " ".join(of["authorities"])
            self._crls[said.id, url] = {
                "credential": said.id,
                "url": url,
                "authorities": authorities,
                "stale": str(of["stale"]),
            }

    def _ended(self, said: Said) -> None:
        self._told[self._ids[_place(_credential(said.facts))]]["ends_at"] = told_time(said.facts["ends_at"])

    def _removed(self, said: Said) -> None:
        identifier = self._ids.pop(_place(_credential(said.facts)))
        del self._told[identifier]
        self._brought = {key: told for key, told in self._brought.items() if key[0] != identifier}
        self._crls = {key: told for key, told in self._crls.items() if key[0] != identifier}


def _credential(facts: dict[str, str]) -> Credential:
    return Credential(CredentialKind(facts["kind"]), facts["value"], Form(facts["form"]), facts["authority"])


def _place(credential: Credential) -> Place:
    return credential.form.value, credential.match_key, credential.authority

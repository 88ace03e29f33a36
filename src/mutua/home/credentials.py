"""Acts on the credentials that partners bring: each is one transaction with its event."""

from datetime import timedelta
from typing import TYPE_CHECKING

from mutua.errors import CredentialExists, TooManyPartners, UnknownCredential
from mutua.registry.credentials import Credential, Form
from mutua.registry.partners import Introduction
from mutua.store import credentials, foreign_crls, inventory

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mutua.home.home import Home

MAX_ANCHORS = 1000
"""Certificates of partners that handshakes end at. OpenSSL takes 128 ms to load a thousand, and 24 s for twenty
thousand: a context is built anew whenever one is registered."""

OVERLAP = timedelta(days=7)
"""For how long what is replaced goes on to count."""


class Credentials:
    """The pins and subjects of a home's clients: ``home.credentials``. What we issue is no business of theirs."""

    def __init__(self, home: "Home") -> None:
        self._home = home

    def of(self, client: str) -> list[Credential]:
        """Every pin and subject of a client, the oldest first.

        Raises:
            UnknownClient: the registry has none of that name.
        """
        self._home.clients.require(client)
        with self._home.store.read() as connection:
            return [held.credential for held in credentials.everyone(connection, client)]

    def add(
        self, client: str, introduced: Introduction, *, replace: bool = False, overlap: timedelta = OVERLAP
    ) -> Credential:
        """Let a client prove itself with what it brought.

        Args:
            client: its name.
            introduced: see ``mutua.registry.partners``.
            replace: let its other pins and subjects end.
            overlap: for how long they still count.

        Raises:
            UnknownClient: the registry has none of that name.
            CredentialExists: somebody is known by it already.
            TooManyPartners: handshakes would have to look at more than ``MAX_ANCHORS`` of their certificates.
        """
        self._home.clients.require(client)
        with self._home.store.write() as connection:
            if replace:
                self._end_others(connection, client, overlap)
            self.write(connection, client, introduced)
        return introduced.credential

    def write(self, connection: "Connection", client: str, introduced: Introduction) -> None:
        """Let a client prove itself with what it brought, within a transaction; see ``add``."""
        credential = introduced.credential
        holder = credentials.holder(connection, credential) or _issued_to(connection, credential)
        if holder is not None:
            raise CredentialExists(f"{holder!r} is known by that already", hint=f"mutua client show {holder}")
        roles = {each.thumbprint: each.role.value for each in introduced.certificates}
        facts = {**_facts(credential), "certificates": roles, "order": list(roles)}
        if introduced.crls:
            facts["crls"] = {
                each.url: {"authorities": list(each.authorities), "stale": each.stale.value} for each in introduced.crls
            }
        event = self._home.record(connection, self._home.event("credential.added", client, facts))
        credentials.add(connection, client, credential, introduced.certificates, crls=introduced.crls, event=event)
        if credentials.count_anchors(connection) > MAX_ANCHORS:
            raise TooManyPartners(
                f"{MAX_ANCHORS} certificates of partners are registered, and no more can be",
                hint="know them by a CA they have in common: mutua client trust NAME --ca FILE --subject-dn DN",
            )

    def remove(self, client: str, credential: Credential) -> None:
        """Refuse what a client proved itself with, from its next request on.

        Raises:
            UnknownCredential: it is not that client's.
        """
        with self._home.store.write() as connection:
            if credentials.holder(connection, credential) != client:
                raise UnknownCredential(
                    f"{client[:80]!r} is not known by that", hint=f"mutua client show {client[:80]}"
                )
            self._write_removal(connection, client, credential)

    def write_removals(self, connection: "Connection", client: str) -> None:
        """Refuse everything that a client brought, within a transaction; see ``remove``."""
        for held in list(credentials.everyone(connection, client)):
            self._write_removal(connection, client, held.credential)

    def _write_removal(self, connection: "Connection", client: str, credential: Credential) -> None:
        credentials.remove(connection, credential)
        foreign_crls.keep_only(connection, {source.url for source in credentials.crl_sources(connection)})
        self._home.record(connection, self._home.event("credential.removed", client, _facts(credential)))

    def _end_others(self, connection: "Connection", client: str, overlap: timedelta) -> None:
        ends_at = self._home.now() + overlap
        for held in list(credentials.everyone(connection, client)):
            before = held.credential.ends_at
            if before is None or before > ends_at:
                credentials.end(connection, held.credential, ends_at)
                facts = {**_facts(held.credential), "ends_at": ends_at.isoformat()}
                self._home.record(connection, self._home.event("credential.ended", client, facts))


def _issued_to(connection: "Connection", credential: Credential) -> str | None:
    """The client of a certificate of ours: as a pin it would never be asked."""
    if credential.form is not Form.CERTIFICATE:
        return None
    record = inventory.by_thumbprint(connection, credential.value)
    return record.client if record else None


def _facts(credential: Credential) -> dict[str, object]:
    return {
        "kind": credential.kind.value,
        "form": credential.form.value,
        "value": credential.value,
        "authority": credential.authority,
    }

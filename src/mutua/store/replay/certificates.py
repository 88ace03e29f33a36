"""Certificates, as the events tell of them: read side by side with the events, in the order of their ids."""

from cryptography import x509
from sqlalchemy import Connection, RowMapping, func, select

from mutua.errors import UnreadableCertificate
from mutua.pki.certificates import issued_by, names_of, read_certificate
from mutua.pki.thumbprints import x5t_s256
from mutua.store.replay.authorities import Authorities
from mutua.store.replay.difference import UNTOLD, Differences, everything, shown, told_time
from mutua.store.replay.said import Said, Tellers
from mutua.store.schema import certificates, events, microseconds


class Certificates:
    """``certificates``.

    Args:
        connection: a reading transaction.
        found: where differences go.
        authorities: the CAs, which have been told of each event before.
    """

    def __init__(self, connection: Connection, found: Differences, authorities: Authorities) -> None:
        self._found, self._authorities = found, authorities
        self._rows = everything(connection, certificates)
        self._row: RowMapping | None = next(self._rows, None)
        self._removed = _last_removals(connection)
        self.tellers: Tellers = {"certificate.issued": self._issued, "authority.created": self._created}

    def close(self) -> None:
        """Read no further."""
        self._rows.close()

    def compare(self) -> None:
        """What is left was told of by no event."""
        while self._row is not None:
            self._pass_over()

    def _issued(self, said: Said) -> None:
        facts = said.facts
        self._told(
            said,
            {
                "thumbprint": said.subject,
                "authority": facts["authority"],
                "serial": facts["serial"],
                "profile": facts["profile"],
                "client": None if said.id < self._removed.get(facts["client"], 0) else facts["client"],
                "names": "\n".join(facts["names"]),
                "not_after": told_time(facts["not_after"]),
                "shard": facts.get("shard"),
                "supersedes": facts.get("supersedes"),
            },
        )

    def _created(self, said: Said) -> None:
        if said.old:
            return
        facts = said.facts
        self._told(
            said,
            {
                "thumbprint": facts["certificate"],
                "authority": facts["parent"] or said.subject,
                "serial": UNTOLD,
                "profile": facts["profile"],
                "client": None,
                "names": "",
                "not_after": told_time(facts["not_after"]),
                "shard": None,
                "supersedes": None,
            },
        )

    def _told(self, said: Said, told: dict[str, object]) -> None:
        while self._row is not None and self._row["id"] < said.id:
            self._pass_over()
        row = self._row
        if row is None or row["id"] != said.id:
            text = f"{told['profile']} certificate {shown(told['thumbprint'])}"
            self._found.missing(certificates, said.id, f"it is the {text}")
            return
        der = row["der"]
        thumbprint = x5t_s256(der) if isinstance(der, bytes) else der
        told = {**told, "id": said.id, "issued_at": said.at, "der": told["thumbprint"]}
        if thumbprint == told["thumbprint"]:
            told |= self._said_by(der, told)
        else:
            # Another certificate has nothing to say about this row.
            told |= {"subject": UNTOLD, "not_before": UNTOLD}
        self._found.compare(certificates, said.id, {**row, "der": thumbprint}, told)
        self._row = next(self._rows, None)

    def _said_by(self, der: bytes, told: dict[str, object]) -> dict[str, object]:
        """What the certificate says itself; and its CA must have signed it."""
        try:
            certificate = read_certificate(der)
        except UnreadableCertificate:
            self._found.cell(certificates, told["id"], "der", f"{len(der)} bytes", "a certificate")
            return {"subject": UNTOLD, "not_before": UNTOLD}
        self._require_signed(certificate, told)
        said: dict[str, object] = {
            "serial": f"{certificate.serial_number:032x}",
            "subject": certificate.subject.rfc4514_string(),
            "not_before": microseconds(certificate.not_valid_before_utc),
            "not_after": microseconds(certificate.not_valid_after_utc),
        }
        if told["names"]:
            said["names"] = "\n".join(map(str, names_of(certificate)))
        return said

    def _require_signed(self, certificate: x509.Certificate, told: dict[str, object]) -> None:
        authority = str(told["authority"])
        issuer = self._authorities.certificate(authority)
        if issuer is None or (issuer == certificate and certificate.issuer != certificate.subject):
            return  # told of elsewhere; or a CA that was taken in, below one that is not here
        if not issued_by(certificate, issuer):
            self._found.cell(certificates, told["id"], "der", "without its CA's signature", f"{authority} signed it")

    def _pass_over(self) -> None:
        assert self._row is not None
        self._found.unknown(certificates, self._row["id"])
        self._row = next(self._rows, None)


def _last_removals(connection: Connection) -> dict[str, int]:
    """The last event that removed a client of each name: what was issued to that name before is nobody's since.

    Read ahead, for the events come one by one. Should they not be believed, nor is anything that was found with them.
    """
    query = select(events.c.subject, func.max(events.c.id)).where(events.c.kind == "client.removed")
    return dict(map(tuple, connection.execute(query.group_by(events.c.subject))))

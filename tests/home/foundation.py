"""A home as mutua 0.1.0 left it: unsigned, its events without some of the facts, its CAs not in the inventory."""

import hashlib
import json
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from mutua import store
from mutua.home.files import write_file
from mutua.home.sealing import Sealer
from mutua.pki.certificates import write_der
from mutua.store.events import GENESIS
from tests.conftest import CHEAP_SEALING
from tests.pki.hierarchy import Authority, issue, make_issuing_ca, make_root

PASSPHRASE = b"as in 0.1.0"
MOMENT = timedelta(microseconds=173)
"""Between the time of a row and that of its event."""


@dataclass
class Foundation:
    """Writes what 0.1.0 wrote.

    Attributes:
        connection: to the store's file.
        now: moves on with every act.
    """

    connection: sqlite3.Connection
    now: datetime
    count: int = 0
    hash: str = GENESIS

    def run(self, statement: str, *values: object) -> None:
        self.connection.execute(statement, values)

    def record(self, kind: str, subject: str, body: dict[str, object]) -> None:
        self.now += MOMENT
        self.count += 1
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        fields = [self.count, self.now.isoformat(), "ana", kind, subject, text, self.hash]
        self.hash = hashlib.sha256(json.dumps(fields, separators=(",", ":")).encode()).hexdigest()
        row = (self.count, _microseconds(self.now), "ana", kind, subject, text, self.hash)
        self.run("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)", *row)
        self.run("UPDATE event_head SET count = ?, hash = ?", self.count, self.hash)

    def authority(self, name: str, profile: str, authority: Authority) -> None:
        sealed = Sealer(PASSPHRASE, CHEAP_SEALING).seal(name, authority.key)
        row = (name, profile, write_der(authority.certificate), sealed, _microseconds(self.now))
        self.run("INSERT INTO authorities VALUES (?, ?, ?, ?, ?)", *row)
        not_after = authority.certificate.not_valid_after_utc.isoformat()
        self.record("authority.created", name, {"profile": profile, "not_after": not_after})

    def client(self, name: str, *grants: str) -> None:
        self.run("INSERT INTO clients VALUES (?, 'active', ?)", name, _microseconds(self.now))
        for grant in grants:
            methods, _, pattern = grant.partition(" ")
            self.run("INSERT INTO grants (client, methods, pattern) VALUES (?, ?, ?)", name, methods, pattern)
        self.record("client.added", name, {"grants": list(grants)})

    def certificate(self, issuer: Authority, client: str) -> str:
        made = issue(issuer, names=[client], common_name=client)
        leaf, serial = made.certificate, f"{made.certificate.serial_number:032x}"
        ends = leaf.not_valid_after_utc
        self.run(
            "INSERT INTO certificates VALUES (?, 'issuing-1', ?, 'client', ?, ?, ?, ?, ?, ?)",
            *(made.thumbprint, serial, leaf.subject.rfc4514_string(), client),
            *(_microseconds(leaf.not_valid_before_utc), _microseconds(ends), _microseconds(self.now)),
            write_der(leaf),
        )
        self.run("INSERT INTO credentials (client, kind, value) VALUES (?, 'issued', ?)", client, made.thumbprint)
        facts = {"authority": "issuing-1", "client": client, "names": [client], "profile": "client", "serial": serial}
        self.record("certificate.issued", made.thumbprint, {**facts, "not_after": ends.isoformat()})
        return made.thumbprint

    def revocation(self, thumbprint: str) -> None:
        row = (thumbprint, "superseded", _microseconds(self.now))
        self.run("INSERT INTO revocations VALUES (?, ?, ?)", *row)
        self.record("certificate.revoked", thumbprint, {"reason": "superseded"})


def foundation_home(folder: Path) -> None:
    """Make a home of 0.1.0: two CAs, two clients of whom one is suspended, two certificates of which one is revoked."""
    folder.mkdir(mode=0o700)
    write_file(folder / "mutua.toml", b'name = "Acme Payments"\nmax_stale = 300\n')
    write_file(folder / "passphrase", PASSPHRASE + b"\n")
    _first_tables(folder / "store.db")
    with sqlite3.connect(folder / "store.db") as connection:
        old = Foundation(connection, datetime.now(UTC))
        root = make_root()
        issuing = make_issuing_ca(root)
        old.authority("root", "root", root)
        old.authority("issuing-1", "issuing-ca", issuing)
        old.client("woovi", "GET /**", "POST /webhook/*")
        old.client("bank")
        old.certificate(issuing, "woovi")
        old.revocation(old.certificate(issuing, "bank"))
        old.run("UPDATE clients SET state = 'suspended' WHERE name = 'bank'")
        old.record("client.suspended", "bank", {})
    connection.close()


def _first_tables(path: Path) -> None:
    path.touch(mode=0o600)
    engine = create_engine(f"sqlite:///{path}")
    config = Config()
    config.set_main_option("script_location", str(Path(store.__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()


def _microseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)

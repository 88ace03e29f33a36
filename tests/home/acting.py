"""Acts at random on a home, each with what it promises.

``python -m tests.home.acting HOME SEED CLIENT,... ACT,... [COUNT]`` goes on until it has done so many, or stdin is
closed. It says what it is about to do and, after that, what has become of it: one line of JSON each.
"""

import json
import os
import random
import select
import sys
from collections.abc import Callable, Generator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, cast

from mutua import Home, Identity
from mutua.ca.hierarchy import AuthorityState
from mutua.errors import MutuaError, StoreUnreachable
from mutua.home import home as home_module
from mutua.home.keys import TOKEN_URI
from mutua.home.sealing import Cost, Sealer
from mutua.pki.certificates import write_der
from mutua.pki.crl import RevocationReason
from mutua.pki.names import DnsName
from mutua.pki.profiles import ISSUING_CA
from mutua.pki.randomness import generate_key
from mutua.pki.requests import write_request
from mutua.pki.statements import write_statement
from mutua.pki.thumbprints import x5t_s256
from mutua.store import events
from mutua.store.inventory import CertificateRecord, CertificateState

CLIENTS = ("ana", "bia", "caio", "davi")
"""Who gets certificates."""

PAUSED = "paused"
"""Who is suspended and let in again, and has none."""

PEACEFUL = {"issue": 6, "request": 6, "renew": 6, "revoke": 5, "hold": 3, "release": 3}
"""How often each act is done, where it can be: those that several may do in a home at the same time."""

LIVELY = PEACEFUL | {"suspend": 2, "resume": 2, "reseal": 5, "export": 3, "restore": 12, "rotate": 2, "retire": 2}
"""The same with those that change what everybody works with."""

MOST_SUPERSEDED = 3
FINAL = ["unspecified", "key_compromise", "superseded", "affiliation_changed", "cessation_of_operation"]

Promise = dict[str, Any]
"""What holds once an act has returned: ``events`` lists kind and subject of each, the rest depends on the act."""


def seal_cheaply() -> None:
    """Let every home of this process seal its keys in a hundredth of the time that it should take."""

    def sealer(passphrase: bytes, _cost: Cost | None = None) -> Sealer:
        return Sealer(passphrase, Cost(n=2**10))

    vars(home_module)["Sealer"] = sealer


def say(**facts: Any) -> None:
    """A line, whole or not at all: it is shorter than what a pipe takes at once."""
    os.write(sys.stdout.fileno(), json.dumps(facts).encode() + b"\n")


class Actor:
    """Somebody who does one thing after the other.

    Args:
        home: where.
        dice: decide on everything.
        clients: whose certificates it deals with; nobody else may at the same time.
        acts: what it does, and how often each.

    Attributes:
        mine: certificates with their keys, which can be renewed.
        about: what the act is about: a thumbprint, or the name that tells a new certificate from all others.
    """

    def __init__(self, home: Home, dice: random.Random, clients: tuple[str, ...], acts: dict[str, int]) -> None:
        self.home, self.dice, self.clients, self.acts = home, dice, clients, acts
        self.mine: list[Identity] = []
        self.about = ""

    def next(self) -> str:
        """What to do now."""
        self.about = ""
        while True:
            (name,) = self.dice.choices(list(self.acts), list(self.acts.values()))
            if self._is_able(name):
                return name

    def act(self, name: str) -> Promise:
        """Do it; what it promises, and the last event there was afterwards."""
        how: Callable[[], Promise] = getattr(self, f"_{name}")
        facts = how()
        promise = {"act": name, "about": self.about, **facts}
        while True:
            try:
                return {**promise, **self._see(promise)}
            except StoreUnreachable:
                continue  # the act is done, whatever becomes of the server now

    def _see(self, promise: Promise) -> Promise:
        """What there is after an act."""
        with self.home.store.read() as connection:
            seen: Promise = {"last": events.last_id(connection)}
        if authority := promise.get("authority"):
            mine = [record for (each, _), record in self.home.crls.everything().items() if each == authority]
            seen["crls"] = {f"{authority}/{record.shard}": record.number for record in mine}
        return seen

    def _is_able(self, name: str) -> bool:
        match name:
            case "renew":
                return bool(self.mine)
            case "rotate" | "reseal":
                return self.home.hierarchy.root.key is not None
            case "export":
                # A key in a token never leaves it.
                return (self.home.hierarchy.root.key or TOKEN_URI)[: len(TOKEN_URI)] != TOKEN_URI
            case "restore":
                return self.home.hierarchy.root.key is None
            case "retire":
                return len(self._superseded()) > MOST_SUPERSEDED
            case "release":
                return bool(self._those(CertificateState.ON_HOLD))
            case "revoke" | "hold":
                return bool(self._those(CertificateState.VALID))
        return True

    def _issue(self) -> Promise:
        client = self._new()
        made = self.home.authority.issue_client(client, client, self.about)
        self.mine.append(made)
        return self._issued(made, client)

    def _request(self) -> Promise:
        client, key = self._new(), generate_key()
        request = write_request(key, [DnsName(client), DnsName(self.about)])
        signed = self.home.requests.sign(request, client=client)
        made = Identity(key, signed.chain)
        self.mine.append(made)
        return self._issued(made, client)

    def _renew(self) -> Promise:
        # Not put back unless it succeeds: what became of a renewal that failed is not always known.
        old = self.mine.pop(self.dice.randrange(len(self.mine)))
        self.about = old.thumbprint
        client, key = str(self.home.authority.certificate(old.thumbprint).client), generate_key()
        issuer = self.home.hierarchy.issuer_of(old.certificate)
        assert issuer is not None
        statement = write_statement(
            old.key,
            old.certificate,
            write_request(key, [DnsName("whatever.example")]),
            now=self.home.now(),
            audience=x5t_s256(issuer.certificate),
        )
        made = Identity(key, self.home.renewal.by_statement(statement).chain)
        self.mine.append(made)
        return {**self._issued(made, client), "supersedes": old.thumbprint}

    def _revoke(self) -> Promise:
        return self._refuse(self.dice.choice(FINAL))

    def _hold(self) -> Promise:
        return self._refuse(RevocationReason.CERTIFICATE_HOLD.value)

    def _refuse(self, reason: str) -> Promise:
        thumbprint = self.about = self._some(CertificateState.VALID)
        self.mine = [each for each in self.mine if each.thumbprint != thumbprint]
        record = self.home.revocation.revoke(thumbprint, reason=reason)
        assert (record.thumbprint, record.reason) == (thumbprint, reason)
        facts = {"thumbprint": thumbprint, "authority": record.authority, "reason": reason}
        return {**facts, "events": [["certificate.revoked", thumbprint]]}

    def _release(self) -> Promise:
        thumbprint = self.about = self._some(CertificateState.ON_HOLD)
        record = self.home.revocation.release(thumbprint)
        facts = {"thumbprint": thumbprint, "authority": record.authority}
        return {**facts, "events": [["certificate.released", thumbprint]]}

    def _suspend(self) -> Promise:
        self.home.clients.resume(PAUSED)
        self.home.clients.suspend(PAUSED)
        return {"events": [["client.suspended", PAUSED]]}

    def _resume(self) -> Promise:
        self.home.clients.suspend(PAUSED)
        self.home.clients.resume(PAUSED)
        return {"events": [["client.resumed", PAUSED]]}

    def _reseal(self) -> Promise:
        self.home.change_passphrase(self.dice.randbytes(8).hex().encode())
        return {"events": [["keys.resealed", "keys"]]}

    def _export(self) -> Promise:
        path = exported_root(self.home)
        path.unlink(missing_ok=True)  # left by a kill; the key is in the store
        self.home.keys.export("root", path)
        return {"events": [["authority.key_exported", "root"]]}

    def _restore(self) -> Promise:
        self.home.keys.restore("root", exported_root(self.home))
        return {"events": [["authority.key_imported", "root"]]}

    def _rotate(self) -> Promise:
        old, new = self.home.hierarchy.rotate()
        told = [["authority.created", new.id], ["authority.superseded", old.id]]
        return {"old": old.id, "new": new.id, "events": told}

    def _retire(self) -> Promise:
        oldest = self._superseded()[0]
        self.home.hierarchy.retire(oldest, force=True)
        return {"retired": oldest, "events": [["authority.retired", oldest]]}

    def _issued(self, made: Identity, client: str) -> Promise:
        facts = {"thumbprint": x5t_s256(write_der(made.certificate)), "client": client}
        return {
            **facts,
            "serial": f"{made.certificate.serial_number:032x}",
            "events": [["certificate.issued", facts["thumbprint"]]],
        }

    def _new(self) -> str:
        """Somebody who gets a certificate; it is about a name that there was never before."""
        client = self.dice.choice(self.clients)
        self.about = f"{self.dice.randbytes(8).hex()}.{client}.example"
        return client

    def _some(self, state: CertificateState) -> str:
        return self.dice.choice(self._those(state))

    def _those(self, state: CertificateState) -> list[str]:
        found: list[str] = []
        for client in self.clients:
            records = self.home.authority.certificates(client=client, state=state)
            with closing(cast("Generator[CertificateRecord]", records)):
                found += [record.thumbprint for record in islice(records, 3)]
        return found

    def _superseded(self) -> list[str]:
        everyone = self.home.hierarchy.everyone()
        return [
            each.id for each in everyone if each.profile == ISSUING_CA.name and each.state is AuthorityState.SUPERSEDED
        ]


def exported_root(home: Home) -> Path:
    """Where the root's key goes."""
    return home.path / "root.key"


def act_and_tell(actor: Actor) -> None:
    """One act. The line of what it promises is written once it has returned."""
    name = actor.next()
    say(begun=name)
    say(**actor.act(name))


def act_until_told(folder: Path, seed: int, clients: tuple[str, ...], acts: list[str], most: int) -> None:
    """What fails is told of, and something else done."""
    with Home.open(folder) as home:
        actor = Actor(home, random.Random(seed), clients, {name: PEACEFUL[name] for name in acts})
        for _ in range(most):
            if select.select([sys.stdin], [], [], 0)[0]:
                break
            try:
                act_and_tell(actor)
            except MutuaError as error:
                say(failed=error.code, message=error.message, about=actor.about)


if __name__ == "__main__":
    seal_cheaply()
    path, number, names, what, *limit = sys.argv[1:]
    act_until_told(Path(path), int(number), tuple(names.split(",")), what.split(","), int(*limit) or sys.maxsize)

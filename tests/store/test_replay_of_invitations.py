"""An invitation that was forged, used, and put back as it was: what came of it is in the trail, and is named."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from mutua import Home
from mutua.errors import BrokenAudit
from mutua.pki.keys import PrivateKey
from mutua.pki.names import parse_name
from mutua.pki.randomness import new_token
from mutua.pki.requests import write_request
from mutua.registry.invitations import Invitation, token_hash
from mutua.store.schema import invitations, microseconds
from tests.clock import Clock, clock
from tests.pki.hierarchy import key_of
from tests.store.tampering import Intruder

__all__ = ["clock"]

EST = "https://pki.acme.example:8443"
KEY, OTHER = key_of("enrolled"), key_of("another")


@pytest.fixture
def intruder(home: Home) -> Iterator[Intruder]:
    somebody = Intruder(home.store.path)
    yield somebody
    somebody.close()


@pytest.fixture
def invitation(home: Home) -> Invitation:
    for name in ("ana", "bela"):
        home.clients.add(name)
    return home.invitations.invite("ana", url=EST, lifetime=timedelta(days=2))


def enrol(home: Home, token: str, client: str = "ana", key: PrivateKey = KEY) -> str:
    return home.invitations.enrol(token, write_request(key, []), client=client).thumbprint


def broken(home: Home) -> str:
    with pytest.raises(BrokenAudit) as found:
        home.audit.verify()
    return found.value.message


@pytest.mark.parametrize(
    ("column", "forged", "client", "named"),
    [
        ("names", "victim.example", "ana", "names is 'victim.example', and the events say 'ana'"),
        ("profile", "server", "ana", "profile is 'server', and the events say 'client'"),
        ("client", "bela", "bela", "client is 'bela', and the events say 'ana'"),
        ("lifetime", 3 * 86400, "ana", "and the events say 172800"),
    ],
    ids=["names", "profile", "client", "lifetime"],
)
def test_one_that_was_changed_used_and_changed_back_is_found(
    column: str, forged: str | int, client: str, named: str, home: Home, intruder: Intruder, invitation: Invitation
) -> None:
    before: dict[str, str | int] = {"names": "ana", "profile": "client", "client": "ana", "lifetime": 2 * 86400}
    intruder.run(f"UPDATE invitations SET {column} = ?", forged)
    enrol(home, invitation.token, client)
    intruder.run(f"UPDATE invitations SET {column} = ?", before[column])
    assert named in broken(home)


@pytest.mark.parametrize("put_back", [False, True])
def test_one_that_was_made_unused_and_used_again_is_found(
    put_back: bool, home: Home, intruder: Intruder, invitation: Invitation
) -> None:
    first = enrol(home, invitation.token)
    (used_at,) = (row[7] for row in intruder.rows(invitations))
    assert home.audit.verify()
    intruder.run("UPDATE invitations SET used_at = NULL, certificate = NULL")
    second = enrol(home, invitation.token, key=OTHER)
    if put_back:
        intruder.run("UPDATE invitations SET used_at = ?, certificate = ?", used_at, first)
    assert f"certificate is '{second}', and the events say '{first}'" in broken(home)


def test_one_that_had_ended_is_found(home: Home, intruder: Intruder, invitation: Invitation, clock: Clock) -> None:
    clock.move(timedelta(days=3))
    intruder.run("UPDATE invitations SET expires_at = ?", microseconds(clock.now() + timedelta(days=1)))
    enrol(home, invitation.token)
    intruder.run("UPDATE invitations SET expires_at = ?", microseconds(invitation.expires_at))
    assert "expires_at is" in broken(home)


def test_one_that_nobody_made_is_found_when_it_is_gone_again(
    home: Home, intruder: Intruder, invitation: Invitation
) -> None:
    token = new_token()
    hashed = token_hash(token)
    assert hashed is not None
    columns, ends = "id, client, token_hash, profile, names, expires_at", microseconds(invitation.expires_at)
    values = (9999, "bela", hashed, "client", "x.example", ends)
    intruder.run(f"INSERT INTO invitations ({columns}) VALUES (?, ?, ?, ?, ?, ?)", *values)
    enrol(home, token, "bela")
    intruder.run("DELETE FROM invitations WHERE id = 9999")
    assert "is of no form that mutua writes" in broken(home)


def test_what_was_used_as_it_was_meant_is_in_order(home: Home) -> None:
    names = [parse_name(each) for each in ("api.acme.example", "10.0.0.1", "API2.acme.example")]
    made = home.invitations.invite("ana", url=EST, profile="server", names=names, add=True)
    enrol(home, made.token)
    short = home.invitations.invite("ana", url=EST, lifetime=timedelta(seconds=90))
    enrol(home, short.token)
    assert home.audit.verify()

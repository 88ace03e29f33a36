"""The list of clients on either database: what is read side by side ends up with whom it belongs to."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from mutua.registry.credentials import Credential, CredentialKind, Form, PartnerCertificate, Role
from mutua.store import client_list, credentials
from mutua.store.inventory import CertificateState
from mutua.store.schema import authorities, certificates, client_sightings, clients, grants
from mutua.store.store import Store

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NAMES = ["a", "a-", "a-b", "a1", "ab", "b-a", "b0", "ba", "z"]  # which not every language puts into this order


@pytest.fixture
def crowd(store: Store) -> Store:
    """Clients, each with grants, certificates and pins that tell whose they are; but the last has nothing."""
    with store.write() as connection:
        rows = [{"name": name, "state": "active", "created_at": NOW} for name in NAMES]
        connection.execute(insert(clients), rows[::-1])
        ca = {"id": "ca", "profile": "root", "state": "active", "certificate": b"", "created_at": NOW}
        connection.execute(insert(authorities), ca)
        for number, name in enumerate(NAMES[:-1]):
            for pattern in ("/2", "/1"):
                connection.execute(insert(grants).values(client=name, methods="GET", pattern=f"/{name}{pattern}"))
            for later in (2, 1):
                connection.execute(insert(certificates).values(_certificate(name, number * 2 + later, later)))
            pin = Credential(CredentialKind.PIN, name, Form.CERTIFICATE)
            brought = [PartnerCertificate(Role.LEAF, name.encode()), PartnerCertificate(Role.INTERMEDIATE, b"x")]
            credentials.add(connection, name, pin, brought, event=number + 1)
            connection.execute(insert(client_sightings).values(client=name, last_seen=NOW + timedelta(number)))
    return store


def _certificate(client: str, number: int, later: int) -> dict[str, object]:
    return {
        "id": number,
        "thumbprint": f"{client}{later}",
        "authority": "ca",
        "serial": str(number),
        "profile": "client",
        "client": client,
        "subject": "",
        "names": "",
        "not_before": NOW,
        "not_after": NOW + timedelta(days=later),
        "issued_at": NOW,
        "der": b"",
    }


@pytest.fixture
def listed(crowd: Store) -> Callable[..., list[client_list.ClientRow]]:
    def read(name: str | None = None, now: datetime = NOW) -> list[client_list.ClientRow]:
        with crowd.read() as connection:
            return list(client_list.everyone(connection, now, name))

    return read


def test_everything_is_with_whom_it_belongs_to(listed: Callable[..., list[client_list.ClientRow]]) -> None:
    found = listed()
    assert sorted(each.name for each in found) == NAMES
    for each in found[:-1]:
        name = each.name
        assert each.grants == (("GET", f"/{name}/2"), ("GET", f"/{name}/1"))
        assert [issued.thumbprint for issued in each.issued] == [f"{name}1", f"{name}2"]
        assert [(brought.credential.value, brought.ends) for brought in each.brought] == [(name, (name.encode(),))]
        assert each.last_seen == NOW + timedelta(NAMES.index(name))
    assert found[-1] == client_list.ClientRow("z", found[-1].state, NOW, None, (), (), ())


def test_one_is_told_as_among_the_others(listed: Callable[..., list[client_list.ClientRow]]) -> None:
    for each in listed():
        assert listed(each.name) == [each]
    assert listed("nobody") == []


def test_what_has_ended_says_so(listed: Callable[..., list[client_list.ClientRow]]) -> None:
    states = [each.state for each in listed("a-b", NOW + timedelta(days=1, hours=1))[0].issued]
    assert states == [CertificateState.EXPIRED, CertificateState.VALID]

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mutua import Home
from mutua.errors import ClientExists, InvalidClientName, InvalidGrant, MutuaError, UnknownClient
from mutua.registry.clients import ClientState
from mutua.registry.grants import Grant


def kinds(home: Home) -> list[str]:
    with home.store.read() as connection:
        return list(connection.exec_driver_sql("SELECT kind FROM events ORDER BY id").scalars())


def test_an_added_client_is_active_and_has_its_grants_in_order(home: Home) -> None:
    added = home.clients.add("bank", allow=["POST /pix/**", Grant(("GET",), "/status"), "POST /pix/**"])
    assert home.clients.get("bank") == added
    assert [str(grant) for grant in added.grants] == ["POST /pix/**", "GET /status"]
    assert added.state is ClientState.ACTIVE
    assert [client.name for client in home.clients.all()] == ["bank", "woovi"]


def test_a_second_client_of_that_name_is_refused_and_changes_nothing(home: Home) -> None:
    before, events = home.clients.get("woovi"), kinds(home)
    with pytest.raises(ClientExists) as refused:
        home.clients.add("woovi", allow=["* /**"])
    assert refused.value.hint == "mutua client show woovi"
    assert home.clients.get("woovi") == before
    assert kinds(home) == events


@pytest.mark.parametrize(
    ("name", "allow", "error"),
    [
        ("Bank", [], InvalidClientName),
        ("", [], InvalidClientName),
        ("a" * 64, [], InvalidClientName),
        ("bank\n", [], InvalidClientName),
        ("bank", ["POST"], InvalidGrant),
        ("bank", ["GET /ok", "GET no-slash"], InvalidGrant),
    ],
)
def test_a_bad_name_or_grant_registers_nobody(home: Home, name: str, allow: list[str], error: type[MutuaError]) -> None:
    events = kinds(home)
    with pytest.raises(error):
        home.clients.add(name, allow=allow)
    assert [client.name for client in home.clients.all()] == ["woovi"]
    assert kinds(home) == events


def test_suspending_and_resuming_twice_are_one_event_each(home: Home) -> None:
    before = len(kinds(home))
    assert [home.clients.suspend("woovi").state for _ in range(2)] == [ClientState.SUSPENDED] * 2
    assert home.snapshot().version == before + 1
    assert [home.clients.resume("woovi").state for _ in range(2)] == [ClientState.ACTIVE] * 2
    assert kinds(home)[before:] == ["client.suspended", "client.resumed"]


def test_resuming_gives_back_what_there_was(home: Home) -> None:
    before = home.clients.get("woovi")
    home.clients.suspend("woovi")
    assert home.clients.resume("woovi") == before


def test_nobody_is_suspended_under_a_name_that_nobody_has(home: Home) -> None:
    events = kinds(home)
    for act in (home.clients.get, home.clients.suspend, home.clients.resume):
        with pytest.raises(UnknownClient):
            act("bank")
    assert kinds(home) == events


def test_a_snapshot_has_everybody_with_their_certificates(home: Home) -> None:
    home.clients.add("bank", allow=["GET /status"])
    home.clients.suspend("bank")
    thumbprints = {home.authority.issue_client("bank").thumbprint for _ in range(2)}
    snapshot = home.snapshot()
    assert {thumbprint for thumbprint, name in snapshot.issued.items() if name == "bank"} == thumbprints
    assert snapshot.clients["bank"].suspended
    assert snapshot.issued[home.identities.load("woovi").thumbprint] == "woovi"
    assert not snapshot.clients["woovi"].suspended


@given(name=st.text(), allow=st.lists(st.text(), max_size=2))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
def test_any_text_is_a_client_or_a_clear_refusal(home: Home, name: str, allow: list[str]) -> None:
    try:
        home.clients.add(name, allow=allow)
    except MutuaError:
        return
    assert home.clients.get(name).name == name

"""Where there is nobody to refuse anything."""

import socket

import pytest

from tests.outbound.clients.callers import Caller
from tests.outbound.clients.clients import CLIENTS


@pytest.mark.parametrize("client", CLIENTS)
def test_a_port_that_nobody_listens_on_is_told_as_such(client: str, callers: dict[str, Caller]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    outcome = CLIENTS[client].outcome(callers["good"], f"https://127.0.0.1:{port}/status")
    assert outcome.plain == outcome.probed == ("NobodyAnswered", "not_reachable")


@pytest.mark.parametrize("client", CLIENTS)
def test_a_host_without_an_address_is_told_as_such(client: str, callers: dict[str, Caller]) -> None:
    outcome = CLIENTS[client].outcome(callers["good"], "https://nowhere.invalid/status")
    assert outcome.plain == outcome.probed == ("NobodyAnswered", "unknown_host")

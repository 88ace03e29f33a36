"""What a door has seen in use ends the renewals of what it followed, also when the door is stopped right after."""

from collections.abc import Callable

import pytest

from mutua import Home
from mutua.errors import RefusedRenewal
from tests.home.renewing import by_connection
from tests.inbound.connections import LiveConnection, client_context
from tests.serving import Serving


def test_a_successor_that_called_once_is_in_use(home: Home, serve: Callable[..., Serving], loop: str) -> None:
    first = home.identities.load("woovi")
    home.identities.save("woovi", by_connection(home, first), replace=True)
    serving = serve(loop=loop)
    with LiveConnection(serving.port, client_context(home)) as connection:
        assert connection.get() == 200
    assert serving.stop() == 0
    with pytest.raises(RefusedRenewal, match="is in use"):
        by_connection(home, first)


def test_one_that_was_refused_is_not(home: Home, serve: Callable[..., Serving]) -> None:
    first = home.identities.load("woovi")
    second = by_connection(home, first)
    home.identities.save("woovi", second, replace=True)
    home.revocation.revoke(second.thumbprint)
    serving = serve()
    with LiveConnection(serving.port, client_context(home)) as connection:
        assert connection.get() == 403
    assert serving.stop() == 0
    by_connection(home, first)

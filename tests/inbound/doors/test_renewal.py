"""The server's certificate and the registry change while a door serves: nobody notices but new connections."""

from collections.abc import Iterator

import pytest

from mutua import Home
from mutua.pki.thumbprints import x5t_s256
from tests.inbound.connections import client_context, until
from tests.inbound.doors.calls import calling, context_for
from tests.inbound.doors.doors import HTTP1, HTTP2, Door, spoken
from tests.serving import Serving


@pytest.fixture
def own(home: Home, door: Door) -> Iterator[Serving]:
    """A server of one's own, for its identity will change."""
    serving = door.start(home)
    yield serving
    serving.stop()


def served(serving: Serving, home: Home, protocol: str) -> str:
    """The thumbprint of the certificate that a new connection is shown."""
    with calling(protocol, serving.port, context_for(protocol, client_context(home))) as caller:
        assert caller.get("/new") == 200
        leaf = caller.tls.getpeercert(binary_form=True)
    assert leaf is not None
    return x5t_s256(leaf)


@pytest.mark.parametrize(("door_name", "protocol"), spoken(HTTP1, HTTP2, living=True))
def test_a_renewed_identity_is_shown_to_new_connections_and_open_ones_live_on(
    protocol: str, home: Home, own: Serving
) -> None:
    with calling(protocol, own.port, context_for(protocol, client_context(home))) as caller:
        assert caller.get("/before") == 200
        identity = home.authority.issue_server("localhost", "127.0.0.1")
        home.identities.save("api", identity, replace=True)

        def newest_everywhere() -> bool:
            # Each worker looks for itself. The open connection is used meanwhile, or it would be closed as idle.
            assert caller.get("/meanwhile") == 200
            return {served(own, home, protocol) for _ in range(4)} == {identity.thumbprint}

        until(newest_everywhere)
        assert caller.get("/after") == 200
    assert "Traceback" not in own.talk

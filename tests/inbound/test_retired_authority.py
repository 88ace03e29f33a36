"""A CA that is retired while a server runs: its clients are refused, on connections that are open as well."""

from collections.abc import Callable

from mutua import Home
from tests.inbound.connections import LiveConnection, client_context, until
from tests.serving import Serving


def test_a_client_of_a_retired_ca_is_refused(home: Home, serve: Callable[..., Serving]) -> None:
    home.hierarchy.rotate("issuing-1")
    home.identities.save("api", home.authority.issue_server("localhost", "127.0.0.1"), replace=True)
    serving, context = serve(), client_context(home)
    with LiveConnection(serving.port, context) as before:
        assert before.get() == 200

        home.hierarchy.retire("issuing-1", force=True)
        until(lambda: before.get() == 403)

        # It sends the retired CA's certificate along, which the root signed: the handshake still succeeds.
        with LiveConnection(serving.port, context) as after:
            assert after.get() == 403
    assert serving.next_line("refused")["reason"] == "revoked"

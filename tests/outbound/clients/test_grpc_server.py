"""grpcio's own server, which demands certificates and closes without an alert when it refuses one."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc  # type: ignore[import-untyped]
import pytest

from mutua.pki.certificates import write_pem
from mutua.testing.home import UnsafeHome
from mutua.tls.identity import Identity
from tests.outbound.clients.callers import Caller
from tests.outbound.clients.clients import CLIENTS, GRPC_METHOD
from tests.outbound.clients.doors import NAME


class Everything(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers the one method of the tests."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        if handler_call_details.method != GRPC_METHOD:
            return None
        return grpc.unary_unary_rpc_method_handler(lambda request, context: request)


@pytest.fixture(scope="module")
def grpc_url(testing_home: UnsafeHome, server_identity: Identity) -> Iterator[str]:
    credentials = grpc.ssl_server_credentials(
        [(server_identity.key_pem(), server_identity.chain_pem())],
        root_certificates=write_pem(testing_home.trust.anchors),
        require_client_auth=True,
    )
    with ThreadPoolExecutor(max_workers=2) as pool:
        server = grpc.server(pool, handlers=[Everything()])
        port = server.add_secure_port(f"{NAME}:0", credentials)
        server.start()
        yield f"https://{NAME}:{port}"
        server.stop(None).wait()


SAID = {
    "good": ("", ""),
    "none": ("RefusedByServer", "closed_without_alert"),
    "stranger": ("RefusedByServer", "closed_without_alert"),
    "expired": ("RefusedByServer", "closed_without_alert"),
    "unknown server CA": ("RefusedByUs", "server_unknown_issuer"),
}


@pytest.mark.parametrize("name", SAID)
@pytest.mark.parametrize("client", ["grpcio", "grpcio-async"])
def test_what_comes_of_a_call_to_a_server_of_grpcios_own(
    client: str, name: str, grpc_url: str, callers: dict[str, Caller]
) -> None:
    assert CLIENTS[client].outcome(callers[name], grpc_url).probed == SAID[name]

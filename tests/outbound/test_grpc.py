"""gRPC: its credentials from an identity and a trust, against a real gRPC server that demands a certificate."""

from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest

from mutua import Home, Identity, Trust
from mutua.errors import InvalidInput
from mutua.outbound.grpc import channel_credentials
from mutua.pki.certificates import read_certificates, write_pem
from mutua.pki.thumbprints import x5t_s256
from tests.inbound.certificates import strangers_identity

METHOD = "/pix.Pix/Who"
SECONDS = 30


@pytest.fixture
def target(home: Home) -> Iterator[str]:
    """Answers each call with the thumbprint of its caller's certificate."""

    def who(_request: bytes, context: Any) -> bytes:
        return x5t_s256(read_certificates(context.auth_context()["x509_pem_cert"][0])[0]).encode()

    api = home.identities.load("api")
    credentials = grpc.ssl_server_credentials(
        [(api.key_pem(), api.chain_pem())], write_pem(home.trust.anchors), require_client_auth=True
    )
    server = grpc.server(futures.ThreadPoolExecutor(2))
    handlers = grpc.method_handlers_generic_handler("pix.Pix", {"Who": grpc.unary_unary_rpc_method_handler(who)})
    server.add_generic_rpc_handlers((handlers,))
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def who(target: str, credentials: Any) -> str:
    with grpc.secure_channel(target, credentials) as channel:
        return str(channel.unary_unary(METHOD)(b"", timeout=SECONDS).decode())


def test_the_server_sees_the_identity_and_the_next_channel_s(home: Home, target: str) -> None:
    for identity in (home.identities.load("woovi"), home.authority.issue_client("woovi")):
        assert who(target, channel_credentials(identity, home.trust)) == identity.thumbprint


@pytest.mark.parametrize("whose", ["identity", "trust"])
def test_a_stranger_on_either_side_is_refused(whose: str, home: Home, target: str, tmp_path: Path) -> None:
    stranger = strangers_identity(tmp_path / "stranger")
    credentials: dict[str, Callable[[], Any]] = {
        "identity": lambda: channel_credentials(stranger, home.trust),
        "trust": lambda: channel_credentials(home.identities.load("woovi"), Trust(stranger.chain[-1:])),
    }
    with pytest.raises(grpc.RpcError) as caught:
        who(target, credentials[whose]())
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


def test_the_system_s_trust_does_not_believe_a_private_ca(home: Home, target: str) -> None:
    with pytest.raises(grpc.RpcError):
        who(target, channel_credentials(home.identities.load("woovi"), Trust.system()))


@pytest.mark.parametrize("form", ["the system's beside", "a partner's beside"])
def test_a_trust_that_grpc_cannot_keep_to_is_refused(form: str, home: Home) -> None:
    woovi: Identity = home.identities.load("woovi")
    anchors = home.trust.anchors
    trust = Trust(anchors, include_system=True) if "system" in form else Trust(anchors, partners=(woovi.certificate,))
    with pytest.raises(InvalidInput):
        channel_credentials(woovi, trust)

import ssl
import warnings
from collections.abc import Callable
from functools import partial

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from mutua.pki.keys import KeyType
from mutua.pki.profiles import SERVER
from mutua.tls.files import load_cert_chain
from mutua.tls.trust import Trust
from tests.pki.hierarchy import client, issue, issuing_ca, root, server
from tests.tls.handshakes import Connected, connect

TRUST = Trust((root().certificate,))
CONTEXTS: dict[str, Callable[[], ssl.SSLContext]] = {
    "client": partial(client().client_context, TRUST),
    "client without identity": TRUST.client_context,
    "server": partial(server().server_context, TRUST),
}


@pytest.fixture(params=CONTEXTS)
def context(request: pytest.FixtureRequest) -> ssl.SSLContext:
    return CONTEXTS[request.param]()


def bare(protocol: int, version: ssl.TLSVersion, ciphers: str = "") -> ssl.SSLContext:
    """A peer that speaks one version only and verifies nothing: what matters here is what the other side does."""
    context = ssl.SSLContext(protocol)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    context.set_ciphers(ciphers or "ALL:@SECLEVEL=0")
    return context


def bare_client(version: ssl.TLSVersion, ciphers: str = "") -> ssl.SSLContext:
    context = bare(ssl.PROTOCOL_TLS_CLIENT, version, ciphers)
    load_cert_chain(context, client().key, client().chain_pem())
    return context


def bare_server(version: ssl.TLSVersion, ciphers: str = "", kind: KeyType = KeyType.P256) -> ssl.SSLContext:
    context = bare(ssl.PROTOCOL_TLS_SERVER, version, ciphers)
    load_cert_chain(context, server(kind).key, server(kind).chain_pem())
    return context


def test_only_ephemeral_aead_suites_are_offered(context: ssl.SSLContext) -> None:
    ciphers = context.get_ciphers()
    assert {cipher["protocol"] for cipher in ciphers} == {"TLSv1.2", "TLSv1.3"}
    assert all(cipher["aead"] for cipher in ciphers)
    for cipher in ciphers:
        if cipher["protocol"] == "TLSv1.2":
            assert cipher["name"].startswith("ECDHE-")
            assert cipher["kea"] == "kx-ecdhe"
            assert cipher["auth"] in {"auth-ecdsa", "auth-rsa"}


def test_verification_is_on_and_strict(context: ssl.SSLContext) -> None:
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.verify_flags & ssl.VERIFY_X509_TRUSTED_FIRST


def test_clients_check_the_host_name() -> None:
    assert CONTEXTS["client"]().check_hostname
    assert CONTEXTS["client without identity"]().check_hostname


def test_old_versions_compression_and_renegotiation_are_off(context: ssl.SSLContext) -> None:
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.maximum_version in {ssl.TLSVersion.MAXIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_3}
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.security_level >= 2


def test_only_our_anchors_are_trusted(context: ssl.SSLContext) -> None:
    assert context.get_ca_certs(binary_form=True) == [TRUST.anchors[0].public_bytes(Encoding.DER)]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("kind", list(KeyType))
def test_identities_of_every_kind_meet_in_both_versions(kind: KeyType, version: ssl.TLSVersion) -> None:
    ours, theirs = client(kind).client_context(TRUST), server(kind).server_context(TRUST)
    ours.maximum_version = version
    connected = connect(ours, theirs)
    assert connected.ok, connected
    assert connected.client.version() == connected.server.version() == version.name.replace("_", ".")
    assert connected.server.getpeercert(binary_form=True) == client(kind).certificate.public_bytes(Encoding.DER)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_tls_1_1_and_older_are_refused_by_both_sides(version: ssl.TLSVersion) -> None:
    refused_server = connect(bare_client(version), CONTEXTS["server"]())
    assert reason(refused_server.server_error) == "UNSUPPORTED_PROTOCOL"
    refused_client = connect(CONTEXTS["client"](), bare_server(version))
    assert reason(refused_client.client_error) in {"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION"}


@pytest.mark.parametrize("ciphers", ["AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA256"])
def test_suites_without_forward_secrecy_or_aead_are_refused_by_both_sides(ciphers: str) -> None:
    weak = f"{ciphers}:@SECLEVEL=0"
    rsa = KeyType.RSA2048
    assert connect(bare_client(ssl.TLSVersion.TLSv1_2, weak), bare_server(ssl.TLSVersion.TLSv1_2, weak, rsa)).ok
    refused_server = connect(bare_client(ssl.TLSVersion.TLSv1_2, weak), server(rsa).server_context(TRUST))
    assert reason(refused_server.server_error) == "NO_SHARED_CIPHER"
    refused_client = connect(CONTEXTS["client"](), bare_server(ssl.TLSVersion.TLSv1_2, weak, rsa))
    assert reason(refused_client.server_error) == "NO_SHARED_CIPHER"


def test_a_server_of_another_name_is_refused() -> None:
    context = CONTEXTS["server"]()
    for name in ("localhost", "api.acme.example", "x.acme.example", "bücher.example", "127.0.0.1", "::1"):
        assert connect(CONTEXTS["client"](), context, name=name).ok, name
    for name in ("acme.example", "x.y.acme.example", "woovi.example", "127.0.0.2"):
        assert "mismatch" in str(connect(CONTEXTS["client"](), context, name=name).client_error), name


def test_a_common_name_is_no_host_name() -> None:
    identity = issue(issuing_ca(), SERVER, ["api.acme.example"], common_name="localhost")
    connected = connect(CONTEXTS["client"](), identity.server_context(TRUST))
    assert "mismatch" in str(connected.client_error)


def test_a_client_certificate_does_not_serve_and_a_server_certificate_does_not_call() -> None:
    posing = issue(issuing_ca(), SERVER, ["localhost"])
    assert verify_code(connect(posing.client_context(TRUST), CONTEXTS["server"]())) == 26
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_cert_chain(server_context, client().key, client().chain_pem())
    assert verify_code(connect(CONTEXTS["client"](), server_context)) == 26


def test_strangers_are_refused_in_both_directions() -> None:
    stranger = Trust((root(KeyType.P384).certificate,))
    theirs = connect(client(ca_kind=KeyType.P384).client_context(TRUST), CONTEXTS["server"]())
    assert verify_code(theirs) in {7, 20}
    ours = connect(client().client_context(stranger), CONTEXTS["server"]())
    assert verify_code(ours) in {7, 20}


def test_a_client_without_a_certificate_is_refused() -> None:
    connected = connect(TRUST.client_context(), CONTEXTS["server"]())
    assert reason(connected.server_error) == "PEER_DID_NOT_RETURN_A_CERTIFICATE"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_where_a_certificate_is_optional_none_is_enough_and_a_bad_one_is_not(version: ssl.TLSVersion) -> None:
    context = server().server_context(TRUST, certificate_optional=True)
    context.maximum_version = version
    assert (context.verify_mode, bool(context.verify_flags & ssl.VERIFY_X509_STRICT)) == (ssl.CERT_OPTIONAL, True)
    nobody = connect(TRUST.client_context(), context)
    assert nobody.ok
    assert nobody.server.getpeercert(binary_form=True) is None
    somebody = connect(client().client_context(TRUST), context)
    assert somebody.server.getpeercert(binary_form=True) == client().certificate.public_bytes(Encoding.DER)
    posing = issue(issuing_ca(), SERVER, ["localhost"])
    assert verify_code(connect(posing.client_context(TRUST), context)) == 26
    assert verify_code(connect(client(ca_kind=KeyType.P384).client_context(TRUST), context)) in {7, 20}


def reason(error: ssl.SSLError | None) -> str:
    assert error is not None
    return error.reason


def verify_code(connected: Connected) -> int:
    errors = [connected.client_error, connected.server_error]
    (judgement,) = [error for error in errors if isinstance(error, ssl.SSLCertVerificationError)]
    return judgement.verify_code

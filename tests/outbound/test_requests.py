"""requests with our adapter: exactly the anchors it was given, and its certificate, whatever else is said."""

import pickle
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPSConnection

from mutua import FollowedIdentity
from mutua.errors import InvalidInput, MissingExtra
from mutua.outbound.requests import MutualTLSAdapter
from mutua.outbound.urllib3 import RetiringConnection, retiring
from mutua.pki.certificates import write_pem
from tests.inbound.certificates import strangers_identity
from tests.outbound.forwarding_proxy import proxy
from tests.outbound.renewing import Renewing
from tests.outbound.servers import served, tls_server

REQUESTS = 100
SECONDS = 30


@pytest.fixture
def context(renewed: Renewing) -> ssl.SSLContext:
    return renewed.home.identities.load("woovi").client_context(renewed.trust)


@pytest.fixture
def session(context: ssl.SSLContext) -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.mount("https://", MutualTLSAdapter(context))
        yield made


@pytest.fixture
def strangers_ca(tmp_path: Path) -> str:
    """Another CA's bundle, which vouches for nobody here."""
    path = tmp_path / "other.pem"
    path.write_bytes(write_pem(strangers_identity(tmp_path / "stranger").chain[-1:]))
    return str(path)


def test_the_anchors_are_those_it_was_given_before_and_after_a_hundred_requests(
    session: requests.Session, context: ssl.SSLContext, renewed: Renewing
) -> None:
    before = context.get_ca_certs(binary_form=True)
    assert len(before) == len(renewed.trust.anchors)
    for _ in range(REQUESTS):
        assert session.get(renewed.url, timeout=SECONDS).json()["client"] == "woovi"
        session.get_adapter("https://").close()  # each connects anew, which is when requests would add its own
    assert context.get_ca_certs(binary_form=True) == before
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_the_environment_changes_neither_trust_nor_identity(
    name: str,
    session: requests.Session,
    context: ssl.SSLContext,
    renewed: Renewing,
    strangers_ca: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = context.get_ca_certs(binary_form=True)
    monkeypatch.setenv(name, strangers_ca)
    assert session.get(renewed.url, timeout=SECONDS).json()["client"] == "woovi"
    assert context.get_ca_certs(binary_form=True) == before


@pytest.mark.parametrize("on", ["the request", "the session"])
def test_a_bundle_in_verify_adds_nothing(
    on: str, session: requests.Session, context: ssl.SSLContext, renewed: Renewing, strangers_ca: str, tmp_path: Path
) -> None:
    before = context.get_ca_certs(binary_form=True)
    options: dict[str, Any] = {}
    if on == "the session":
        session.verify = strangers_ca
    else:
        options["verify"] = strangers_ca
    assert session.get(renewed.url, timeout=SECONDS, **options).json()["client"] == "woovi"
    assert context.get_ca_certs(binary_form=True) == before


def test_a_server_that_only_the_bundle_vouches_for_is_refused(
    context: ssl.SSLContext, renewed: Renewing, tmp_path: Path
) -> None:
    """What the bundle of the environment would let in, the adapter does not."""
    server = renewed.home.identities.load("api")
    bundle = tmp_path / "theirs.pem"
    bundle.write_bytes(write_pem(renewed.trust.anchors))
    narrow = type(renewed.trust)(strangers_identity(tmp_path / "stranger").chain[-1:])
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (tmp_path / "server.pem").write_bytes(server.key_pem() + server.chain_pem())
    tls.load_cert_chain(tmp_path / "server.pem")
    with served(tls_server(tls)) as url, requests.Session() as session:
        session.mount("https://", MutualTLSAdapter(renewed.new().client_context(narrow)))
        with pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            session.get(url, verify=str(bundle), timeout=SECONDS)


@pytest.mark.parametrize("options", [{"verify": False}, {"cert": "other.pem"}, {"cert": ("other.pem", "key.pem")}])
@pytest.mark.parametrize("on", ["the request", "the session"])
def test_what_would_turn_verification_off_or_show_another_certificate_is_refused_and_nothing_is_sent(
    on: str, options: dict[str, Any], session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)  # requests lets them override verify=False of a session
    reached: list[object] = []
    with served(reached.append) as url:
        if on == "the session":
            for name, value in options.items():
                setattr(session, name, value)
            options = {}
        with pytest.raises(InvalidInput, match="has no place here"):
            session.get(url, timeout=SECONDS, **options)
    assert reached == []


def redirecting(home: Renewing, to: str) -> Any:
    answer = f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
    return served(tls_server(home.home.identities.load("api").server_context(home.trust), answer))


def test_a_redirect_to_where_it_is_mounted_takes_identity_and_trust_along(
    session: requests.Session, renewed: Renewing
) -> None:
    with redirecting(renewed, renewed.url) as url:
        response = session.get(url, timeout=SECONDS)
    assert (len(response.history), response.json()["client"]) == (1, "woovi")


def test_a_redirect_to_where_it_is_not_mounted_gets_neither_the_certificate_nor_the_trust(
    context: ssl.SSLContext, renewed: Renewing
) -> None:
    with redirecting(renewed, renewed.url) as url, requests.Session() as session:
        session.mount(url, MutualTLSAdapter(context))
        with pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            session.get(url, timeout=SECONDS)


@pytest.mark.parametrize("said", ["by the request", "by the environment"])
def test_through_a_proxy_the_server_is_verified_and_sees_the_certificate(
    said: str, session: requests.Session, context: ssl.SSLContext, renewed: Renewing, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = context.get_ca_certs(binary_form=True)
    with proxy() as (url, targets):
        options: dict[str, Any] = {}
        if said == "by the request":
            options["proxies"] = {"https": url}
        else:
            monkeypatch.setenv("HTTPS_PROXY", url)
            monkeypatch.delenv("NO_PROXY", raising=False)
            monkeypatch.delenv("no_proxy", raising=False)
        assert session.get(renewed.url, timeout=SECONDS, **options).json()["client"] == "woovi"
        session.close()
    assert targets == [f"127.0.0.1:{renewed.serving.port}"]
    assert context.get_ca_certs(binary_form=True) == before


@pytest.mark.usefixtures("looks_always")
def test_through_a_proxy_connections_retire_too(renewed: Renewing) -> None:
    context = FollowedIdentity(renewed.path, renewed.trust).client_context()
    with proxy() as (url, targets), requests.Session() as session:
        session.mount("https://", MutualTLSAdapter(context))
        session.proxies = {"https": url}
        before = session.get(renewed.url, timeout=SECONDS).json()["thumbprint"]
        assert session.get(renewed.url, timeout=SECONDS).json()["thumbprint"] == before
        new = renewed.renew()
        assert session.get(renewed.url, timeout=SECONDS).json()["thumbprint"] == new
        session.close()
    assert len(targets) == 2


def test_the_adapter_everybody_finds_is_refused_a_context_that_follows(renewed: Renewing) -> None:
    """It would load the public CAs into it."""
    from requests.adapters import HTTPAdapter

    class Usual(HTTPAdapter):
        def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
            super().init_poolmanager(*arguments, ssl_context=context, **options)

    context = FollowedIdentity(renewed.path, renewed.trust).client_context()
    with requests.Session() as session:
        session.mount("https://", Usual())
        with pytest.raises(InvalidInput, match="is not added"):
            session.get(renewed.url, timeout=SECONDS)


def test_it_is_not_pickled(session: requests.Session) -> None:
    with pytest.raises(TypeError, match="private key"):
        pickle.dumps(session)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("proxies", [None, {"https": "http://127.0.0.1:9"}], ids=["direct", "proxy"])
def test_the_older_way_to_a_connection_gives_the_same_context(
    session: requests.Session, context: ssl.SSLContext, proxies: dict[str, str] | None
) -> None:
    pool: Any = session.get_adapter("https://").get_connection("https://localhost/", proxies)  # type: ignore[attr-defined]
    assert pool.conn_kw["ssl_context"] is context


def test_a_requests_that_would_not_ask_for_the_context_is_refused(
    context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(requests.adapters.HTTPAdapter, "build_connection_pool_key_attributes")
    with pytest.raises(MissingExtra, match="every public CA") as refused:
        MutualTLSAdapter(context)
    assert "2.32.3" in refused.value.hint


def test_a_manager_with_connections_of_its_own_keeps_them_and_they_retire() -> None:
    """As the one for SOCKS proxies has: with urllib3's in their place nothing would go through the proxy."""

    class OwnConnection(HTTPSConnection):
        pass

    class OwnPool(HTTPSConnectionPool):
        ConnectionCls = OwnConnection

    manager = PoolManager()
    manager.pool_classes_by_scheme = {"http": HTTPConnectionPool, "https": OwnPool}
    for _ in range(2):
        pool = retiring(manager).connection_from_url("https://localhost/")
        assert isinstance(pool, OwnPool)
        assert issubclass(pool.ConnectionCls, OwnConnection)
        assert issubclass(pool.ConnectionCls, RetiringConnection)
        manager.clear()

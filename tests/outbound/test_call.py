"""``mutua call``: one request, and why it failed, against real servers."""

import socket
import ssl
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutua import Home
from mutua.doctor.call import Stage, diagnose
from mutua.errors import InvalidAddress
from mutua.outbound.call import CallResult, call
from mutua.outbound.http1 import MAX_INTERIM
from mutua.outbound.messages import MAX_BODY_BYTES, Request
from mutua.outbound.tls_facts import certificates_of
from mutua.pki.profiles import CLIENT, SERVER
from mutua.testing.foreign import foreign_authority
from mutua.tls.identity import Identity
from mutua.tls.trust import Trust
from tests.conftest import CHEAP_SEALING
from tests.inbound.certificates import client_identity, end_entity, strangers_identity
from tests.outbound.echoing import deaf
from tests.outbound.servers import ANSWER, asyncio_server, served, tls_server
from tests.serving import Serving

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
REPETITIONS = 20
NOW = datetime.now(UTC)
YESTERDAY, TOMORROW = NOW - timedelta(days=1), NOW + timedelta(days=1)


def codes(result: CallResult) -> list[str]:
    return [finding.code for finding in diagnose(result.observation)]


def show(who: str, home: Home, tmp_path: Path) -> Identity | None:
    """An identity of the kind that a server objects to."""
    match who:
        case "stranger":
            return strangers_identity(tmp_path / "stranger")
        case "expired":
            return client_identity(home, from_=YESTERDAY - timedelta(days=1), until=YESTERDAY)
        case "early":
            return client_identity(home, from_=TOMORROW, until=TOMORROW + timedelta(days=1))
        case "server's":
            return home.authority.issue_server("woovi.example")
        case "none":
            return None
        case _:
            return home.identities.load(who)


REFUSED = {
    "none": ["certificate_required"],
    "stranger": ["unknown_ca"],
    "expired": ["certificate_expired", "own_certificate_expired"],
    "early": ["bad_certificate", "own_certificate_not_yet_valid"],
    "server's": ["unsupported_certificate", "own_certificate_wrong_purpose"],
}


@pytest.fixture(params=VERSIONS, ids=["1.2", "1.3"])
def context(request: pytest.FixtureRequest, home: Home) -> ssl.SSLContext:
    """A server's context for one TLS version, sending the alerts that OpenSSL sends."""
    built = home.identities.load("api").server_context(home.trust)
    built.minimum_version = built.maximum_version = request.param
    built.sslobject_class = ssl.SSLObject
    return built


def test_a_known_client_gets_its_answer(home: Home, serve: Callable[..., Serving], loop: str) -> None:
    result = call(f"{serve(loop=loop).url}/status?a=1", identity=home.identities.load("woovi"), trust=home.trust)
    assert (result.status, result.tls.version, result.observation.stage) == (200, "TLSv1.3", Stage.DONE)
    assert result.answer is not None
    assert b'"client": "woovi"' in result.answer.body
    assert dict(result.answer.headers)["content-type"] == "application/json"
    assert codes(result) == []


@pytest.mark.parametrize("who", REFUSED)
def test_what_our_own_server_objects_to_is_found(
    who: str, home: Home, serve: Callable[..., Serving], loop: str, tmp_path: Path
) -> None:
    serving = serve(loop=loop)
    result = call(serving.url, identity=show(who, home, tmp_path), trust=home.trust)
    assert codes(result) == REFUSED[who]
    assert result.status is None


@pytest.mark.parametrize("who", REFUSED)
def test_what_another_server_objects_to_is_found(who: str, home: Home, context: ssl.SSLContext, tmp_path: Path) -> None:
    with served(tls_server(context)) as url:
        result = call(url, identity=show(who, home, tmp_path), trust=home.trust)
    assert codes(result) == REFUSED[who]


def test_the_alert_of_tls_13_is_never_lost(home: Home, serve: Callable[..., Serving], loop: str) -> None:
    serving = serve(loop=loop)
    seen = [codes(call(serving.url, identity=None, trust=home.trust)) for _ in range(REPETITIONS)]
    assert seen == [["certificate_required"]] * REPETITIONS


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_request_outside_the_grant_is_an_http_refusal(method: str, home: Home, serve: Callable[..., Serving]) -> None:
    serving = serve()
    woovi, request = home.identities.load("woovi"), Request(method=method)
    result = call(f"{serving.url}/status", identity=woovi, trust=home.trust, request=request)
    assert (result.status, codes(result)) == (403, ["http_refused"])


def server_case(home: Home, tmp_path: Path, case: str) -> Identity:
    match case:
        case "server_wrong_name":
            return home.authority.issue_server("elsewhere.example")
        case "server_expired":
            return end_entity(home, SERVER, "127.0.0.1", from_=YESTERDAY - timedelta(days=1), until=YESTERDAY)
        case "server_not_yet_valid":
            return end_entity(home, SERVER, "127.0.0.1", from_=TOMORROW, until=TOMORROW + timedelta(days=1))
        case "server_wrong_purpose":
            return end_entity(home, CLIENT, "127.0.0.1")
        case _:
            with Home.create(tmp_path / "other", name="Other", sealing_cost=CHEAP_SEALING) as other:
                return other.authority.issue_server("127.0.0.1")


@pytest.mark.parametrize(
    "case",
    ["server_wrong_name", "server_expired", "server_not_yet_valid", "server_wrong_purpose", "server_unknown_issuer"],
)
def test_what_we_object_to_in_a_server_is_found(case: str, home: Home, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    identity = server_case(home, tmp_path, case)
    (tmp_path / "server.pem").write_bytes(identity.key_pem() + identity.chain_pem())
    context.load_cert_chain(tmp_path / "server.pem")
    with served(tls_server(context)) as url:
        result = call(url, identity=home.identities.load("woovi"), trust=home.trust)
    assert codes(result) == [case]
    assert diagnose(result.observation)[0].refused_by == "us"


def test_a_servers_issuer_is_not_sought_among_the_systems_cas(home: Home, serve: Callable[..., Serving]) -> None:
    result = call(serve().url, identity=None, trust=Trust.system())
    assert codes(result) == ["server_unknown_issuer"]


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="asyncio sends the alert from Python 3.14 on")
@pytest.mark.parametrize("who", ["none", "stranger"])
def test_a_server_that_closes_without_an_alert_is_told_as_such(
    who: str, home: Home, context: ssl.SSLContext, tmp_path: Path
) -> None:
    with asyncio_server(context) as url:
        result = call(url, identity=show(who, home, tmp_path), trust=home.trust)
    assert codes(result) == ["closed_without_alert"]


def test_a_server_that_hangs_up_after_the_request_is_told_as_such(home: Home, context: ssl.SSLContext) -> None:
    with served(tls_server(context, answer=b"")) as url:
        result = call(url, identity=home.identities.load("woovi"), trust=home.trust)
    assert (codes(result), result.observation.stage) == (["closed_without_alert"], Stage.RESPONSE)


def test_an_answer_that_is_not_http_is_told_as_such(home: Home, context: ssl.SSLContext) -> None:
    with served(tls_server(context, answer=b"220 mail.example ESMTP\r\n")) as url:
        result = call(url, identity=home.identities.load("woovi"), trust=home.trust)
    assert codes(result) == ["no_response"]


def test_a_port_that_speaks_plain_http_is_told_as_such(home: Home) -> None:
    def handle(plain: socket.socket) -> None:
        plain.recv(65536)
        plain.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with served(handle) as url:
        result = call(url, identity=None, trust=home.trust)
    assert codes(result) == ["handshake_failed"]


def test_a_host_without_an_address_is_told_as_such(home: Home) -> None:
    result = call("https://nowhere.invalid/", identity=None, trust=home.trust)
    assert (codes(result), result.observation.stage) == (["unknown_host"], Stage.RESOLVE)


def test_a_port_nobody_listens_on_is_told_as_such(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    result = call(f"https://127.0.0.1:{port}/", identity=None, trust=home.trust)
    assert (codes(result), result.observation.stage) == (["not_reachable"], Stage.CONNECT)


def answered(home: Home, context: ssl.SSLContext, answer: bytes, request: Request | None = None) -> CallResult:
    with served(tls_server(context, answer=answer)) as url:
        return call(url, identity=home.identities.load("woovi"), trust=home.trust, request=request)


def test_an_answer_that_ends_early_is_no_answer(home: Home, context: ssl.SSLContext) -> None:
    result = answered(home, context, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    assert (codes(result), result.answer) == (["no_response"], None)


def test_an_answer_in_chunks_that_ends_early_is_no_answer(home: Home, context: ssl.SSLContext) -> None:
    result = answered(home, context, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
    assert (codes(result), result.answer) == (["no_response"], None)


@pytest.mark.parametrize("head", [b"Content-Length: %d" % (MAX_BODY_BYTES + 1), b"X: y"], ids=["length", "close"])
def test_an_answer_without_measure_is_cut_and_said_to_be(head: bytes, home: Home, context: ssl.SSLContext) -> None:
    result = answered(home, context, b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b" % (head, bytes(MAX_BODY_BYTES + 1)))
    assert result.answer is not None
    assert (len(result.answer.body), result.answer.truncated, codes(result)) == (MAX_BODY_BYTES, True, [])


def test_heads_without_end_end_the_call(home: Home, context: ssl.SSLContext) -> None:
    result = answered(home, context, b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n")
    assert (codes(result), result.answer) == (["no_response"], None)


@pytest.mark.parametrize(("interim", "status"), [(1, 200), (3, 200), (MAX_INTERIM, None)])
def test_interim_answers_are_not_the_answer(
    interim: int, status: int | None, home: Home, context: ssl.SSLContext
) -> None:
    result = answered(home, context, b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * interim + ANSWER)
    assert result.status == status
    assert result.answer is None or (result.answer.body, len(result.answer.headers)) == (b"ok", 2)


def test_a_server_that_answers_before_it_has_the_body_is_heard(home: Home, context: ssl.SSLContext) -> None:
    answer = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    request = Request(method="POST", body=bytes(MAX_BODY_BYTES))
    with served(deaf(context, answer)) as url:
        results = [
            call(url, identity=home.identities.load("woovi"), trust=home.trust, request=request) for _ in "12345"
        ]
    assert [result.status for result in results] == [413] * 5


def test_what_went_either_way_is_known_also_when_it_was_refused(home: Home, context: ssl.SSLContext) -> None:
    api, woovi = home.identities.load("api"), home.identities.load("woovi")
    good = answered(home, context, ANSWER)
    assert good.tls.received == api.chain
    assert good.tls.verified == (*api.chain, home.trust.anchors[0])
    assert (good.tls.asked, good.tls.presented, good.tls.alpn) == (True, True, "")
    with served(tls_server(context)) as url:
        refused = call(url, identity=woovi, trust=foreign_authority("Somebody Else").trust)
        nobody = call(url, identity=None, trust=home.trust)
    assert (refused.tls.received, refused.tls.verified) == (api.chain, ())
    assert (nobody.tls.received, nobody.tls.asked, nobody.tls.presented) == (api.chain, True, False)


def test_a_server_that_asks_for_no_certificate_gets_none(home: Home, context: ssl.SSLContext) -> None:
    context.verify_mode = ssl.CERT_NONE
    result = answered(home, context, ANSWER)
    assert (result.status, result.tls.asked, result.tls.presented) == (200, False, False)


def test_a_call_that_fails_says_how_long_it_took_that_far(home: Home) -> None:
    timing = call("https://nowhere.invalid/", identity=None, trust=home.trust).timing
    assert (timing.resolve, timing.connect, timing.first_byte) == (None, None, None)
    assert timing.total is not None


@given(st.binary(max_size=300), st.booleans())
def test_whatever_a_certificate_message_is_its_reader_ends(message: bytes, tls13: bool) -> None:
    assert sum(map(len, certificates_of(message, tls13=tls13))) <= len(message)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1",
        "http://127.0.0.1/",
        "https://",
        "https://a:b@127.0.0.1/",
        "https://127.0.0.1:99999/",
        "https://[",
        "https://a..b/",
        f"https://{'a' * 64}.invalid/",
        "https://127.0.0.1/a b",
        "https://127.0.0.1/\u00e9",
        "https://127.0.0.1/?q=\x7f",
    ],
)
def test_what_is_no_https_url_is_an_invalid_address(url: str, home: Home) -> None:
    with pytest.raises(InvalidAddress):
        call(url, identity=None, trust=home.trust)

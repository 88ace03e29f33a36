"""``mutua call --http2``: against a real server, one that does not speak it, and some that speak it badly."""

import ssl
from collections.abc import Callable, Iterator

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from hyperframe.frame import DataFrame, PingFrame, SettingsFrame
from hypothesis import given
from hypothesis import strategies as st

from mutua import Home
from mutua.doctor.call import Stage, diagnose
from mutua.errors import Http2NotSpoken
from mutua.outbound import http2
from mutua.outbound.call import CallResult, call
from mutua.outbound.messages import MAX_BODY_BYTES, Request
from mutua.testing.home import UnsafeHome
from mutua.testing.server import RunningServer
from mutua.tls.identity import Identity
from tests.outbound.echoing import Handle, scripted
from tests.outbound.servers import served, tls_server

BIG = 300_000
"""More than four windows of HTTP/2 (RFC 9113 section 6.9.2)."""


@pytest.fixture(scope="module")
def unsafe_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UnsafeHome]:
    with UnsafeHome.make(tmp_path_factory.mktemp("http2") / "home") as home:
        home.clients.add("woovi", allow=["* /**"])
        yield home


@pytest.fixture(scope="module")
def woovi(unsafe_home: UnsafeHome) -> Identity:
    return unsafe_home.authority.issue_client("woovi")


@pytest.fixture(scope="module")
def door(unsafe_home: UnsafeHome, woovi: Identity) -> Iterator[RunningServer]:
    assert woovi.chain, "issued before the gate begins, which knows of it then"
    from tests.outbound.http2_app import app

    with RunningServer(app, unsafe_home) as running:
        yield running


def context_of(home: Home, *protocols: str) -> ssl.SSLContext:
    context = home.identities.load("server").server_context(home.trust)
    context.sslobject_class = ssl.SSLObject
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


Ask = Callable[..., CallResult]


@pytest.fixture
def ask(unsafe_home: UnsafeHome, woovi: Identity) -> Ask:
    def made(url: str, request: Request | None = None, identity: Identity | None = woovi) -> CallResult:
        return call(url, identity=identity, trust=unsafe_home.trust, request=request, http2=True, timeout=30)

    return made


def test_a_real_server_answers_in_http2(door: RunningServer, ask: Ask) -> None:
    result = ask(f"{door.url}/pix?a=1", Request(headers=(("X-Name", "Value"),)))
    assert (result.status, result.tls.alpn, diagnose(result.observation)) == (200, "h2", ())
    assert result.answer is not None
    assert result.answer.http_version == "HTTP/2"
    assert result.answer.body == b"GET /pix?a=1 HTTP/2 x-name=Value 0"
    assert result.timing.first_byte is not None


def test_a_body_larger_than_every_window_arrives(door: RunningServer, ask: Ask) -> None:
    result = ask(f"{door.url}/pix", Request(method="POST", body=bytes(BIG)))
    assert result.answer is not None
    assert result.answer.body.endswith(b" %d" % BIG)


def test_an_answer_larger_than_every_window_arrives(door: RunningServer, ask: Ask) -> None:
    result = ask(f"{door.url}/bytes/{BIG}")
    assert result.answer is not None
    assert (len(result.answer.body), result.answer.truncated) == (BIG, False)


def test_a_method_without_a_body_in_its_answer(door: RunningServer, ask: Ask) -> None:
    result = ask(f"{door.url}/pix", Request(method="HEAD"))
    assert result.answer is not None
    assert (result.status, result.answer.body) == (200, b"")


def test_the_alert_is_not_lost_to_http2(door: RunningServer, ask: Ask) -> None:
    result = ask(door.url, identity=None)
    assert [each.code for each in diagnose(result.observation)] == ["certificate_required"]
    assert result.observation.stage is Stage.FIRST_READ


@pytest.mark.parametrize("protocols", [(), ("http/1.1",)], ids=["no ALPN", "http/1.1"])
def test_a_server_that_does_not_speak_it_is_told_of_before_anything_is_sent(
    protocols: tuple[str, ...], unsafe_home: UnsafeHome, ask: Ask
) -> None:
    heard: list[bytes] = []
    context = context_of(unsafe_home, *protocols)

    def handle(plain: object) -> None:
        with context.wrap_socket(plain, server_side=True) as tls:  # type: ignore[arg-type]
            heard.append(tls.recv(65536))

    with served(handle) as url, pytest.raises(Http2NotSpoken, match="does not speak HTTP/2"):
        ask(url)
    assert heard == [b""]


def server_says(home: Home, *said: bytes) -> Handle:
    return scripted(context_of(home, "h2"), *said)


def greeting() -> H2Connection:
    """A server's side that has heard the client's preface and its first request."""
    client = H2Connection(H2Configuration(client_side=True))
    client.initiate_connection()
    client.send_headers(1, [(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/")], True)
    server = H2Connection(H2Configuration(client_side=False))
    server.initiate_connection()
    server.receive_data(client.data_to_send())
    return server


def reset() -> bytes:
    server = greeting()
    server.reset_stream(1, ErrorCodes.REFUSED_STREAM)
    return server.data_to_send()


def gone() -> bytes:
    server = greeting()
    server.close_connection(ErrorCodes.ENHANCE_YOUR_CALM, last_stream_id=0)
    return server.data_to_send()


def no_status() -> bytes:
    server = greeting()
    server.config.validate_outbound_headers = False
    server.send_headers(1, [("server", "x")], end_stream=True)
    return server.data_to_send()


def data_first() -> bytes:
    return SettingsFrame(0).serialize() + DataFrame(1, data=b"x", flags=("END_STREAM",)).serialize()


BAD = {
    "a reset stream": (reset, "REFUSED_STREAM"),
    "a connection that is ended": (gone, "ENHANCE_YOUR_CALM"),
    "an answer without a status": (no_status, "not HTTP/2"),
    "a body without a head": (data_first, "not HTTP/2"),
    "zeros": (lambda: bytes(200), "not HTTP/2"),
}


@pytest.mark.parametrize("bad", BAD)
def test_what_is_no_answer_is_no_response(bad: str, unsafe_home: UnsafeHome, ask: Ask) -> None:
    said, words = BAD[bad]
    with served(server_says(unsafe_home, said())) as url:
        result = ask(url)
    assert [each.code for each in diagnose(result.observation)] == ["no_response"]
    assert words in result.observation.error
    assert result.answer is None


def test_a_server_that_closes_within_the_answer_is_told_as_such(unsafe_home: UnsafeHome, ask: Ask) -> None:
    server = greeting()
    server.send_headers(1, [(":status", "200")])
    server.send_data(1, b"half")
    with served(tls_server(context_of(unsafe_home, "h2"), answer=server.data_to_send())) as url:
        result = ask(url)
    assert [each.code for each in diagnose(result.observation)] == ["closed_without_alert"]
    assert result.answer is None


def test_frames_without_end_end_the_call(unsafe_home: UnsafeHome, ask: Ask) -> None:
    pings = PingFrame(0, opaque_data=bytes(8), flags=("ACK",)).serialize() * 10_000
    context = context_of(unsafe_home, "h2")

    def handle(plain: object) -> None:
        with context.wrap_socket(plain, server_side=True) as tls:  # type: ignore[arg-type]
            tls.sendall(SettingsFrame(0).serialize())
            while True:
                tls.sendall(pings)

    with served(handle) as url:
        result = ask(url)
    assert [each.code for each in diagnose(result.observation)] == ["no_response"]


def test_a_body_without_end_is_cut_at_the_limit(door: RunningServer, ask: Ask) -> None:
    result = ask(f"{door.url}/bytes/{MAX_BODY_BYTES + 1}")
    assert result.answer is not None
    assert (len(result.answer.body), result.answer.truncated) == (MAX_BODY_BYTES, True)


class Wire:
    """A connection whose other side has said something already."""

    def __init__(self, said: bytes) -> None:
        self.said = said

    def recv(self, size: int) -> bytes:
        read, self.said = self.said[:size], self.said[size:]
        return read

    def sendall(self, data: bytes) -> None:
        pass


@given(st.binary(max_size=400) | st.binary(max_size=200).map(lambda tail: SettingsFrame(0).serialize() + tail))
def test_whatever_a_server_says_is_an_answer_or_a_failure_of_the_network(said: bytes) -> None:
    import http.client

    with pytest.raises((OSError, http.client.HTTPException)):
        http2.exchange(Wire(said), "a.example", "/", Request(), lambda: None)  # type: ignore[arg-type]

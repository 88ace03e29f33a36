"""The small HTTP server: a few pages, and nothing that hangs."""

import http.client
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from http import HTTPStatus

import pytest

from mutua.errors import AddressInUse, InvalidAddress
from mutua.inbound.seen import answering
from mutua.inbound.seen.http import Address, HttpServer, Reply, bound, parse_address
from tests.inbound.seen.conftest import read_all


async def hello() -> Reply:
    return Reply(HTTPStatus.OK, "hello\n")


async def broken() -> Reply:
    raise RuntimeError("broken")


@pytest.fixture
def port() -> Iterator[int]:
    listener = bound(Address("127.0.0.1", 0))
    with closing(HttpServer(listener, {"/hello": hello, "/broken": broken})) as server:
        server.start()
        yield listener.getsockname()[1]


@pytest.fixture
def send(port: int) -> Callable[[bytes], bytes]:
    """Sends bytes and returns whatever comes back."""

    def sent(data: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(data)
            return read_all(connection)

    return sent


def test_a_page_is_served_and_the_connection_ends(send: Callable[[bytes], bytes]) -> None:
    head, _, body = send(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nContent-Length: 6\r\n" in head
    assert b"\r\nConnection: close" in head
    assert body == b"hello\n"


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /hello?x=1 HTTP/1.0", 200),
        (b"HEAD /hello HTTP/1.1", 200),
        (b"GET / HTTP/1.1", 404),
        (b"GET /hello/ HTTP/1.1", 404),
        (b"GET /../hello HTTP/1.1", 404),
        (b"POST /hello HTTP/1.1", 405),
        (b"GET http://127.0.0.1/hello HTTP/1.1", 400),
        (b"GET /hello", 400),
        (b"GET /hello HTTP/2.0", 400),
        (b"GET  /hello HTTP/1.1", 400),
        (b"GET /\xff HTTP/1.1", 400),
        (b"get /hello HTTP/1.1", 400),
        (b"", 400),
    ],
)
def test_what_is_asked_for_decides_the_status(send: Callable[[bytes], bytes], request_line: bytes, status: int) -> None:
    answer = send(request_line + b"\r\nHost: x\r\n\r\n" if request_line else b"\r\n\r\n")
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert answer.endswith(b"\r\n\r\n") == request_line.startswith(b"HEAD")


def test_a_client_library_understands_it(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for _ in range(2):
        connection.request("GET", "/hello")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"hello\n")


def test_a_second_request_on_a_connection_is_not_heard(send: Callable[[bytes], bytes]) -> None:
    assert send(b"GET /hello HTTP/1.1\r\n\r\nGET /hello HTTP/1.1\r\n\r\n").count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("junk", [b"", b"x" * 100_000, b"GET /hello HTTP/1.1\r\n" + b"X: y\r\n" * 20_000])
def test_junk_gets_nothing_and_the_next_one_is_served(port: int, send: Callable[[bytes], bytes], junk: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        with suppress(OSError):
            connection.sendall(junk)
            connection.shutdown(socket.SHUT_WR)
        assert read_all(connection) == b""
    assert send(b"GET /hello HTTP/1.1\r\n\r\n").endswith(b"hello\n")


def test_a_page_that_fails_fails_alone(send: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture) -> None:
    assert send(b"GET /broken HTTP/1.1\r\n\r\n") == b""
    assert "could not answer" in caplog.text
    assert send(b"GET /hello HTTP/1.1\r\n\r\n").endswith(b"hello\n")


def test_who_sends_a_byte_now_and_then_is_dropped_all_the_same(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "EXCHANGE_SECONDS", 0.3)
    with socket.create_connection(("127.0.0.1", port), timeout=0.05) as connection:
        for _ in range(600):
            try:
                connection.send(b"G")
                if not connection.recv(1):
                    return
            except TimeoutError:
                continue
            except ConnectionError:
                return
    pytest.fail("it was never dropped")


def test_those_who_say_nothing_leave_room_for_others(port: int, send: Callable[[bytes], bytes]) -> None:
    hanging = [socket.create_connection(("127.0.0.1", port)) for _ in range(answering.MAX_EXCHANGES - 1)]
    assert send(b"GET /hello HTTP/1.1\r\n\r\n").endswith(b"hello\n")
    for each in hanging:
        each.close()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("9100", ("127.0.0.1", 9100)),
        (":9100", ("127.0.0.1", 9100)),
        ("0.0.0.0:9100", ("0.0.0.0", 9100)),
        ("[::1]:9100", ("::1", 9100)),
        ("metrics.internal:0", ("metrics.internal", 0)),
    ],
)
def test_an_address_without_a_host_is_this_machines_own(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == Address(*address)


@pytest.mark.parametrize(
    "text", ["", "x", "1.2.3.4", "1.2.3.4:", "::1:9100", "h:65536", "h:-1", "http://h:1", "h:1/", "h h:1"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidAddress) as told:
        parse_address(text)
    assert "9100" in told.value.hint


def test_a_taken_port_is_told_with_another_to_take(port: int) -> None:
    with pytest.raises(AddressInUse) as told:
        bound(Address("127.0.0.1", port))
    assert told.value.hint == f"give another one, such as 127.0.0.1:{port + 1}"


def test_addresses_are_written_as_they_are_read() -> None:
    for text in ("127.0.0.1:1", "[::1]:2", "h:3"):
        assert str(parse_address(text)) == text

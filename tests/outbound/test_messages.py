"""What may be in a request, and what would make another request of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutua.errors import InvalidInput, MutuaError
from mutua.outbound.messages import MAX_BODY_BYTES, MAX_HEADER_BYTES, Request


def test_a_request_says_where_it_goes_who_asks_and_how_long_its_body_is() -> None:
    assert Request().fields("a.example") == [("Host", "a.example"), ("User-Agent", "mutua"), ("Accept", "*/*")]
    posted = Request(method="POST", headers=(("Accept", "text/plain"),), body=b"ab").fields("a.example:8443")
    assert posted == [
        ("Host", "a.example:8443"),
        ("User-Agent", "mutua"),
        ("Accept", "text/plain"),
        ("Content-Length", "2"),
    ]
    assert ("Content-Length", "0") in Request(method="PUT").fields("a.example")


def test_a_host_that_is_given_takes_the_place_of_the_urls() -> None:
    fields = Request(headers=(("host", "b.example"),)).fields("a.example")
    assert [value for name, value in fields if name.lower() == "host"] == ["b.example"]


@pytest.mark.parametrize(
    "value",
    ["x\r\nEvil: 1", "x\nEvil: 1", "x\rEvil: 1", "x\0", "\x7f", "é", "\u2028", "x\x0bEvil: 1"],
    ids=["crlf", "lf", "cr", "nul", "del", "latin", "separator", "vt"],
)
def test_no_value_makes_a_second_line(value: str) -> None:
    with pytest.raises(InvalidInput, match="cannot carry"):
        Request(headers=(("X-Name", value),))


@pytest.mark.parametrize("name", ["", " X", "X ", "X:", "X\r\nEvil", "X Y", "é", ":path"])
def test_no_name_makes_a_second_line_or_a_pseudo_header(name: str) -> None:
    with pytest.raises(InvalidInput, match="not the name"):
        Request(headers=((name, "x"),))


@pytest.mark.parametrize(
    "name", ["Content-Length", "transfer-encoding", "CONNECTION", "Upgrade", "Expect", "TE", "Trailer", "Keep-Alive"]
)
def test_nothing_but_mutua_says_where_the_message_ends(name: str) -> None:
    with pytest.raises(InvalidInput, match="frames the message"):
        Request(headers=((name, "chunked"),))


@pytest.mark.parametrize("method", ["", "GET /x HTTP/1.1\r\nEvil:", "GET POST", "CONNECT", "connect", "É"])
def test_what_is_no_method_is_refused(method: str) -> None:
    with pytest.raises(InvalidInput, match="not a method"):
        Request(method=method)


def test_there_is_one_host() -> None:
    with pytest.raises(InvalidInput, match="one Host"):
        Request(headers=(("Host", "a"), ("host", "b")))


def test_headers_and_body_have_limits() -> None:
    with pytest.raises(InvalidInput, match="bytes"):
        Request(headers=(("X", "a" * MAX_HEADER_BYTES),))
    with pytest.raises(InvalidInput, match="bytes"):
        Request(body=bytes(MAX_BODY_BYTES + 1))


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_whatever_is_given_it_is_refused_or_stays_on_its_line(method: str, name: str, value: str) -> None:
    try:
        request = Request(method=method, headers=((name, value),))
    except MutuaError:
        return
    assert all(text.isascii() and text.isprintable() for text in (method, name, value.replace("\t", "")))
    assert (name, value) in request.fields("a.example")

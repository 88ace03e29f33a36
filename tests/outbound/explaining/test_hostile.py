"""Whatever is raised, ``explain`` answers, briefly, and with nothing that moves a cursor."""

import ssl
from types import SimpleNamespace
from typing import Any

import aiohttp
import httpx
import pycurl
import pytest
import requests
import urllib3
import websockets.exceptions
from hypothesis import given
from hypothesis import strategies as st

import mutua
from mutua.errors import CallFailed, CallUnexplained


class Wordless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Thorny(OSError):
    @property
    def request(self) -> object:
        raise RuntimeError("no request")

    reason = property(lambda self: 1 / 0)
    status = property(lambda self: int("none"))
    exceptions = property(lambda self: (_ for _ in ()).throw(KeyError("no")))


class Grpc(Exception):
    """As if grpcio had made it."""

    def code(self) -> object:
        raise ValueError("no code")

    def details(self) -> object:
        return 7


Grpc.__module__ = "grpc._channel"


class Nowhere(Exception):
    pass


Nowhere.__module__ = None  # type: ignore[assignment]


class Misplaced(ConnectionResetError):
    host = "\x1b[2J"
    port = 443
    request = SimpleNamespace(url="https://\x07bell.example:99999/")


Misplaced.__module__ = "aiohttp.client_exceptions"


def circle() -> Exception:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    one.args = (one, two)
    return one


def chain(length: int) -> Exception:
    error: Exception = ValueError("the end")
    for _ in range(length):
        above = ValueError("x")
        above.__cause__ = error
        error = above
    return error


def crowd() -> Exception:
    return ExceptionGroup("many", [ValueError(str(number)) for number in range(100_000)])


@pytest.mark.parametrize(
    "error",
    [
        Wordless(),
        Thorny(),
        Misplaced(),
        Grpc(),
        Nowhere(),
        circle(),
        chain(100_000),
        crowd(),
        pycurl.error(),
        pycurl.error("only words"),
        pycurl.error(35),
        ssl.SSLError(),
        ssl.SSLCertVerificationError(),
        BaseException(),
        KeyboardInterrupt(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_it_never_raises(error: BaseException) -> None:
    failure = mutua.explain(error)
    assert isinstance(failure, CallFailed)
    assert failure.message
    assert failure.hint


def test_what_is_no_exception_at_all_is_not_explained() -> None:
    failure = mutua.explain("an error")  # type: ignore[arg-type]
    assert isinstance(failure, CallUnexplained)


@pytest.mark.parametrize("text", ["\x1b[2J\x1b[31mred", "a\r\nforged: line", "\u202eright to left", "x" * 1_000_000])
def test_the_words_of_others_stay_on_one_short_line(text: str) -> None:
    for failure in (mutua.explain(ValueError(text)), mutua.explain(TimeoutError(text))):
        (cause,) = failure.causes
        assert cause.isprintable()
        assert len(cause) <= 200


@pytest.mark.parametrize(
    ("host", "port", "target"),
    [
        ("\x1b[2J", 443, "the server"),
        ("a b", 443, "the server"),
        ("-" * 254, 443, "the server"),
        ("a.example", 0, "the server"),
        ("a.example", 65536, "the server"),
        ("a.example", 8443, "a.example:8443"),
        ("::1", 8443, "[::1]:8443"),
        ("[::1]", 8443, "[::1]:8443"),
    ],
)
def test_only_an_address_is_taken_for_one(host: str, port: int, target: str) -> None:
    error = Misplaced()
    error.host, error.port = host, port
    assert mutua.explain(error).target == target


_TEXTS = st.text(max_size=40) | st.sampled_from(
    [
        "error:0A000418:SSL routines::tlsv1 alert unknown ca",
        "verify result: x (20)",
        "[Errno 111]",
        "Server disconnected",
        "returned error: 403",
    ]
)
_ERRORS = [
    ValueError,
    OSError,
    EOFError,
    TimeoutError,
    ConnectionResetError,
    ssl.SSLError,
    ssl.SSLCertVerificationError,
    httpx.ReadError,
    httpx.RemoteProtocolError,
    requests.ConnectionError,
    urllib3.exceptions.ProtocolError,
    urllib3.exceptions.SSLError,
    aiohttp.ServerDisconnectedError,
    aiohttp.ClientOSError,
    websockets.exceptions.InvalidMessage,
    pycurl.error,
]


@st.composite
def failures(draw: st.DrawFn, depth: int = 4) -> BaseException:
    kind: Any = draw(st.sampled_from(_ERRORS))
    number = st.integers(-1, 600)
    below = st.nothing() if depth == 0 else failures(depth - 1)
    arguments = draw(st.lists(_TEXTS, min_size=1, max_size=1) | st.tuples(number, _TEXTS) | st.tuples(below))
    try:
        error: BaseException = kind(*arguments)
    except Exception:
        error = kind.__new__(kind, *arguments)
    if depth and draw(st.booleans()):
        error.__cause__ = draw(below)
    for name in ("reason", "verify_code", "status", "host", "port", "response"):
        if draw(st.integers(0, 5)) == 0:
            try:
                setattr(error, name, draw(_TEXTS | number | st.none()))
            except Exception:  # a read-only property
                continue
    return error


@given(failures())
def test_whatever_is_inside_it_answers(error: BaseException) -> None:
    failure = mutua.explain(error)
    assert isinstance(failure, CallFailed)
    assert not any("examining it failed" in note for note in failure.__notes__)
    for text in (failure.message, failure.hint, *failure.causes, failure.target):
        assert text.isprintable()
        assert len(text) < 400

"""Fetching from addresses that somebody else chose: within limits, whatever the server does, and nowhere private."""

import gzip
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mutua.errors import InvalidAddress, NetworkError
from mutua.home.addresses import callable_addresses
from mutua.home.fetching import MAX_REDIRECTS, Fetcher
from mutua.registry.foreign_crls import accepted_crl_url
from mutua.tls.trust import Trust
from tests.home.crl_server import CrlServer, body, dripping, endless, redirect, serving
from tests.pki.hierarchy import issuing_ca, root, server

LIMIT = 100_000

fetch = Fetcher(max_bytes=LIMIT, allow_private=True, total_seconds=30.0)


def refused(why: str, url: str, fetcher: Fetcher = fetch) -> None:
    with pytest.raises(NetworkError, match=why) as error:
        fetcher(url)
    assert "\n" not in error.value.message


@pytest.fixture
def partner() -> Iterator[CrlServer]:
    with serving(body(b"the list")) as made:
        yield made


def test_what_is_there_is_fetched_as_it_is(partner: CrlServer) -> None:
    assert fetch(partner.url("/ca.crl?part=1")) == b"the list"
    request = partner.requests[0].decode().splitlines()
    assert request[0] == "GET /ca.crl?part=1 HTTP/1.1"
    assert f"Host: 127.0.0.1:{partner.port}" in request
    assert "Accept-Encoding: identity" in request


def test_an_answer_in_chunks_is_put_together() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with serving(lambda stream: stream.sendall(head + b"4\r\nthe \r\n4\r\nlist\r\n0\r\n\r\n")) as made:
        assert fetch(made.url()) == b"the list"


def test_it_follows_a_few_redirects(partner: CrlServer) -> None:
    with serving(redirect(partner.url())) as made:
        assert fetch(made.url()) == b"the list"


def test_proxies_of_the_environment_are_not_asked(partner: CrlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert fetch(partner.url()) == b"the list"


# Limits


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    ],
)
def test_a_gigabyte_is_not_read(head: bytes) -> None:
    with serving(endless(head, bytes(65_536))) as made:
        refused("more than 100000 bytes", made.url())


def test_nor_in_endless_chunks() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with serving(endless(head, b"1000\r\n" + bytes(0x1000) + b"\r\n")) as made:
        refused("more than 100000 bytes", made.url())


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX-Slow: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_a_byte_now_and_then_does_not_hold_it_up(head: bytes) -> None:
    quick = Fetcher(max_bytes=LIMIT, allow_private=True, total_seconds=0.7)
    with serving(dripping(head, 0.05)) as made:
        refused("did not answer in time", made.url(), quick)


def test_nor_does_a_server_that_keeps_saying_continue() -> None:
    quick = Fetcher(max_bytes=LIMIT, allow_private=True, total_seconds=0.7)
    with serving(endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n")) as made:
        refused("did not answer in time", made.url(), quick)


def test_a_silent_server_is_let_go_when_the_process_ends() -> None:
    ending = threading.Event()
    silent = threading.Event()
    slow = Fetcher(max_bytes=LIMIT, allow_private=True, total_seconds=600.0, stopping=ending.is_set)

    def answer(stream: socket.socket) -> None:
        ending.set()
        silent.wait()

    with serving(answer) as made:
        refused("the process ends", made.url(), slow)
        silent.set()


def test_headers_without_end_are_not_read() -> None:
    with serving(endless(b"HTTP/1.1 200 OK\r\n", b"X-More: 1\r\n")) as made:
        refused("cannot be fetched", made.url())


def test_a_gzip_bomb_is_not_opened() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    with serving(body(bomb, "Content-Encoding: gzip")) as made:
        refused("compressed", made.url())


@pytest.mark.parametrize("status", ["404 Not Found", "204 No Content", "500 No", "304 Not Modified", "206 Partial"])
def test_only_200_is_an_answer(status: str) -> None:
    with serving(body(b"x", status=status)) as made:
        refused(f"answers {status[:3]}", made.url())


@pytest.mark.parametrize(
    "junk", [b"", b"SSH-2.0-x\r\n", b"\x00" * 100, b"HTTP/1.1 abc\r\n\r\n", b"HTTP/9.9 200 OK\r\n\r\n"]
)
def test_junk_is_an_error_of_ours(junk: bytes) -> None:
    with serving(lambda stream: stream.sendall(junk)) as made:
        refused("cannot be fetched", made.url())


# Redirects


def test_one_to_itself_ends() -> None:
    with serving(body(b"")) as made:
        made.answer = redirect(made.url())
        refused("from one address to the next", made.url())
        assert len(made.requests) == MAX_REDIRECTS + 1


@pytest.mark.parametrize(
    "to",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/ca.crl",
        "ldap://127.0.0.1/cn=crl",
        "gopher://127.0.0.1/",
        "http://user:password@127.0.0.1/",
        "http://[::1",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1/\u00e9",
        "javascript:alert(1)",
    ],
)
def test_one_to_something_else_is_refused(to: str) -> None:
    with serving(redirect(to)) as made:
        refused(".", made.url())
        assert len(made.requests) == 1


def test_one_to_a_private_address_is_refused(partner: CrlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the outside it comes in; the first server is let be as if it were outside."""
    monkeypatch.setattr("mutua.home.addresses._refusal", lambda text, **_: "" if text == "127.0.0.1" else "private")
    strict = Fetcher(max_bytes=LIMIT)
    with serving(redirect("http://127.0.0.2/latest/meta-data")) as made:
        refused("is at 127.0.0.2, which is private", made.url(), strict)


# Addresses

PRIVATE = [
    "127.0.0.1",
    "127.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.1",
    "192.0.0.192",
    "192.88.99.1",
    "198.18.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "fe80::1",
    "fc00::1",
    "fd12::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2001:0:4136:e378:8000:63bf:f5ff:fffe",
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
    "64:ff9b:1::7f00:1",
    "fec0::1",
    "feff::1",
]
NOBODYS = ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "::ffff:224.0.0.1"]
PUBLIC = ["1.1.1.1", "2606:4700:4700::1111", "64:ff9b::101:101"]


def found(*addresses: str, allow_private: bool = False) -> list[str]:
    return callable_addresses(
        "crl.bank.example", 80, seconds=30.0, allow_private=allow_private, resolve=lambda _host, _port: addresses
    )


@pytest.mark.parametrize("address", [*PRIVATE, *NOBODYS])
def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    with pytest.raises(NetworkError, match=re.escape(address)) as error:
        found(address)
    assert "allow_private" in error.value.hint


@pytest.mark.parametrize("address", PRIVATE)
def test_one_bad_address_among_good_ones_is_enough(address: str) -> None:
    with pytest.raises(NetworkError):
        found(PUBLIC[0], address)


def test_what_is_outside_may_be_called() -> None:
    assert found(*PUBLIC) == PUBLIC


@pytest.mark.parametrize("address", PRIVATE)
def test_inside_only_when_it_is_allowed(address: str) -> None:
    assert found(address, allow_private=True) == [address]


@pytest.mark.parametrize("address", NOBODYS)
def test_nobodys_address_is_never_allowed(address: str) -> None:
    with pytest.raises(NetworkError):
        found(address, allow_private=True)


def test_a_crowd_of_addresses_is_refused() -> None:
    with pytest.raises(NetworkError, match="17 addresses"):
        found(*(f"1.1.1.{each}" for each in range(17)))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "127.1"]
)
def test_this_machine_is_not_called_however_it_is_spelt(partner: CrlServer, host: str) -> None:
    refused(".", f"http://{host}:{partner.port}/", Fetcher(max_bytes=LIMIT))
    assert not partner.requests


def test_the_name_is_resolved_once(partner: CrlServer) -> None:
    """What it leads to the next moment is nobody's business (DNS rebinding)."""
    asked: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    here = Fetcher(max_bytes=LIMIT, allow_private=True, resolve=resolve)
    assert here(partner.url(host="crl.bank.example")) == b"the list"
    assert asked == ["crl.bank.example"]
    assert f"Host: crl.bank.example:{partner.port}".encode() in partner.requests[0]


def test_a_resolver_that_never_answers_is_not_waited_for() -> None:
    never = threading.Event()

    def resolve(_host: str, _port: int) -> list[str]:
        never.wait()
        return []

    refused(
        "not resolved in time", "http://crl.bank.example/", Fetcher(max_bytes=LIMIT, resolve=resolve, total_seconds=0.2)
    )
    never.set()


def test_an_unknown_name_is_an_error_of_ours() -> None:
    def resolve(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    refused("cannot be resolved", "http://crl.bank.example/", Fetcher(max_bytes=LIMIT, resolve=resolve))


def test_the_next_address_is_tried(partner: CrlServer) -> None:
    here = Fetcher(max_bytes=LIMIT, allow_private=True, resolve=lambda _host, _port: ["127.0.0.9", "127.0.0.1"])
    assert here(partner.url(host="crl.bank.example")) == b"the list"


# https


@pytest.fixture
def served_context(tmp_path: Path) -> ssl.SSLContext:
    identity = server()
    (tmp_path / "pem").write_bytes(identity.chain_pem() + identity.key_pem())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pem")
    return context


def test_over_https_the_server_is_verified_by_its_name(served_context: ssl.SSLContext) -> None:
    trusting = Trust((root().certificate, issuing_ca().certificate)).client_context()
    with serving(body(b"the list"), served_context) as made:
        known = Fetcher(
            max_bytes=LIMIT, allow_private=True, context=trusting, resolve=lambda _host, _port: ["127.0.0.1"]
        )
        assert known(made.url(host="api.acme.example", scheme="https")) == b"the list"
        refused("SSLCertVerificationError", made.url(host="crl.bank.example", scheme="https"), known)
        refused("SSLCertVerificationError", made.url(host="localhost", scheme="https"))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ca.crl",
        "//crl.bank.example/ca.crl",
        "ldap://crl.bank.example/cn=ca",
        "file:///etc/passwd",
        "http://",
        "http:///ca.crl",
        "http://user@crl.bank.example/",
        "http://user:password@crl.bank.example/",
        "http://crl.bank.example/a b",
        "http://crl.bank.example/\r\nX: y",
        "http://crl.bank.example/\u00e9",
        "http://crl.bank.example:0/",
        "http://crl.bank.example:99999/",
        "http://crl.bank.example:x/",
        "http://[::1/",
        "http://crl.bank.example/#part",
        "http://crl.bank.example/" + "a" * 2048,
    ],
)
def test_what_is_no_address_of_a_crl(url: str) -> None:
    with pytest.raises(InvalidAddress) as refused_:
        accepted_crl_url(url)
    assert "password" not in refused_.value.message.replace("a name or password", "")

"""Fetching what is missing above a chain: from where certificates say, within limits, and believed by its key alone."""

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from mutua.errors import NetworkError
from mutua.outbound.intermediates import MAX_ANSWER_BYTES, complete, complete_chain
from mutua.pki.certificates import write_der, write_pem
from mutua.pki.chain_order import MAX_ISSUER_URLS
from mutua.pki.chains import MAX_DEPTH
from mutua.pki.pkcs7 import write_pkcs7
from mutua.tls.identity import Identity
from mutua.tls.trust import Trust
from tests.home.crl_server import body, dripping, endless, redirect
from tests.outbound.issuers import KEY, Line, certify, line
from tests.outbound.servers import PATIENCE_SECONDS, served, tls_server
from tests.pki.hierarchy import root, server


@pytest.fixture
def bank() -> Iterator[Line]:
    with line() as made:
        yield made


def identity(leaf: x509.Certificate) -> Identity:
    return Identity(KEY, (leaf,))


def refused(leaf: x509.Certificate, why: str, *, allow_private: bool = True, seconds: float = 20.0) -> NetworkError:
    with pytest.raises(NetworkError, match=why) as error:
        complete(identity(leaf), allow_private=allow_private, seconds=seconds)
    assert "\n" not in error.value.message
    assert "whole chain" in error.value.hint
    return error.value


def test_what_is_missing_is_fetched_up_to_the_root(bank: Line) -> None:
    done = complete(identity(bank.leaf), allow_private=True)
    assert done.chain == (bank.leaf, bank.issuing)
    assert done.root == bank.root
    assert done.missing_issuer is None
    assert done.key is KEY
    assert [len(each.requests) for each in (bank.below, bank.above)] == [1, 1]


def test_what_is_complete_calls_nobody(bank: Line) -> None:
    whole = Identity(KEY, (bank.leaf, bank.issuing), bank.root)
    assert complete(whole, allow_private=True).chain == whole.chain
    assert not bank.below.requests + bank.above.requests


def test_loading_alone_fetches_nothing(bank: Line) -> None:
    loaded = Identity.load(write_pem([bank.leaf]), key=identity(bank.leaf).key_pem())
    assert loaded.missing_issuer is not None
    assert loaded.missing_issuer.urls == (bank.below.url("/issuing.cer"),)
    assert not bank.below.requests


@pytest.mark.parametrize("form", ["p7c", "p7c-pem", "pem", "bundle"])
def test_the_forms_that_are_found_there_are_read(bank: Line, form: str) -> None:
    stranger = certify("stranger", "stranger")
    forms = {
        "p7c": write_pkcs7([stranger, bank.issuing], pem=False),
        "p7c-pem": write_pkcs7([bank.issuing]),
        "pem": write_pem([bank.issuing]),
        "bundle": write_pem([stranger, bank.issuing]),
    }
    bank.below.answer = body(forms[form])
    assert complete(identity(bank.leaf), allow_private=True).chain == (bank.leaf, bank.issuing)


def test_the_next_address_is_asked_where_one_fails(bank: Line) -> None:
    leaf = certify("leaf", "issuing", "ldap://127.0.0.1/cn=ca", "http://127.0.0.1:9/", bank.below.url(), ca=False)
    done = complete_chain((leaf,), allow_private=True)
    assert done.chain == (leaf, bank.issuing)
    assert [bool(each.certificate) for each in done.attempts] == [False, False, True, True]
    assert "not an http or https address" in done.attempts[0].error
    assert complete(identity(leaf), allow_private=True).chain == done.chain


def test_a_root_that_is_not_to_be_had_is_no_error(bank: Line) -> None:
    bank.above.answer = body(b"", status="404 Not Found")
    done = complete(identity(bank.leaf), allow_private=True)
    assert (done.chain, done.root) == ((bank.leaf, bank.issuing), None)
    assert done.missing_issuer is not None
    assert done.missing_issuer.perhaps_root


def test_a_leaf_that_names_no_address_is_said() -> None:
    refused(certify("leaf", "issuing", ca=False), "names no address")


def test_a_server_that_trusts_the_root_alone_lets_in_what_was_completed(bank: Line, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (tmp_path / "server.pem").write_bytes(server().chain_pem() + server().key_pem())
    context.load_cert_chain(tmp_path / "server.pem")
    context.load_verify_locations(cadata=write_pem([bank.root]).decode())
    context.verify_mode = ssl.CERT_REQUIRED
    trust = Trust((root().certificate,))

    def call(who: Identity) -> bytes:
        with (
            served(tls_server(context)) as url,
            socket.create_connection(("127.0.0.1", urlsplit(url).port or 0)) as raw,
        ):
            raw.settimeout(PATIENCE_SECONDS)
            with who.client_context(trust).wrap_socket(raw, server_hostname="127.0.0.1") as tls:
                tls.sendall(b"GET / HTTP/1.1\r\n\r\n")
                return tls.recv(100)

    with pytest.raises((ssl.SSLError, ConnectionError)):
        call(identity(bank.leaf))
    assert call(complete(identity(bank.leaf), allow_private=True)).startswith(b"HTTP/1.1 200")


# Attacks


def test_another_ca_of_the_same_name_is_not_believed(bank: Line) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    leaf = certify("leaf", "issuing", bank.below.url(), ca=False, by=other)
    refused(leaf, "did not issue the certificate")


def test_nor_is_one_that_is_no_ca(bank: Line) -> None:
    bank.below.answer = body(write_der(certify("issuing", "root", ca=False)))
    refused(bank.leaf, "did not issue the certificate")


def test_nor_the_certificate_itself(bank: Line) -> None:
    loop = certify("loop", "loop-issuer", bank.below.url())
    bank.below.answer = body(write_der(loop))
    done = complete_chain((loop,), allow_private=True)
    assert done.chain == (loop,)
    assert len(bank.below.requests) == 1


def test_a_line_of_cas_without_end_ends(bank: Line) -> None:
    numbers = iter(range(1000))

    def answer(stream: socket.socket) -> None:
        number = next(numbers)
        made = certify(f"CA {number}", f"CA {number + 1}", bank.below.url())
        body(write_der(made))(stream)

    bank.below.answer = answer
    leaf = certify("leaf", "CA 0", bank.below.url(), ca=False)
    done = complete_chain((leaf,), allow_private=True)
    assert len(done.chain) == MAX_DEPTH
    assert len(bank.below.requests) == MAX_DEPTH - 1


def test_a_crowd_of_addresses_is_not_called(bank: Line) -> None:
    bank.below.answer = body(b"", status="404 Not Found")
    leaf = certify("leaf", "issuing", *(bank.below.url(f"/{each}") for each in range(50)), ca=False)
    refused(leaf, "answers 404")
    assert len(bank.below.requests) == MAX_ISSUER_URLS


def test_nobody_is_called_within_private_networks_unless_it_is_allowed(bank: Line) -> None:
    error = refused(bank.leaf, "within a private network", allow_private=False)
    assert "allow_private=True" in error.message
    assert not bank.below.requests


def test_a_redirect_inside_is_followed_only_when_it_is_allowed(bank: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mutua.home.addresses._refusal", lambda text, **_: "" if text == "127.0.0.1" else "private")
    bank.below.answer = redirect("http://127.0.0.2/latest/meta-data")
    refused(bank.leaf, "is at 127.0.0.2, which is private", allow_private=False)


def test_what_a_certificate_says_moves_no_cursor_and_ends_no_line() -> None:
    evil = "http://ca.example/\x1b[2J\nerror: all is well " + "x" * 10_000
    error = refused(certify("leaf", "issuing", evil, ca=False), "not an http or https address")
    assert error.message.isprintable()
    assert r"ca.example/\x1b[2J\nerror" in error.message
    assert len(error.message) < 1000


@pytest.mark.parametrize("junk", [b"", b"junk", b"<!doctype html>", b"\x30\x82\xff\xff", b"-----BEGIN "], ids=range(5))
def test_junk_is_an_error_of_ours(bank: Line, junk: bytes) -> None:
    bank.below.answer = body(junk)
    refused(bank.leaf, "no certificate")


def test_what_is_too_large_is_not_read(bank: Line) -> None:
    bank.below.answer = endless(b"HTTP/1.1 200 OK\r\n\r\n", bytes(65_536))
    refused(bank.leaf, f"more than {MAX_ANSWER_BYTES} bytes")


def test_the_time_is_for_all_of_it(bank: Line) -> None:
    """A byte now and then keeps nobody waiting, and neither do four addresses one after another."""
    bank.below.answer = dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", 0.05)
    leaf = certify("leaf", "issuing", *(bank.below.url(f"/{each}") for each in range(4)), ca=False)
    refused(leaf, "did not answer in time", seconds=0.5)
    assert len(bank.below.requests) == 1


def test_a_resolver_that_never_answers_is_not_waited_for(bank: Line) -> None:
    never = threading.Event()

    def resolve(_host: str, _port: int) -> list[str]:
        never.wait()
        return []

    with pytest.raises(NetworkError, match="not resolved in time"):
        complete(identity(bank.leaf), allow_private=True, seconds=0.2, resolve=resolve)
    never.set()

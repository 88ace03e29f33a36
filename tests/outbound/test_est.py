"""The EST client against servers that are not what they should be: it ends, with an error of ours, and tells nobody."""

import shutil
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mutua import Home, Identity
from mutua.errors import EstFailed, RefusedEnrolment, RefusedRenewal
from mutua.outbound.est import MAX_ANSWER_BYTES, EstClient
from mutua.pki.keys import KeyType
from mutua.pki.pkcs7 import write_pkcs7
from mutua.pki.randomness import generate_key
from mutua.pki.requests import write_request
from mutua.tls.files import load_cert_chain

Answering = Callable[[bytes], bytes]

KEY = generate_key(KeyType.P256)
REQUEST = write_request(KEY, ())
TOKEN = "a" * 43


class Server:
    """A TLS server that answers each request as it is told; ``heard`` has them all."""

    def __init__(self, identity: Identity) -> None:
        self.answer: bytes | Callable[[ssl.SSLSocket], None] = b""
        self.heard: list[bytes] = []
        self._stopping = False
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        load_cert_chain(self._context, identity.key, identity.chain_pem())
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://localhost:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            plain, _ = self._listener.accept()
            with plain:
                if self._stopping:
                    return
                plain.settimeout(30)
                try:
                    with self._context.wrap_socket(plain, server_side=True) as secured:
                        self.heard.append(_request(secured))
                        if callable(self.answer):
                            self.answer(secured)
                        else:
                            secured.sendall(self.answer)
                except OSError:
                    continue

    def stop(self) -> None:
        self._stopping = True
        socket.create_connection(self._listener.getsockname()).close()
        self._thread.join()
        self._listener.close()


def _request(secured: ssl.SSLSocket) -> bytes:
    said = b""
    while not said.endswith(b"\r\n\r\n") and (chunk := secured.recv(65536)):
        said += chunk
        if said == b"stop":
            return said
        head, _, body = said.partition(b"\r\n\r\n")
        length = next(
            (int(line[16:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length: ")), 0
        )
        if b"\r\n\r\n" in said and len(body) >= length:
            return said
    return said


def reply(body: bytes, status: str = "200 OK", kind: str = "application/pkcs7-mime; smime-type=certs-only") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.fixture(scope="module")
def place(home_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("est") / "home"
    shutil.copytree(home_template, folder, symlinks=True)
    with Home.open(folder) as home:
        yield home


@pytest.fixture(scope="module")
def server(place: Home) -> Iterator[Server]:
    running = Server(place.identities.load("api"))
    yield running
    running.stop()


@pytest.fixture
def client(place: Home, server: Server) -> EstClient:
    server.heard.clear()
    return EstClient(server.url, place.trust, total_seconds=10)


@contextmanager
def answering(server: Server, answer: bytes) -> Iterator[None]:
    server.answer = answer
    yield
    server.answer = b""


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "closed"),
        (b"nonsense\r\n\r\n", "BadStatusLine"),
        (reply(b"not base64!"), "not base64"),
        (reply(b64encode(b"not PKCS#7")), "cannot be read"),
        (reply(b""), "cannot be read"),
        (reply(b"<html>", kind="text/html"), "is it an EST server"),
        (reply(b"gone", "404 Not Found"), "404"),
        (reply(b"later", "503 Service Unavailable"), "503"),
        (reply(b"", "202 Accepted"), "approve"),
        (reply(b"", "302 Found") + b"", "302"),
        (reply(b"A" * (MAX_ANSWER_BYTES + 1)), "more than"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 1000 + b"\r\n", "got more than"),
        (reply(b"A" * 1000)[:-900], "IncompleteRead"),
    ],
    ids=[
        "nothing", "no http", "no base64", "no pkcs7", "empty", "a page", "not found", "busy", "pending", "redirect",
        "too large", "many headers", "broken off",
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_an_error_of_ours(
    client: EstClient, server: Server, answer: bytes, said: str
) -> None:
    with answering(server, answer), pytest.raises(EstFailed) as caught:
        client.authorities()
    assert said in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=300), in_base64=st.booleans())
def test_whatever_it_answers_only_our_error_escapes(
    client: EstClient, server: Server, body: bytes, in_base64: bool
) -> None:
    with answering(server, reply(b64encode(body) if in_base64 else body)), pytest.raises(EstFailed):
        client.authorities()


def test_a_server_that_sends_a_byte_now_and_then_is_left(place: Home, server: Server) -> None:
    done = threading.Event()

    def drip(secured: ssl.SSLSocket) -> None:
        secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not done.wait(0.05):
            secured.sendall(b"A")

    server.answer = drip
    try:
        with pytest.raises(EstFailed):
            EstClient(server.url, place.trust, total_seconds=1).authorities()
    finally:
        done.set()
        server.answer = b""


def test_a_redirect_is_not_followed_with_the_token(client: EstClient, server: Server) -> None:
    answer = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {server.url}/elsewhere\r\nContent-Length: 0\r\n\r\n"
    with answering(server, answer.encode()), pytest.raises(EstFailed, match="307"):
        client.enroll("woovi", TOKEN, REQUEST)
    assert len(server.heard) == 1


def test_the_proxy_of_the_environment_is_not_told_anything(
    client: EstClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        with answering(server, reply(b"", "401 Unauthorized")), pytest.raises(RefusedEnrolment):
            client.enroll("woovi", TOKEN, REQUEST)
        proxy.settimeout(0)
        with pytest.raises(BlockingIOError):
            proxy.accept()


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
def test_a_refusal_is_told_from_a_failure(client: EstClient, server: Server, place: Home, status: str) -> None:
    identity = place.identities.load("woovi")
    with answering(server, reply(b"no \x1b[2J\n", status, "text/plain")):
        with pytest.raises(RefusedEnrolment) as enrolment:
            client.enroll("woovi", TOKEN, REQUEST)
        with pytest.raises(RefusedRenewal) as renewal:
            client.reenroll(identity, REQUEST, place.now())
    for caught in (enrolment, renewal):
        assert "\x1b" not in caught.value.message
        assert TOKEN not in caught.value.message


def test_a_certificate_for_another_key_is_not_taken(client: EstClient, server: Server, place: Home) -> None:
    other = place.authority.issue_client("woovi").certificate
    with (
        answering(server, reply(b64encode(write_pkcs7([other], pem=False)))),
        pytest.raises(EstFailed, match="another key"),
    ):
        client.enroll("woovi", TOKEN, REQUEST)


def test_cas_that_are_none_or_have_no_root_are_not_taken(client: EstClient, server: Server, place: Home) -> None:
    leaf = place.identities.load("woovi").certificate
    issuing = [
        each.certificate for each in place.hierarchy.trusted() if each.certificate != place.hierarchy.root.certificate
    ]
    for certificates in ([leaf], [leaf, place.hierarchy.root.certificate], issuing):
        with answering(server, reply(b64encode(write_pkcs7(certificates, pem=False)))), pytest.raises(EstFailed):
            client.authorities()


def test_cas_come_roots_first_and_always_in_the_same_order(client: EstClient, server: Server, place: Home) -> None:
    certificates = [each.certificate for each in place.hierarchy.trusted()]
    for order in (certificates, certificates[::-1]):
        with answering(server, reply(b64encode(write_pkcs7(order, pem=False)))):
            assert client.authorities()[0] == place.hierarchy.root.certificate
            assert set(client.authorities()) == set(certificates)


def test_line_breaks_in_base64_do_not_matter(client: EstClient, server: Server, place: Home) -> None:
    encoded = b64encode(write_pkcs7([place.hierarchy.root.certificate], pem=False))
    broken = b"\r\n".join(encoded[at : at + 7] for at in range(0, len(encoded), 7))
    with answering(server, reply(broken)):
        assert client.authorities() == (place.hierarchy.root.certificate,)


def test_nobody_listening_is_said_so(place: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(EstFailed, match=f"localhost:{port}"):
        EstClient(f"https://localhost:{port}", place.trust).authorities()

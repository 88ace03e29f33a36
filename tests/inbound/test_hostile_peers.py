"""Whatever bytes arrive: each connection ends by itself, and known clients are served meanwhile."""

import random
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from mutua import Home
from mutua.pki.certificates import write_pem
from mutua.pki.draft import distinguished_name
from mutua.pki.keys import KeyType
from mutua.pki.randomness import generate_key
from mutua.tls.files import load_cert_chain
from tests.inbound.connections import LiveConnection, client_context
from tests.serving import Serving

SILENT_PEERS = 50
MUTATIONS = 60


def open_plain(serving: Serving) -> socket.socket:
    return socket.create_connection(("127.0.0.1", serving.port), timeout=30)


def throw(serving: Serving, data: bytes) -> None:
    """Send the bytes, say that no more will come, and read until the server closes."""
    with open_plain(serving) as plain:
        try:
            plain.sendall(data)
            plain.shutdown(socket.SHUT_WR)
            while plain.recv(65536):
                continue
        except ConnectionError:
            pass  # it hung up on us: well done


def present(serving: Serving, context: ssl.SSLContext) -> None:
    with open_plain(serving) as plain, context.wrap_socket(plain, server_hostname="localhost") as tls:
        tls.recv(1)


def assert_serves(serving: Serving, home: Home) -> None:
    with LiveConnection(serving.port, client_context(home)) as connection:
        assert connection.get() == 200
    assert "Traceback" not in serving.talk


def client_hello() -> bytes:
    outgoing = ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def hostile_bytes() -> Iterator[bytes]:
    chance, hello = random.Random(20261123), client_hello()
    yield b""
    yield b"\x00" * 70_000
    yield b"\x16\x03\x01\xff\xff" + b"\xff" * 70_000  # a record longer than TLS allows
    yield b"\x16\x03\x01\x40\x00\x01\xff\xff\xff\x03\x03" + b"a" * 16_384 * 4  # a ClientHello of 16 MiB, begun
    yield b"\x15\x03\x03\x00\x02\x02\x28" * 1000  # alerts
    yield b"\x17\x03\x03\x00\x10" + b"\x00" * 16  # data before a handshake
    yield from (hello[:length] for length in range(1, len(hello), len(hello) // 20))
    for _ in range(MUTATIONS):
        mutant = bytearray(hello)
        for _ in range(chance.randint(1, 8)):
            mutant[chance.randrange(len(mutant))] = chance.randrange(256)
        yield bytes(mutant)
    yield from (chance.randbytes(chance.randint(1, 4096)) for _ in range(MUTATIONS))


def test_arbitrary_bytes_disturb_nobody(home: Home, serve: Callable[..., Serving], loop: str) -> None:
    serving = serve(loop=loop)
    for data in hostile_bytes():
        throw(serving, data)
    assert_serves(serving, home)
    serving.stop()
    assert {line["client"] for line in serving.reached()} == {"woovi"}
    assert {line["reason"] for line in serving.lines if line["event"] == "refused"} <= {"handshake_failed", "malformed"}


def test_plain_http_is_refused_and_logged(home: Home, serve: Callable[..., Serving], loop: str) -> None:
    serving = serve(loop=loop)
    with open_plain(serving) as plain:
        address = "{}:{}".format(*plain.getsockname())
        plain.sendall(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = plain.recv(65536)
    assert not answer.startswith(b"HTTP")
    line = serving.next_line("refused")
    assert (line["reason"], line["thumbprint"], line["peer"]) == ("handshake_failed", None, address)
    assert "HTTP" in line["detail"].upper()
    assert_serves(serving, home)


def test_silent_peers_keep_nobody_waiting(home: Home, serve: Callable[..., Serving], loop: str) -> None:
    serving = serve(loop=loop)
    silent = [open_plain(serving) for _ in range(SILENT_PEERS)]
    try:
        for number, plain in enumerate(silent):
            plain.sendall(client_hello()[: number * 3])
        assert_serves(serving, home)
    finally:
        for plain in silent:
            plain.close()


def test_peers_that_leave_in_the_middle_of_a_handshake_disturb_nobody(
    home: Home, serve: Callable[..., Serving], loop: str
) -> None:
    serving = serve(loop=loop)
    for _ in range(SILENT_PEERS):
        with open_plain(serving) as plain:
            plain.sendall(client_hello())
            assert plain.recv(1)
            # Leave with a reset instead of a farewell.
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    assert_serves(serving, home)


@pytest.mark.parametrize("count", [60, 400])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_a_chain_made_to_be_slow_or_too_large_is_refused(
    count: int, version: ssl.TLSVersion, home: Home, serve: Callable[..., Serving]
) -> None:
    serving = serve()
    key = generate_key(KeyType.P256)
    name, now = distinguished_name(organization="Acme Payments"), datetime.now(UTC)
    chain = [
        x509.CertificateBuilder(name, name, key.public_key(), serial, now - timedelta(1), now + timedelta(1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
        for serial in range(1, count + 1)
    ]
    context = home.trust.client_context()
    context.minimum_version = context.maximum_version = version
    load_cert_chain(context, key, write_pem(chain))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        present(serving, context)
    assert serving.next_line("refused")["reason"] in {"unknown_issuer", "handshake_failed"}
    assert_serves(serving, home)

"""CRLs and CA certificates over http: what is sent, for how long it may be kept, and what is refused."""

import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from time import monotonic, sleep

import pytest
from cryptography import x509

from mutua import Home
from mutua.pki.certificates import write_der
from mutua.store import crls
from tests.serving import PATIENCE_SECONDS
from tests.web.publishing import SERVE, Publishing, Reply

Publish = Callable[..., Publishing]
LARGE = 16 * 1024 * 1024


def age(reply: Reply) -> int:
    """The max-age of a reply that anybody may keep."""
    directives = dict.fromkeys(each.strip() for each in reply["Cache-Control"].split(","))
    assert "public" in directives
    (found,) = [each for each in directives if each.startswith("max-age=")]
    return int(found.removeprefix("max-age="))


def status_of(server: Publishing, request: bytes) -> int:
    """What is answered to bytes that no library would send."""
    with server.connect() as connection:
        connection.sendall(request)
        answer = b""
        while b"\r\n" not in answer and (more := connection.recv(4096)):
            answer += more
    return int(answer.split(b" ")[1]) if answer else 0


def test_a_crl_is_der_with_its_type_its_length_and_a_time_to_keep_it(standing: Publishing) -> None:
    home, server = standing.home, standing
    for name in ("root", "issuing-1"):
        reply = server.ask(f"/crl/{name}.crl")
        crl = x509.load_der_x509_crl(reply.body)
        assert (reply.status, reply["Content-Type"]) == (200, "application/pkix-crl")
        assert reply.body == home.crls.der(name)
        assert int(reply["Content-Length"]) == len(reply.body)
        assert 0 < age(reply) <= 300, "a revocation is to be known soon"
        assert parsedate_to_datetime(reply["Last-Modified"]) == crl.last_update_utc
        assert reply["ETag"].startswith('"')
        assert "Server" not in reply.headers


def test_a_ca_is_der_with_its_type_and_may_be_kept_long(standing: Publishing) -> None:
    home, server = standing.home, standing
    reply = server.ask("/ca/issuing-1.crt")
    assert (reply.status, reply["Content-Type"]) == (200, "application/pkix-cert")
    assert reply.body == write_der(home.hierarchy.issuing.certificate)
    assert age(reply) == 86_400
    assert server.ask("/ca/root.crt").body == write_der(home.hierarchy.root.certificate)


@pytest.mark.parametrize("path", ["/crl/issuing-1.crl", "/ca/issuing-1.crt"])
def test_what_is_known_already_is_not_sent_again(standing: Publishing, path: str) -> None:
    first = standing.ask(path)
    for known in (first["ETag"], f'"other", W/{first["ETag"]}', "*"):
        again = standing.ask(path, headers={"If-None-Match": known})
        assert (again.status, again.body) == (304, b"")
        assert (again["ETag"], again["Cache-Control"]) == (first["ETag"], first["Cache-Control"])
    assert standing.ask(path, headers={"If-None-Match": '"other"'}).status == 200


@pytest.mark.parametrize("path", ["/crl/issuing-1.crl", "/ca/issuing-1.crt"])
def test_head_tells_what_get_would(standing: Publishing, path: str) -> None:
    head, get = standing.ask(path, method="HEAD"), standing.ask(path)
    assert (head.status, head.body) == (200, b"")
    for name in ("Content-Type", "Content-Length", "ETag", "Cache-Control", "Last-Modified"):
        assert head[name] == get[name]


def test_a_revocation_elsewhere_is_on_the_crl_that_is_sent_next(home: Home, publish: Publish) -> None:
    server = publish()
    before = server.ask("/crl/issuing-1.crl")
    record = home.revocation.revoke(home.identities.load("woovi").thumbprint)
    after = server.ask("/crl/issuing-1.crl", headers={"If-None-Match": before["ETag"]})
    assert [each.serial_number for each in x509.load_der_x509_crl(after.body)] == [int(record.serial, 16)]
    assert after["ETag"] != before["ETag"]


def test_parts_are_sent_by_their_number(addressed: tuple[Home, int], publish: Publish) -> None:
    home, port = addressed
    with (home.path / "mutua.toml").open("a") as settings:
        settings.write("crl_shards = 3\n")
    server = publish(port=port)
    with Home.open(home.path) as cut:
        made = cut.authority.issue_client("woovi")
        cut.revocation.revoke(made.thumbprint)
        (point,) = made.certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        assert point.full_name is not None
        url: str = point.full_name[0].value
        reply = server.ask(url.removeprefix(server.url))
        assert [each.serial_number for each in x509.load_der_x509_crl(reply.body)] == [made.certificate.serial_number]
        assert [server.ask(f"/crl/issuing-1/{part}.crl").status for part in range(5)] == [200, 200, 200, 200, 404]
        assert server.ask("/crl/issuing-1.crl").status == 200, "others are still good that name no part"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/crl",
        "/crl/",
        "/crl/nobody.crl",
        "/crl/issuing-1",
        "/crl/issuing-1.pem",
        "/crl/all.pem",
        "/crl/.crl",
        "/crl/issuing-1/1.crl",
        "/crl/issuing-1/-1.crl",
        "/crl/issuing-1/00000000000000000000000000000000.1.crl",
        f"/crl/issuing-1/{10**40}.crl",
        "/crl/../passphrase",
        "/crl/../../store.db",
        "/crl/..%2f..%2fpassphrase.crl",
        "/crl/%2e%2e%2fissuing-1.crl",
        "/crl/%252e%252e%252fissuing-1.crl",
        "/crl//etc/passwd",
        "/crl/issuing-1%00.crl",
        "/crl/%ff%fe.crl",
        "/crl/" + "a" * 5000 + ".crl",
        "/ca/nobody.crt",
        "/ca/root.key",
        "/ca/..%2froot.crt",
        "/ca/root%00.crt",
        "/ca/%f0%9f%98%80.crt",
        "/passphrase",
        "/mutua.toml",
    ],
)
def test_nothing_else_is_there(standing: Publishing, path: str) -> None:
    assert standing.ask(path).status == 404
    assert standing.ask("/crl/root.crl").status == 200


def test_only_reading_is_allowed(standing: Publishing) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        for path in ("/crl/root.crl", "/ca/root.crt"):
            assert standing.ask(path, method=method, body=b"").status == 405
    for method in ("PUT", "DELETE", "GET"):
        assert standing.ask("/ocsp", method=method).status == 405


HARDLY_HTTP = {
    "HTTP/0.9": b"GET /crl/root.crl\r\n\r\n",
    "a whole URL": b"GET http://evil.example/crl/root.crl HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100 + b"\r\n\r\n",
    "a negative length": b"POST /ocsp HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    "two lengths": b"POST /ocsp HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a path that is no text": b"GET /ocsp/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("what", HARDLY_HTTP)
def test_what_is_hardly_http_does_no_harm(standing: Publishing, what: str) -> None:
    assert status_of(standing, HARDLY_HTTP[what]) < 500
    assert standing.ask("/crl/root.crl").status == 200
    assert "Traceback" not in "".join(standing.talk)


def test_whoever_sends_no_whole_request_is_dropped(publish: Publish) -> None:
    impatient = "import mutua.web.server as s; s.REQUEST_SECONDS = 0.3; from mutua.cli import run; run()"
    server = publish(command=[SERVE[0], "-c", impatient, "ca", "serve"])
    beginnings = [
        b"",
        b"GET /crl/root.crl HTTP/1.1\r\nHost: x\r\nX: ",
        b"POST /ocsp HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
        b"GET /crl/root.crl HTTP/1.1\r\nHost: x\r\n\r\nGET /crl/",
    ]
    connections = [server.connect() for _ in beginnings]
    for connection, beginning in zip(connections, beginnings, strict=True):
        connection.sendall(beginning)
    for connection in connections:
        with connection:
            while True:
                try:
                    if not connection.recv(65536):
                        break
                except ConnectionResetError:
                    break
    assert server.ask("/crl/root.crl").status == 200


def test_a_long_crl_is_sent_whole_and_many_slow_readers_cost_little(home: Home, publish: Publish) -> None:
    """With asyncio's own loop, which copies what a reader does not take yet; uvloop does not."""
    content = os.urandom(LARGE)
    with home.store.write() as connection:
        record = crls.find(connection, "issuing-1", crls.WHOLE)
        assert record is not None
        crls.put(connection, record, content)
    without_uvloop = "import sys; sys.modules['uvloop'] = None; from mutua.cli import run; run()"
    server = publish(command=[SERVE[0], "-c", without_uvloop, "ca", "serve"])
    assert server.ask("/crl/issuing-1.crl").body == content
    before = resident(server.process.pid)
    readers: list[socket.socket] = []
    for _ in range(20):
        reader = socket.socket()
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.settimeout(PATIENCE_SECONDS)
        reader.connect(("127.0.0.1", server.port))
        reader.sendall(b"GET /crl/issuing-1.crl HTTP/1.1\r\nHost: x\r\n\r\n")
        assert reader.recv(1) == b"H"
        readers.append(reader)
    assert resident(server.process.pid) - before < 4 * LARGE
    for reader in readers:
        reader.close()
    assert server.ask("/crl/issuing-1.crl").body == content


def test_a_store_that_is_lost_is_no_answer(home: Home, publish: Publish) -> None:
    server = publish()
    for path in home.path.glob("store.db*"):
        path.rename(home.path.parent / path.name)
    reply = server.ask("/crl/root.crl")
    assert (reply.status, reply["Retry-After"]) == (503, "5")
    assert "Cache-Control" not in reply.headers
    for path in home.path.parent.glob("store.db*"):
        path.rename(home.path / path.name)
    deadline = monotonic() + PATIENCE_SECONDS
    while server.ask("/crl/root.crl").status != 200:
        assert monotonic() < deadline
        sleep(0.05)


def test_nobody_keeps_a_crl_for_longer_than_it_holds(home: Home, publish: Publish) -> None:
    home.crls.publish(home.hierarchy.root, life=timedelta(minutes=11))
    reply = publish().ask("/crl/root.crl")
    crl = x509.load_der_x509_crl(reply.body)
    assert crl.next_update_utc is not None
    assert datetime.now(UTC) + timedelta(seconds=age(reply)) <= crl.next_update_utc + timedelta(seconds=1)


def resident(process: int) -> int:
    """Bytes of memory that a process holds."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")

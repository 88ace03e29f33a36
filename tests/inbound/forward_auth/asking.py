"""Requests of a client to a proxy, written byte for byte."""

import http.client
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass

from mutua import Home
from mutua.tls.files import load_cert_chain
from mutua.tls.identity import Identity
from tests.serving import PATIENCE_SECONDS

Lines = list[tuple[str, bytes | str]]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def connect(home: Home, port: int, identity: Identity | None) -> ssl.SSLSocket:
    """A connection that shows whatever identity there is, however bad."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    home.trust.load_into(context)
    if identity is not None:
        load_cert_chain(context, identity.key, identity.chain_pem())
    plain = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
    return context.wrap_socket(plain, server_hostname="localhost")


def ask(
    connection: socket.socket,
    target: str,
    *,
    method: str = "GET",
    lines: Iterable[tuple[str, bytes | str]] = (),
    body: bytes = b"",
) -> Answer:
    """One request with exactly these header lines; the connection may be used again."""
    head = [f"{method} {target} HTTP/1.1".encode(), b"Host: localhost"]
    head += [
        b"%b: %b" % (name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in lines
    ]
    if body:
        head.append(b"Content-Length: %d" % len(body))
    connection.sendall(b"\r\n".join(head) + b"\r\n\r\n" + body)
    response = http.client.HTTPResponse(connection, method=method)
    response.begin()
    told = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, told, response.read())

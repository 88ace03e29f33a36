"""A server that answers with the request that it got, and one that says what the test has written down."""

import json
import socket
import ssl
from collections.abc import Callable

from tests.outbound.servers import ANSWER

Handle = Callable[[socket.socket], None]


def echo(context: ssl.SSLContext, answer: Callable[[str], bytes | None] = lambda _: None) -> Handle:
    """Answers in JSON: the request's line, its header lines, its body. ``answer`` may know better, by the line."""

    def handle(plain: socket.socket) -> None:
        with context.wrap_socket(plain, server_side=True) as tls, tls.makefile("rb") as file:
            line = file.readline().decode().strip()
            if not line:
                return
            lines: list[str] = []
            while read := file.readline().decode("latin-1").strip("\r\n"):
                lines.append(read)
            length = next((int(each.split(":")[1]) for each in lines if each.lower().startswith("content-length:")), 0)
            tls.sendall(answer(line) or _told(line, lines, file.read(length)))

    return handle


def _told(line: str, lines: list[str], body: bytes) -> bytes:
    told = json.dumps({"line": line, "headers": lines, "body": body.decode("latin-1")}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(told), told)


def deaf(context: ssl.SSLContext, answer: bytes = ANSWER) -> Handle:
    """Answers without reading more than the first bytes, and closes."""

    def handle(plain: socket.socket) -> None:
        with context.wrap_socket(plain, server_side=True) as tls:
            tls.recv(16)
            tls.sendall(answer)
            tls.unwrap()

    return handle


def scripted(context: ssl.SSLContext, *said: bytes) -> Handle:
    """Says one thing after each that it hears, and then nothing until the client goes."""

    def handle(plain: socket.socket) -> None:
        with context.wrap_socket(plain, server_side=True) as tls:
            for each in said:
                if not tls.recv(65536):
                    return
                tls.sendall(each)
            while tls.recv(65536):
                continue

    return handle

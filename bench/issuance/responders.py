"""Who answers OCSP requests: cryptography alone, ``openssl ocsp``, and whatever else listens on a port."""

import re
import socket
import subprocess
import time
from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from bench.issuance.issuer import now, write_key
from bench.issuance.ocsp import ANSWER_LIFE, Delegation, Responder, State
from bench.issuance.rounds import pinned

IN_FLIGHT = 8
"""Connections that are written to before the first is read from: the server is never idle."""

PATIENCE_SECONDS = 30

_INDEX_TIME = "%y%m%d%H%M%SZ"


class BareAfresh(Responder):
    """Parse, look up, build, sign, DER; no socket."""

    name = "bare cryptography"
    way = "call"
    afresh = True

    def __init__(self, delegation: Delegation) -> None:
        self.inventory = delegation
        self._delegation = delegation
        self._states = {state.serial: state for state in delegation.states}

    def answer(self, requests: Sequence[bytes]) -> float:
        began = time.perf_counter()
        self.answers = [self._one(ocsp.load_der_ocsp_request(request)) for request in requests]
        return time.perf_counter() - began

    def _one(self, request: ocsp.OCSPRequest) -> bytes:
        builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
            request.issuer_name_hash,
            request.issuer_key_hash,
            request.serial_number,
            request.hash_algorithm,
            *_said(self._states[request.serial_number]),
        )
        responder = self._delegation.responder
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, responder).certificates([responder])
        for extension in request.extensions:
            builder = builder.add_extension(extension.value, critical=False)
        return builder.sign(self._delegation.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


class BareCached(BareAfresh):
    """Parse, and look the finished answer up; no socket."""

    afresh = False

    def __init__(self, delegation: Delegation) -> None:
        super().__init__(delegation)
        requests = map(ocsp.load_der_ocsp_request, delegation.requests(nonce=False))
        self._signed = {request.serial_number: super(BareCached, self)._one(request) for request in requests}

    def _one(self, request: ocsp.OCSPRequest) -> bytes:
        return self._signed[request.serial_number]


class Listening(Responder):
    """A server process on its own core, asked over loopback; who it is says the subclass.

    Args:
        folder: its own.
        core: where it runs; the client's is another one where there is another.
    """

    way = "HTTP, a connection each"
    path = "/"

    def __init__(self, folder: Path, core: int) -> None:
        self.folder = folder
        self._core = core
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @abstractmethod
    def prepare(self) -> None:
        """Write into the folder what the server reads, and know the ``inventory``."""

    @abstractmethod
    def command(self) -> list[str]:
        """Its arguments; port 0 where it can tell which one it got."""

    @abstractmethod
    def announced_port(self, output: str) -> int | None:
        """The port, once what it wrote to stdout or stderr says that it listens."""

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        self.prepare()
        output = self.folder / "output"
        with output.open("wb") as sink, pinned(self._core):
            self._process = subprocess.Popen(self.command(), stdout=sink, stderr=sink)
        try:
            self._port = self._wait(output)
        except BaseException:
            self.close()
            raise
        return self

    def _wait(self, output: Path) -> int:
        assert self._process is not None
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (port := self.announced_port(output.read_text())) is None:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not start: {output.read_text()[-500:]}")
            time.sleep(0.02)
        return port

    def answer(self, requests: Sequence[bytes]) -> float:
        messages = [_post(self.path, request) for request in requests]
        began = time.perf_counter()
        answers: list[bytes] = []
        for first in range(0, len(messages), IN_FLIGHT):
            answers += self._burst(messages[first : first + IN_FLIGHT])
        seconds = time.perf_counter() - began
        self.answers = [_body(answer) for answer in answers]
        return seconds

    def _burst(self, messages: Sequence[bytes]) -> list[bytes]:
        live = []
        try:
            for message in messages:
                live.append(socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE_SECONDS))
                live[-1].sendall(message)
            return [_until_closed(connection) for connection in live]
        finally:
            for connection in live:
                connection.close()

    def close(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class OpensslOcsp(Listening):
    """``openssl ocsp``, which reads its index once and signs each answer. It takes no address to listen on."""

    name = "openssl ocsp"
    afresh = True

    def __init__(self, delegation: Delegation, folder: Path, core: int) -> None:
        super().__init__(folder, core)
        self.inventory = delegation
        self._delegation = delegation

    def prepare(self) -> None:
        self._delegation.authority.write(self.folder)
        responder = self._delegation.responder.public_bytes(serialization.Encoding.PEM)
        (self.folder / "responder.pem").write_bytes(responder)
        write_key(self._delegation.key, self.folder / "responder.key")
        (self.folder / "index.txt").write_text("".join(map(_index_line, self._delegation.states)))

    def command(self) -> list[str]:
        files = {"-index": "index.txt", "-CA": "ca.pem", "-rsigner": "responder.pem", "-rkey": "responder.key"}
        arguments = [part for option, name in files.items() for part in (option, str(self.folder / name))]
        return ["openssl", "ocsp", "-port", "0", "-rmd", "sha256", "-ndays", str(ANSWER_LIFE.days), *arguments]

    def announced_port(self, output: str) -> int | None:
        found = re.search(r"ACCEPT \S+:(\d+)", output)
        return int(found.group(1)) if found else None


def _said(state: State) -> tuple[ocsp.OCSPCertStatus, datetime, datetime, datetime | None, None]:
    """Status, this and next update, time of revocation, and no reason, which openssl ocsp has not been given either."""
    status = ocsp.OCSPCertStatus.REVOKED if state.revoked_at else ocsp.OCSPCertStatus.GOOD
    return status, (moment := now()), moment + ANSWER_LIFE, state.revoked_at, None


def _index_line(state: State) -> str:
    """A line of OpenSSL's index: status, expiry, revocation, serial, file, subject."""
    expiry = (now() + ANSWER_LIFE * 90).strftime(_INDEX_TIME)
    status, revoked = ("R", state.revoked_at.strftime(_INDEX_TIME)) if state.revoked_at else ("V", "")
    return f"{status}\t{expiry}\t{revoked}\t{state.serial:032X}\tunknown\t/CN={state.serial:x}\n"


def _post(path: str, request: bytes) -> bytes:
    """HTTP/1.0: the server closes when it has answered, as openssl ocsp does in any case."""
    head = f"POST {path} HTTP/1.0\r\nContent-Type: application/ocsp-request\r\nContent-Length: {len(request)}\r\n\r\n"
    return head.encode() + request


def _until_closed(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(16384):
        parts.append(part)
    return b"".join(parts)


def _body(answer: bytes) -> bytes:
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise ConnectionError(f"not a 200: {head[:200]!r}")
    return body

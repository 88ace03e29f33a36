"""What an exception proves about a call. Libraries are known by the names of their classes, and never imported."""

import errno
import http.client
import re
import socket
import ssl
from dataclasses import dataclass
from typing import Any

from mutua.doctor.call import Stage
from mutua.tls.alerts import alert_in

MAX_TEXT = 200
"""Characters of somebody else's words that are passed on; a line of a log has more."""

WRONG_NAME = 62
"""X509_V_ERR_HOSTNAME_MISMATCH: for libraries that look at names by themselves."""

_UNREACHABLE = {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EADDRNOTAVAIL}
_BROKEN = {errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ENOTCONN, errno.ESHUTDOWN}

_ERRNO = re.compile(r"\[Errno (\d+)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one exception proves.

    Attributes:
        stage: where the call ended, or ``UNKNOWN``.
        alert: the alert the server sent.
        verify_code: OpenSSL's code if we refused the server's certificate.
        status: the HTTP status of the answer.
        closed: whether the connection ended without a word.
        body: of the answer, where the library has read it.
        error: the words of the exception, one line.
    """

    stage: Stage = Stage.UNKNOWN
    alert: str | None = None
    verify_code: int | None = None
    status: int | None = None
    closed: bool = False
    body: bytes = b""
    error: str = ""

    @property
    def weight(self) -> int:
        """How much it proves: 4 a verdict, 3 that no connection came about, 2 that it ended, 1 no answer, 0 nothing.

        A library that finds the connection closed may have been told why, and say that further down. Where a host has
        several addresses, a verdict at one of them says more than silence at another.
        """
        if (self.alert, self.verify_code, self.status) != (None, None, None):
            return 4
        if self.closed:
            return 2
        return {Stage.UNKNOWN: 0, Stage.RESPONSE: 1}.get(self.stage, 3)

    @property
    def is_conclusive(self) -> bool:
        """Whether a second look would not tell more."""
        return self.weight > 2


def of_standard_library(error: BaseException) -> Evidence | None:
    """Evidence in what ``ssl``, ``socket``, ``http.client``, ``urllib`` and ``asyncio`` raise."""
    if isinstance(error, ssl.SSLError):
        return _of_ssl(error)
    if isinstance(error, socket.gaierror | socket.herror):
        return Evidence(stage=Stage.RESOLVE)
    if isinstance(error, http.client.RemoteDisconnected | EOFError):
        return Evidence(stage=Stage.RESPONSE, closed=True)
    if isinstance(error, OSError):
        return _of_os(error)
    if isinstance(error, http.client.HTTPException):
        return Evidence(stage=Stage.RESPONSE)
    return None


def _of_ssl(error: ssl.SSLError) -> Evidence:
    if isinstance(error, ssl.SSLCertVerificationError):
        code = attribute(error, "verify_code")
        # aiohttp has a subclass without a code; the original, which has one, lies below it.
        return Evidence(stage=Stage.HANDSHAKE, verify_code=code if isinstance(code, int) else None)
    if alert := alert_in(error):
        return Evidence(stage=Stage.FIRST_READ, alert=alert)
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError):
        return Evidence(stage=Stage.RESPONSE, closed=True)
    return Evidence(stage=Stage.HANDSHAKE)


def _of_os(error: OSError) -> Evidence | None:
    if status := status_of(error):  # urllib.error.HTTPError is an OSError, and an answer
        return Evidence(stage=Stage.DONE, status=status)
    number = error.errno
    if number is None and (match := _ERRNO.search(text_of(error))):  # asyncio's "Multiple exceptions: [Errno 111] ..."
        number = int(match[1])
    if isinstance(error, ConnectionRefusedError) or number in _UNREACHABLE:
        return Evidence(stage=Stage.CONNECT)
    if isinstance(error, ConnectionError) or number in _BROKEN:
        return Evidence(stage=Stage.RESPONSE, closed=True)
    if isinstance(error, TimeoutError):
        return Evidence(stage=Stage.RESPONSE)
    return None


def status_of(answer: object) -> int | None:
    """The HTTP status of an answer, or of an exception that is one or holds one: from 400 on, else ``None``."""
    for name in ("status_code", "status", "code"):
        found = attribute(answer, name)
        if isinstance(found, int) and not isinstance(found, bool) and 400 <= found <= 599:
            return int(found)
    return None


def body_of(answer: object) -> bytes:
    """The body of an answer that has been read already; the public names would read it now, from the network."""
    for name in ("_content", "_body"):  # httpx, requests, niquests; urllib3, aiohttp
        if isinstance(found := attribute(answer, name), bytes):
            return found
    return b""


def attribute(thing: object, name: str) -> Any:
    """An attribute of a foreign object; ``None`` where there is none, or asking for it fails."""
    try:
        return getattr(thing, name, None)
    except Exception:  # noqa: BLE001 -- a property may raise anything: httpx's request does RuntimeError
        return None


def text_of(thing: object) -> str:
    """The words of a foreign object on one line, without anything that moves a cursor, at most 200 characters."""
    try:
        text = str(thing)[: MAX_TEXT * 4]
    except Exception:  # noqa: BLE001 -- as above
        text = ""
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return line if len(line) <= MAX_TEXT else line[: MAX_TEXT - 3] + "..."

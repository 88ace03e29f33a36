"""Connections as the tests of the door hold them: open for many requests, resumable, and patient."""

import http.client
import socket
import ssl
import time
from collections.abc import Callable
from typing import Self

from mutua import Home

TRIES = 500
PAUSE_SECONDS = 0.02


class LiveConnection:
    """A TLS connection that stays open for as many requests as one likes.

    Args:
        port: of the server on 127.0.0.1.
        context: a client's context.
        session: a TLS session to resume; it must come from a connection with the same context.
    """

    def __init__(self, port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.tls = context.wrap_socket(plain, server_hostname="127.0.0.1", session=session)
        self.address = "{}:{}".format(*self.tls.getsockname())
        self._http = http.client.HTTPConnection("127.0.0.1", port)
        self._http.sock = self.tls

    def get(self, path: str = "/status") -> int:
        """One request; its HTTP status."""
        assert self._http.sock is self.tls, "the server closed the connection"
        self._http.request("GET", path)
        response = self._http.getresponse()
        response.read()
        return response.status

    @property
    def is_over(self) -> bool:
        """Whether the server has said that it ends the connection."""
        return self._http.sock is None

    def close(self) -> None:
        self._http.close()
        self.tls.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def client_context(home: Home, identity: str = "woovi", version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """The context of one of the home's identities, for one TLS version if given."""
    context = home.identities.load(identity).client_context(home.trust)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


def until(condition: Callable[[], object]) -> None:
    """Look again and again until the condition holds; fail when it never does."""
    for _ in range(TRIES):
        if condition():
            return
        time.sleep(PAUSE_SECONDS)
    raise AssertionError("it never came to be")

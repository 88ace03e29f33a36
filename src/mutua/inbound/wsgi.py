"""The gate as WSGI middleware (PEP 3333), and the way for an application to learn who is calling."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from threading import Lock
from typing import Any

from mutua.gate.decision import Anyone, Refusal, Request
from mutua.home.home import Home
from mutua.inbound.access_log import access, count_admitted, log_request
from mutua.inbound.connection import ANYONE, HANG_UP, Connection, known_or_raise
from mutua.inbound.forwarding import Forwarding
from mutua.inbound.live_gate import LiveGate
from mutua.inbound.problems import problem
from mutua.inbound.wsgi_environ import (
    KNOWN_CLIENT,
    Environ,
    clean,
    connection_of,
    introduce,
    lines_of,
    names_in,
    request_of,
)
from mutua.registry.clients import KnownClient

StartResponse = Callable[..., Any]
Application = Callable[[Any, Any], Iterable[bytes]]


class KnownClients:
    """WSGI middleware: every request is decided by the gate, and only known clients reach ``app``.

    ``mutua serve --server gunicorn`` puts it in front of the application by itself. Put it in by hand, outermost,
    under a server of your own that demands client certificates. gunicorn and werkzeug hand over their sockets, and
    what those have proved is enough. Of any other server say that it verifies.

    Args:
        app: the application.
        home: the home, or its path; ``MUTUA_HOME`` or ``./.mutua`` when not given.
        gate: a running gate, instead of a home; whoever made it closes it.
        server_verifies: the server itself ends TLS, verifies clients with the home's ``ca.pem``, and says so in
            ``SSL_CLIENT_VERIFY`` and ``SSL_CLIENT_CERT``, as Apache's mod_wsgi does. Without this nobody's word is
            taken for it: whoever can reach a FastCGI, SCGI or uwsgi socket can say anything.
        forwarding: what a proxy in front may say; with a home its settings do. Nothing is read under servers other
            than gunicorn: they do not tell header lines as they came, and a proxy's requests are refused.
    """

    def __init__(
        self,
        app: Application,
        home: Home | str | os.PathLike[str] | None = None,
        *,
        gate: LiveGate | None = None,
        server_verifies: bool = False,
        forwarding: Forwarding | None = None,
    ) -> None:
        self.app = app
        self._home = home
        self._gate = gate
        self._starting = Lock()
        self._server_verifies = server_verifies
        self._forwarding = forwarding

    @property
    def gate(self) -> LiveGate:
        """The running gate; started by the first request, so that each worker process has its own."""
        with self._starting:
            if self._gate is None:
                if isinstance(self._home, Home):
                    self._start(self._home)
                else:
                    with Home.open(self._home) as home:
                        self._start(home)
            assert self._gate is not None
            return self._gate

    def _start(self, home: Home) -> None:
        if home.settings.forwarded is not None:
            self._forwarding = Forwarding(home.settings.forwarded)
        self._gate = LiveGate(home)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        started = time.perf_counter()
        gate = self._gate or self.gate
        own = connection_of(environ, gate.trust, server_verifies=self._server_verifies)
        hang_up = environ.get(HANG_UP)
        connection, refusal = self._forwarded(own, environ, start_response, gate)
        clean(environ, self._forwarding)
        request = request_of(environ)
        decision = refusal or connection.refusal or gate.decide(connection.peer, request)
        if isinstance(decision, Refusal):
            # A proxy's connection carries the requests of others too.
            if hang_up is not None and connection is own and decision.is_of_client:
                hang_up()
            return _refused(decision, connection, request, started, start_response)
        introduce(environ, connection, decision)
        if not access.isEnabledFor(logging.INFO):
            count_admitted()
            return self.app(environ, start_response)
        return _Answer(decision, connection, request, started).of(self.app, environ, start_response)

    def _forwarded(
        self, connection: Connection, environ: Environ, start_response: StartResponse, gate: LiveGate
    ) -> tuple[Connection, Refusal | None]:
        """The connection as it is for the client behind a proxy, and why nobody is taken for one."""
        if self._forwarding is None:
            return connection, None
        lines = lines_of(start_response)
        if lines is None:
            found = self._forwarding.read_unseen(connection, names_in(environ), gate)
        else:
            found = self._forwarding.read(connection, lines, gate)
        return (connection, found) if isinstance(found, Refusal) else (found, None)


def _refused(
    refusal: Refusal, connection: Connection, request: Request, started: float, start_response: StartResponse
) -> list[bytes]:
    status, headers, body = problem(refusal.reason)
    log_request(refusal, connection, method=request.method, path=request.path, status=status, started=started)
    start_response(
        f"{status} {HTTPStatus(status).phrase}",
        [(name.decode("latin-1").title(), value.decode("latin-1")) for name, value in headers],
    )
    return [] if request.method == "HEAD" else [body]


class _Answer:
    """The application's answer, whose line is written when the server has done with it."""

    def __init__(self, known: KnownClient | Anyone, connection: Connection, request: Request, started: float) -> None:
        self._known, self._connection, self._request, self._started = known, connection, request, started
        self._status = 500
        self._body: Iterable[bytes] = ()

    def of(self, app: Application, environ: Environ, start_response: StartResponse) -> "_Answer":
        def starting(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            writing = start_response(status, headers, *error)
            self._status = int(status[:3])
            return writing

        try:
            self._body = app(environ, starting)
        except BaseException:
            self._log()
            raise
        return self

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        """PEP 3333: called by the server at the end, however that comes."""
        try:
            if (close := getattr(self._body, "close", None)) is not None:
                close()
        finally:
            self._log()

    def _log(self) -> None:
        request = self._request
        log_request(
            self._known,
            self._connection,
            method=request.method,
            path=request.path,
            status=self._status,
            started=self._started,
        )


def known_client(environ: Any) -> KnownClient:
    """Who is calling.

    Args:
        environ: a WSGI environ, or a request that has one: Flask's, Django's, werkzeug's.

    Raises:
        UnknownClient: what was asked for is public, and no certificate was shown; or the request did not come
            through the gate, so nobody knows.
    """
    given = environ if isinstance(environ, Mapping) else getattr(environ, "environ", {})
    found = given if isinstance(given, Mapping) else {}
    return known_or_raise(found.get(KNOWN_CLIENT), found.get(ANYONE))

"""One request as an identity, watched closely enough to say afterwards why it failed."""

import http.client
import socket
import ssl
import time
from dataclasses import dataclass
from types import ModuleType

from mutua.doctor.call import CallObservation, Stage
from mutua.errors import Http2NotSpoken
from mutua.outbound import http1
from mutua.outbound.handshaking import (
    FIRST_READ_FLOOR,
    FIRST_READ_ROUND_TRIPS,
    TIMEOUT_SECONDS,
    Target,
    await_verdict,
    connect,
    observation,
    target_of,
)
from mutua.outbound.messages import Answer, Request
from mutua.outbound.tls_facts import HandshakeWatch, TlsFacts
from mutua.tls.identity import Identity
from mutua.tls.trust import Trust


@dataclass(frozen=True, slots=True)
class Timing:
    """How long each step took, in seconds; ``None`` for one that did not end.

    Attributes:
        resolve: from the name to addresses (DNS).
        connect: the TCP connection.
        tls: the handshake.
        verdict: the moment in which we listen for a refusal before we write; TLS 1.3 only.
        first_byte: from the request's first byte to the answer's.
        total: all of it.
    """

    resolve: float | None = None
    connect: float | None = None
    tls: float | None = None
    verdict: float | None = None
    first_byte: float | None = None
    total: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """What came of a call.

    Attributes:
        observation: how far it came; ``mutua.doctor.call.diagnose`` reads it.
        answer: what came back, or ``None``.
        tls: what the handshake was made of.
        timing: how long it took.
    """

    observation: CallObservation
    answer: Answer | None = None
    tls: TlsFacts
    timing: Timing

    @property
    def status(self) -> int | None:
        """The HTTP status, or ``None`` if there was no answer."""
        return self.answer.status if self.answer else None


def call(
    url: str,
    *,
    identity: Identity | None,
    trust: Trust,
    request: Request | None = None,
    http2: bool = False,
    timeout: float = TIMEOUT_SECONDS,
) -> CallResult:
    """Make one request and report what was seen, also when it fails. A redirect is an answer like any other.

    Args:
        url: ``https://host[:port]/path``.
        identity: who we are; without one, no certificate is presented.
        trust: what the server's certificate is verified with.
        request: what to ask; a GET otherwise.
        http2: speak HTTP/2, and nothing else.
        timeout: seconds for each step.

    Raises:
        InvalidAddress: the URL is not one for https.
        Http2NotSpoken: HTTP/2 was asked for, and the server does not speak it.
        MissingExtra: h2 is not installed.
    """
    return _Call(target_of(url), identity, trust, request or Request(), timeout, http2=http2).run()


def _http2() -> ModuleType:
    from mutua.outbound import http2  # noqa: PLC0415 -- an extra

    return http2


class _Call:
    """One call; ``stage`` always names the step that is under way."""

    def __init__(
        self, target: Target, identity: Identity | None, trust: Trust, request: Request, timeout: float, *, http2: bool
    ) -> None:
        self.target, self.identity, self.request, self.timeout = target, identity, request, timeout
        self.http = _http2() if http2 else http1
        self.context = identity.client_context(trust) if identity else trust.client_context()
        self.context.set_alpn_protocols([self.http.ALPN])
        self.watch = HandshakeWatch(self.context)
        self.tls = TlsFacts()
        self.stage = Stage.RESOLVE
        self.took: dict[str, float] = {}
        self.started = self.last = time.monotonic()

    def run(self) -> CallResult:
        try:
            answer = self._run()
        except (OSError, http.client.HTTPException) as error:
            return self._result(self._observation(error))
        self.stage = Stage.DONE
        return self._result(self._observation(None, answer), answer)

    def _run(self) -> Answer:
        def resolved() -> None:
            self._mark("resolve")
            self.stage = Stage.CONNECT

        with connect(self.target, self.timeout, on_resolved=resolved) as plain:
            self._mark("connect")
            self.stage = Stage.HANDSHAKE
            with self._secured(plain) as secured:
                self._mark("tls")
                return self._ask(secured)

    def _secured(self, plain: socket.socket) -> ssl.SSLSocket:
        made: ssl.SSLSocket | None = None
        try:
            made = self.context.wrap_socket(plain, server_hostname=self.target.host)
        finally:
            self.tls = self.watch.facts(made)
        return made

    def _ask(self, secured: ssl.SSLSocket) -> Answer:
        self.stage = Stage.FIRST_READ
        speaks_first = self.http is not http1 and self.tls.alpn == self.http.ALPN
        grace = FIRST_READ_FLOOR + FIRST_READ_ROUND_TRIPS * self.took["connect"]
        said = await_verdict(secured, grace, may_speak=speaks_first)
        self._mark("verdict")
        if self.http is not http1 and not speaks_first:
            raise self._no_http2()
        secured.settimeout(self.timeout)
        self.stage = Stage.RESPONSE
        more = {"said": said} if speaks_first else {}
        answer: Answer = self.http.exchange(
            secured, self.target.authority, self.target.path, self.request, self._first_byte, **more
        )
        return answer

    def _first_byte(self) -> None:
        self._mark("first_byte")

    def _mark(self, step: str) -> None:
        now = time.monotonic()
        self.took[step], self.last = now - self.last, now

    def _result(self, seen: CallObservation, answer: Answer | None = None) -> CallResult:
        timing = Timing(**self.took, total=time.monotonic() - self.started)
        return CallResult(observation=seen, answer=answer, tls=self.tls, timing=timing)

    def _observation(self, error: Exception | None, answer: Answer | None = None) -> CallObservation:
        status, body = (answer.status, answer.body) if answer else (None, b"")
        seen = observation(self.target, self.stage, error, identity=self.identity, status=status, body=body)
        if self.http is not http1 and seen.alert == "no_application_protocol":  # RFC 7301 section 3.2
            raise self._no_http2()
        return seen

    def _no_http2(self) -> Http2NotSpoken:
        return Http2NotSpoken(f"{self.target.name} does not speak HTTP/2", hint="leave out --http2")

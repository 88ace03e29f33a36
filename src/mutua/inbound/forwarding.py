"""Behind a proxy: who may say who the client is, and what becomes of everybody else who does.

The forwarder is known by its own connection alone: the peer that a door has asked its socket for, or the certificate
that this connection's handshake has proved. What ``scope["client"]`` or ``X-Forwarded-For`` say changes nothing.
"""

import hashlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from mutua.errors import InvalidSettings, MalformedForward
from mutua.gate.decision import Refusal
from mutua.home.forwarded import ForwardedSettings
from mutua.inbound.connection import Connection
from mutua.inbound.forwarded.alb import Mode
from mutua.inbound.forwarded.certificate import ForwardedCertificate
from mutua.inbound.forwarded.dialects import DIALECTS, Dialect
from mutua.pki.certificates import write_der
from mutua.pki.thumbprints import x5t_s256
from mutua.reasons import Reason
from mutua.tls.client_paths import ClientPaths, Distrust
from mutua.tls.peer import REMEMBERED, PeerCertificate
from mutua.tls.trust import Trust

if TYPE_CHECKING:
    from mutua.inbound.live_gate import LiveGate

Headers = Iterable[tuple[bytes, bytes]]

DISTRUST_LASTS = timedelta(seconds=10)
"""For how long a certificate that leads nowhere is not looked at again: a search can take half a second."""

log = logging.getLogger("mutua.serve")


def _plain(name: str) -> str:
    """A header's name as CGI, and so WSGI, tells names apart: an underscore is a hyphen (RFC 3875 section 4.1.18)."""
    return name.lower().replace("_", "-")


CERTIFICATE_HEADERS = frozenset(_plain(name) for maker in DIALECTS.values() for name in maker().headers)
"""What any dialect calls its headers."""


class Forwarding:
    """What a proxy forwards, read, and its path verified anew.

    Args:
        settings: who may forward, and in which dialect.

    Raises:
        InvalidSettings: an option of the dialect makes no sense.
    """

    def __init__(self, settings: ForwardedSettings) -> None:
        self.settings = settings
        self.dialect = _dialect(settings)
        own = {_plain(name): name for name in self.dialect.headers}
        self._own: Mapping[str, str] = own
        self._watched = CERTIFICATE_HEADERS | own.keys()
        self._judgements: _Judgements | None = None
        if any(network.is_loopback for network in settings.addresses):
            log.warning(
                'whatever runs on this machine may forward client certificates: addresses = ["127.0.0.1"] '
                "knows no user from another; use a Unix socket"
            )

    def read(self, connection: Connection, headers: Headers, gate: "LiveGate") -> Connection | Refusal:
        """The connection as it is for the client behind the proxy; or why nobody is taken for one.

        Args:
            connection: of the socket's own peer.
            headers: every line of the request's, as it came.
            gate: knows the proxy, and what is trusted.
        """
        lines = [(_plain(name := raw.decode("latin-1")), name.lower(), value) for raw, value in headers]
        found = [each for each in lines if each[0] in self._watched]
        told = self.may_forward(connection, gate)
        if isinstance(told, Refusal):
            return told
        if told:
            return self._read(connection, found, gate.trust)
        if found:
            shown = connection.peer.thumbprint if connection.peer else None
            detail = f"{found[0][1]} from a peer that may not forward: {connection.address or 'nobody knows who'}"
            return Refusal(Reason.UNTRUSTED_FORWARDER, detail, thumbprint=shown)
        return connection

    def read_unseen(self, connection: Connection, names: Iterable[str], gate: "LiveGate") -> Connection | Refusal:
        """What ``read`` says where a server keeps to itself in which lines a header came: nobody may forward there.

        Args:
            connection: of the socket's own peer, as far as that is known.
            names: what the server calls the headers of the request.
            gate: knows the proxy.
        """
        told = self.may_forward(connection, gate)
        if isinstance(told, Refusal):
            return told
        if told or any(map(self.watches, names)):
            detail = "this server joins header lines, so that nobody may forward through it"
            shown = connection.peer.thumbprint if connection.peer else None
            return Refusal(Reason.UNTRUSTED_FORWARDER, detail, thumbprint=shown)
        return connection

    def strip(self, headers: Headers) -> list[tuple[bytes, bytes]]:
        """The headers without any that could pass for a certificate."""
        return [each for each in headers if not self.watches(each[0].decode("latin-1"))]

    def watches(self, name: str) -> bool:
        """Whether a header of this name could pass for a certificate, in any spelling."""
        return _plain(name) in self._watched

    def may_forward(self, connection: Connection, gate: "LiveGate") -> bool | Refusal:
        """Whether the peer of this very connection is the proxy; a refusal where the registry cannot be asked."""
        settings, socket = self.settings, connection.socket
        if settings.certificate is not None:
            return connection.peer is not None and _is_client(settings.certificate, connection.peer, gate)
        if socket is None:
            return False
        if settings.unix_socket:
            return socket.ip is None
        return socket.ip is not None and any(socket.ip in network for network in settings.addresses)

    def _read(self, connection: Connection, found: list[tuple[str, str, bytes]], trust: Trust) -> Connection | Refusal:
        values: dict[str, list[bytes]] = {}
        for plain, name, value in found:
            own = self._own.get(plain)
            if own is None:
                continue  # another proxy's words, which are taken away and never read
            if name != own:
                return Refusal(Reason.MALFORMED, f"the header {own} is there in another spelling")
            values.setdefault(own, []).append(value)
        judgements = self._judgements
        if judgements is None or judgements.trust is not trust:
            judgements = self._judgements = _Judgements(trust)
        now, key = datetime.now(UTC), _key(values)
        judged = judgements.known(key, now)
        if judged is None:
            try:
                certificate = self.dialect.read(values)
            except MalformedForward as error:
                return Refusal(Reason.MALFORMED, error.message)
            if certificate is None:
                return replace(connection, peer=None, refusal=None)
            judged = judgements.of(key, certificate, now)
        if isinstance(judged, Refusal):
            return judged
        return replace(connection, peer=judged, refusal=None)


class _Judgements:
    """Certificates at the end of a verified path, remembered as long as the trust stays and time leaves them so."""

    def __init__(self, trust: Trust) -> None:
        self.trust = trust
        self._paths = ClientPaths(trust)
        self._known: dict[bytes, tuple[datetime, PeerCertificate | Refusal]] = {}

    def known(self, key: bytes, now: datetime) -> PeerCertificate | Refusal | None:
        """What was found out before about these very lines."""
        until, judged = self._known.get(key, (now, None))
        return judged if now < until else None

    def of(self, key: bytes, certificate: ForwardedCertificate, now: datetime) -> PeerCertificate | Refusal:
        judged: PeerCertificate | Refusal
        path = self._paths.find(certificate.leaf, certificate.chain, now=now)
        if isinstance(path, Distrust):
            judged = Refusal(path.reason, path.detail, thumbprint=x5t_s256(certificate.leaf))
            until = now + DISTRUST_LASTS
        else:
            judged = PeerCertificate.read(tuple(map(write_der, path.certificates)))
            until = path.ends_at or datetime.max.replace(tzinfo=UTC)
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[key] = until, judged
        return judged


def _key(values: Mapping[str, list[bytes]]) -> bytes:
    """A digest of header lines, no two of which have the same."""
    digest = hashlib.sha256()
    for name, lines in values.items():
        for line in lines:
            digest.update(b"%b:%d:%b" % (name.encode("latin-1"), len(line), line))
    return digest.digest()


def _is_client(name: str, peer: PeerCertificate, gate: "LiveGate") -> bool | Refusal:
    """Whether the certificate is this client's, whatever it may call itself."""
    who = gate.identify(peer)
    if isinstance(who, Refusal):
        return who if who.reason is Reason.STALE_REGISTRY else False
    return who.known.name == name


def _dialect(settings: ForwardedSettings) -> Dialect:
    options: dict[str, object] = dict(settings.options)
    if "mode" in options:
        try:
            options["mode"] = Mode(str(options["mode"]))
        except ValueError:
            raise InvalidSettings(
                f"the mode {str(options['mode'])[:40]!r} is none of an ALB", hint=f"one of {', '.join(Mode)}"
            ) from None
    return DIALECTS[settings.dialect](**options)  # type: ignore[arg-type, call-arg, no-any-return, unused-ignore]

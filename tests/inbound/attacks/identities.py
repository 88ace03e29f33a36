"""Attacks with certificates: shown in a handshake, handed over by a proxy, and in sessions of other servers."""

import ssl
from collections.abc import Callable, Iterator

from mutua.tls.files import load_cert_chain
from tests.inbound.attacks.attack import Attack, attack
from tests.inbound.attacks.cast import FORGERIES
from tests.inbound.attacks.targets import SECRET, Attacked, head

SHOWN_TO = ("uvicorn", "xfcc hypercorn")
HANDED_TO = ("rfc9440 uvicorn", "nginx gthread")
"""The second dialect carries no chain: what the gate knows has to do."""


def forged() -> Iterator[Attack]:
    for tries, forgery in FORGERIES.items():
        for name in SHOWN_TO:
            yield attack(f"a handshake with {tries}", name, _showing(tries), forgery.shown)
        for name in HANDED_TO:
            yield attack(f"a proxy with {tries}", name, _handing(tries), forgery.handed)


def _showing(tries: str) -> Callable[[Attacked], int]:
    return lambda server: server.say(head(SECRET), server.strange[tries])


def _handing(tries: str) -> Callable[[Attacked], int]:
    return lambda server: server.say(head(SECRET, server.lines_of(server.strange[tries])))


def resumed() -> Iterator[Attack]:
    for name in SHOWN_TO:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            yield attack(f"woovi's session of another server, {version.name}", name, _resuming(version), "not_granted")


def _resuming(version: ssl.TLSVersion) -> Callable[[Attacked], int]:
    def act(server: Attacked) -> int:
        context = server.context("woovi")
        context.minimum_version = context.maximum_version = version
        session = _session_of(server.beside(), context)
        narrow = server.home.identities.load("narrow")
        load_cert_chain(context, narrow.key, narrow.chain_pem())
        plain = server.server.connect()
        with plain, context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as tls:
            assert not tls.session_reused
            tls.sendall(head(SECRET))
            return int(tls.recv(12).split()[1])

    return act


def _session_of(server: Attacked, context: ssl.SSLContext) -> ssl.SSLSession | None:
    """woovi's session with another server, of the same home and with the same certificate."""
    with server.connect("woovi", context) as tls:
        assert isinstance(tls, ssl.SSLSocket)
        tls.sendall(head("/elsewhere", method="DELETE"))
        while tls.recv(65_536):
            continue
        session = tls.session
    server.control()
    return session

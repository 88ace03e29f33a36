"""Attacks with headers: what a client can do to the words of its proxy, and what others make of them.

Behind the proxy the attacker is ``narrow``, whose certificate the proxy hands over as it should, and who adds
``woovi``'s: both are public.
"""

from collections.abc import Callable, Iterator

from tests.inbound.attacks.attack import NOT_ASKED, Attack, attack
from tests.inbound.attacks.targets import TARGETS, Attacked, Line, Target, head
from tests.inbound.forwarded.writing import CASES

PROXY_V1 = b"PROXY TCP4 127.0.0.2 127.0.0.1 4711 443\r\n"
PROXY_V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x02\x7f\0\0\x01\x12\x67\x01\xbb"
"""A load balancer's statement of who is calling, in both versions of haproxy's PROXY protocol."""

LIES: dict[str, tuple[bytes, ...]] = {
    "X-Forwarded-For": (b"X-Forwarded-For: 127.0.0.2",),
    "Forwarded": (b"Forwarded: for=127.0.0.2;by=127.0.0.1;proto=https",),
    "X-Real-IP": (b"X-Real-IP: 127.0.0.2", b"X-Client-IP: 127.0.0.2", b"True-Client-IP: 127.0.0.2"),
    "Remote-Addr": (b"Remote-Addr: 127.0.0.2", b"Remote_Addr: 127.0.0.2"),
    "a forwarded Unix socket": (b"X-Forwarded-For: unix", b"Forwarded: for=unix"),
}


def through_the_proxy() -> Iterator[Attack]:
    """What a client adds to what the proxy forwards."""
    for name, target in TARGETS.items():
        if target.dialect is None:
            continue
        for tries, (change, reasons) in _changes(target).items():
            yield attack(tries, name, _changed(change), *reasons)


Change = Callable[[Attacked, list[Line], Line], list[Line]]


def _changed(change: Change) -> Callable[[Attacked], int]:
    def act(server: Attacked) -> int:
        return server.say(head(lines=change(server, server.lines_of("narrow"), server.main_of("woovi"))))

    return act


def _changes(target: Target) -> dict[str, tuple[Change, tuple[str | None, ...]]]:
    """By what it tries: from the proxy's own lines and a forged one the lines that arrive; and the reasons."""
    malformed, garbled = ("malformed",), ("malformed", NOT_ASKED)
    beside, alone = malformed, malformed
    if target.drops_underscores:  # nobody has seen it
        beside, alone = ("not_granted",), ("no_certificate",)
    return {
        "a forged line before the proxy's": (lambda _, own, forged: [forged, *own], malformed),
        "a forged line behind the proxy's": (lambda _, own, forged: [*own, forged], malformed),
        "a forged line in capitals": (lambda _, own, forged: [*own, (forged[0].upper(), forged[1])], malformed),
        "an empty line of that name": (lambda _, own, forged: [*own, (forged[0], b"")], malformed),
        "a forged line with underscores": (lambda _, own, forged: [*own, (_underscored(forged), forged[1])], beside),
        "one with underscores in capitals": (
            lambda _, own, forged: [(_underscored(forged).upper(), forged[1]), *own],
            beside,
        ),
        "one with underscores and no other": (lambda _, __, forged: [(_underscored(forged), forged[1])], alone),
        "two certificates joined with a comma": (
            lambda _, own, forged: _with(own, forged[0], lambda value: value + b", " + forged[1]),
            # Its list is the client's chain, the leaf first.
            ("not_granted", "malformed") if target.dialect == "traefik" else malformed,
        ),
        "a folded line": (lambda _, __, forged: [(forged[0], _cut(forged[1], b"\r\n "))], garbled),
        "a line folded after its name": (lambda _, __, forged: [(forged[0], b"\r\n\t" + forged[1])], garbled),
        "a bare line feed in it": (lambda _, __, forged: [(forged[0], _cut(forged[1], b"\n"))], garbled),
        "a bare carriage return in it": (lambda _, __, forged: [(forged[0], _cut(forged[1], b"\r"))], garbled),
        "a NUL in it": (lambda _, __, forged: [(forged[0], _cut(forged[1], b"\0"))], garbled),
        "bytes beyond ASCII in it": (lambda _, __, forged: [(forged[0], _cut(forged[1], b"\xc0\xaf"))], garbled),
        "percent-encoding where there is none": (lambda _, __, forged: [(forged[0], b"%4D" + forged[1])], malformed),
        "percent-encoding twice": (
            lambda _, __, forged: [(forged[0], b"%25" + forged[1].replace(b"%", b"%25"))],
            malformed,
        ),
        "half of it": (lambda _, __, forged: [(forged[0], forged[1][: len(forged[1]) // 2])], malformed),
        "too much of it": (lambda _, __, forged: [(forged[0], b"A" * 200_000)], garbled),
        "a hundred lines of it": (lambda _, __, forged: [forged] * 100, garbled),
        "white space before the colon": (lambda _, own, forged: [*own, (forged[0] + " ", forged[1])], (NOT_ASKED,)),
        "the words of other proxies": (
            lambda server, _, __: _others(server),
            ("no_certificate",),
        ),
        "the words of other proxies beside its own": (
            lambda server, own, _: [*_others(server), *own],
            ("not_granted",),
        ),
        "names without any certificate": (
            lambda *_: [("X-Client", b"woovi"), ("SSL-Client-S-DN", b"CN=woovi"), ("X-SSL-Client-Verify", b"SUCCESS")],
            ("no_certificate",),
        ),
    }


def _others(server: Attacked) -> list[Line]:
    """In every dialect but those that share a name with the server's own."""
    assert server.target.dialect is not None
    own = set(CASES[server.target.dialect].dialect.headers)
    written = [server.lines_of("woovi", case) for case in CASES]
    return [line for lines in written if not own & {name for name, _ in lines} for line in lines]


def _underscored(line: Line) -> str:
    return line[0].replace("-", "_")


def _with(lines: list[Line], name: str, change: Callable[[bytes], bytes]) -> list[Line]:
    return [(each, change(value) if each == name else value) for each, value in lines]


def _cut(value: bytes, between: bytes) -> bytes:
    return value[:40] + between + value[40:]


def from_others() -> Iterator[Attack]:
    """Everybody else who hands over a certificate: from an address not stated, with TLS and not the proxy's."""
    for case in CASES:
        for target in ("haproxy asgi", "xfcc hypercorn", "traefik gunicorn-uvicorn"):
            yield attack(f"{case} from somebody else", target, _as_somebody_else(case), "untrusted_forwarder")
        yield attack(f"{case} where no proxy is", "uvicorn", _as_somebody_else(case), "not_granted")
    for lie, lines in LIES.items():
        yield attack(f"{lie} of the proxy", "haproxy asgi", _lying(*lines), "untrusted_forwarder")
        yield attack(f"{lie} of the proxy", "xfcc hypercorn", _lying(*lines), "untrusted_forwarder")
    for name, preface in (("1", PROXY_V1), ("2", PROXY_V2)):
        for target in ("haproxy asgi", "rfc9440 uvicorn", "nginx gthread", "apache sync", "alb hypercorn"):
            yield attack(f"PROXY protocol version {name}", target, _prefaced(preface), NOT_ASKED)
    for name, way in ((name, target.way) for name, target in TARGETS.items()):
        if way == "tls":
            yield attack("no certificate of one's own", name, _anonymous, "no_certificate")
        if name != "uvicorn":
            yield attack("the proxy itself, for nobody", name, lambda server: server.say(head()), "no_certificate")
            yield attack("the proxy's own certificate", name, _of_the_proxy, "not_granted")
    yield attack(
        "nothing at all from somebody else",
        "haproxy asgi",
        lambda server: server.say(head(), "nobody"),
        "no_certificate",
    )


def _as_somebody_else(case: str) -> Callable[[Attacked], int]:
    return lambda server: server.say(head(lines=server.lines_of("woovi", case)), "narrow")


def _lying(*lines: bytes) -> Callable[[Attacked], int]:
    return lambda server: server.say(head("/secret", server.lines_of("woovi"), *lines), "narrow")


def _prefaced(preface: bytes) -> Callable[[Attacked], int]:
    who = "narrow"
    return lambda server: server.say(preface + head(lines=server.lines_of("woovi")), who)


def _anonymous(server: Attacked) -> int:
    return server.say(head(lines=server.lines_of("woovi", server.target.dialect or "rfc9440")), "nobody")


def _of_the_proxy(server: Attacked) -> int:
    return server.say(head(lines=server.lines_of("edge")))

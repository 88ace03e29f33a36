"""The settings ``[forwarded]``: which proxy may say who the client is, and in which words."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from types import MappingProxyType

from mutua.errors import InvalidClientName
from mutua.registry.clients import accepted_client_name

Network = IPv4Network | IPv6Network

LEAST_PREFIX = {4: 8, 6: 32}
"""The largest network that is somebody's own: 10.0.0.0/8 (RFC 1918), and what an IPv6 registry hands out."""

MAX_ADDRESSES = 64
"""Proxies in front of one application; more of them share a network."""

_STATEMENTS = ("unix_socket", "certificate", "addresses")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardedSettings:
    """Who may forward client certificates, and how. Exactly one of the last three is given.

    Attributes:
        dialect: how the proxy writes them: ``rfc9440``, ``nginx``, ...
        options: what the dialect may be told besides.
        unix_socket: whoever can open the door's Unix socket.
        certificate: the name of the client in the registry that the proxy is.
        addresses: whoever connects from one of these.
    """

    dialect: str
    options: Mapping[str, str | int | bool] = field(default_factory=lambda: MappingProxyType({}))
    unix_socket: bool = False
    certificate: str | None = None
    addresses: tuple[Network, ...] = ()


def read_forwarded(key: str, value: object) -> ForwardedSettings:
    """Read the table.

    Raises:
        ValueError: something in it makes no sense; the message names every mistake.
    """
    if not isinstance(value, dict):
        raise ValueError(f"'[{key}]' must be a table")  # noqa: TRY004 -- a value in a file
    table = dict(value)
    mistakes: list[str] = []
    dialect = table.pop("dialect", None)
    if not isinstance(dialect, str) or dialect not in OPTIONS:
        mistakes.append(f"'{key}.dialect' must be one of {', '.join(OPTIONS)}")
        dialect = None
    options = _options(f"{key}.options", table.pop("options", {}), dialect, mistakes)
    given = {name: table.pop(name) for name in _STATEMENTS if name in table}
    mistakes += (f"unknown setting {f'{key}.{name}'[:60]!r}" for name in sorted(table))
    if len(given) != 1:
        mistakes.append(f"'[{key}]' must say who may forward by exactly one of {', '.join(_STATEMENTS)}")
    read = {}
    for name, each in given.items():
        try:
            read[name] = _READERS[name](f"{key}.{name}", each)
        except ValueError as error:
            mistakes.append(str(error))
    if mistakes or dialect is None:
        raise ValueError("; ".join(mistakes))
    return ForwardedSettings(dialect=dialect, options=MappingProxyType(options), **read)  # type: ignore[arg-type]


def _options(key: str, value: object, dialect: str | None, mistakes: list[str]) -> dict[str, str | int | bool]:
    if not isinstance(value, dict):
        mistakes.append(f"'[{key}]' must be a table")
        return {}
    if dialect is None:
        return {}
    kinds = OPTIONS[dialect]
    read: dict[str, str | int | bool] = {}
    for name, each in value.items():
        if name not in kinds:
            mistakes.append(f"'[{key}]': {dialect} has no option {name[:40]!r}")
        elif type(each) is not kinds[name]:  # true is an int as well
            mistakes.append(f"'{key}.{name}' must be {_WORDS[kinds[name]]}")
        else:
            read[name] = each  # type: ignore[assignment]
    return read


def _unix_socket(key: str, value: object) -> bool:
    if value is not True:
        raise ValueError(f"'{key}' must be true, or not there")
    return True


def _certificate(key: str, value: object) -> str:
    try:
        return accepted_client_name(value if isinstance(value, str) else "")
    except InvalidClientName:
        raise ValueError(f"'{key}' must be the name of a client in the registry") from None


def _addresses(key: str, value: object) -> tuple[Network, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_ADDRESSES:
        raise ValueError(f"'{key}' must be a list of 1 to {MAX_ADDRESSES} IP addresses")
    return tuple(_network(key, each) for each in value)


def _network(key: str, value: object) -> Network:
    network: Network | None = None
    with suppress(ValueError):
        network = ip_network(value if isinstance(value, str) else "")
    if network is None or network.prefixlen < LEAST_PREFIX[network.version]:
        raise ValueError(f"'{key}' must have IP addresses such as 10.0.0.5, or a network of your own: 10.0.0.0/24")
    return network


OPTIONS: Mapping[str, Mapping[str, type]] = MappingProxyType(
    {
        "rfc9440": {},
        "xfcc": {"append": bool},
        "nginx": {"certificate": str, "verify": str},
        "alb": {"mode": str, "leaf": str, "chain": str},
        "traefik": {},
        "haproxy": {"certificate": str, "chain": str},
        "apache": {"certificate": str, "chain": str, "depth": int},
    }
)
"""The dialects and what each may be told; ``mutua.inbound.forwarded`` speaks them."""

_WORDS = {bool: "true or false", str: "a text", int: "a whole number"}

_READERS: dict[str, Callable[[str, object], object]] = {
    "unix_socket": _unix_socket,
    "certificate": _certificate,
    "addresses": _addresses,
}

"""Which addresses may be called when somebody else chose the name: none within one's own networks."""

import ipaddress
import queue
import socket
import threading
from collections.abc import Callable, Sequence

from mutua.errors import NetworkError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]

MAX_ADDRESSES = 16
"""Of one name; whoever answers with more means no good."""

SETTING_HINT = "if that is meant: allow_private = true under [foreign_crls] in mutua.toml"
"""How a private address is allowed for what the servers of a home fetch."""

_INSIDE = tuple(
    map(
        ipaddress.ip_network,
        (
            "192.0.0.0/24",  # RFC 6890 section 2.1; there is metadata of machines at some clouds
            "192.88.99.0/24",  # RFC 7526 section 4: relays of 6to4, of which none are left
            "3fff::/20",  # RFC 9637 section 3: documentation
            "5f00::/16",  # RFC 9602 section 5: segment routing within one network
            "64:ff9b:1::/48",  # RFC 8215 section 3: NAT64 within one network
            "fec0::/10",  # RFC 3879 section 4: what private networks had before fc00::/7
        ),
    )
)
"""What nobody's servers for everybody are at, whatever this release of Python says of it."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052 section 2.1


def addresses_of(host: str, port: int) -> list[str]:
    """Ask the system's resolver. Raises OSError: it does not know the name."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def callable_addresses(
    host: str,
    port: int,
    *,
    seconds: float,
    allow_private: bool,
    resolve: Resolve = addresses_of,
    private_hint: str = SETTING_HINT,
) -> list[str]:
    """Resolve a name once, and refuse it where any of its addresses may not be called.

    Args:
        host: a name, or an address itself.
        port: in whose behalf.
        seconds: how long the resolver may take.
        allow_private: whether addresses within one's own networks may be called, this machine's among them.
        resolve: the resolver.
        private_hint: how a private address is allowed, for whoever meets one.

    Raises:
        NetworkError: it has no address, or one that may not be called, or the resolver does not answer.
    """
    found = _resolved(host, port, seconds, resolve)
    if not found:
        raise NetworkError(f"{host[:80]!r} has no address")
    if len(found) > MAX_ADDRESSES:
        raise NetworkError(f"{host[:80]!r} has {len(found)} addresses, more than {MAX_ADDRESSES}")
    for text in found:
        if why := _refusal(text, allow_private=allow_private):
            raise NetworkError(f"{host[:80]!r} is at {text}, which is {why}", hint=private_hint)
    return found


def _refusal(text: str, *, allow_private: bool) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "no address"
    for each in _meant(address):
        if each.is_multicast or each.is_unspecified:
            return "nobody's own address"
        # is_global alone has called some of these global, in one release of Python or another.
        private = each.is_private or each.is_loopback or each.is_link_local or each.is_reserved or not each.is_global
        if not allow_private and (private or any(each in network for network in _INSIDE)):
            return "within a private network"
    return ""


def _meant(address: Address) -> list[Address]:
    """The address, and the IPv4 addresses that it leads to."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address in _NAT64:
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    inside = (address.sixtofour, *(address.teredo or ()))
    return [address, *(each for each in inside if each is not None)]


def _resolved(host: str, port: int, seconds: float, resolve: Resolve) -> list[str]:
    """On a thread of its own: the system's resolver takes as long as it likes, and cannot be stopped."""
    answers: queue.SimpleQueue[Sequence[str] | OSError | ValueError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(resolve(host, port))
        except (OSError, ValueError) as error:
            answers.put(error)

    threading.Thread(target=ask, name="mutua-resolver", daemon=True).start()
    try:
        found = answers.get(timeout=max(seconds, 0.001))
    except queue.Empty:
        raise NetworkError(f"{host[:80]!r} was not resolved in time") from None
    if isinstance(found, Exception):
        raise NetworkError(f"{host[:80]!r} cannot be resolved: {str(found)[:120]}")
    return list(found)

"""mutua: mutual TLS for Python. Only known clients get in.

The names below are the library. Each is imported when it is first used, so that
``import mutua`` costs nothing and pulls in no database, web or command-line package.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mutua.errors import MutuaError
    from mutua.home.authority import Authority
    from mutua.home.home import Home
    from mutua.inbound.serving import serve
    from mutua.outbound.explaining.explain import explain, explain_async, explain_response
    from mutua.outbound.following import FollowedIdentity
    from mutua.pki.keys import KeyType
    from mutua.reasons import Reason
    from mutua.registry.clients import KnownClient
    from mutua.tls.identity import Identity
    from mutua.tls.trust import Trust

__version__ = "0.1.0"

_EXPORTS = {
    "Authority": "mutua.home.authority",
    "FollowedIdentity": "mutua.outbound.following",
    "Home": "mutua.home.home",
    "Identity": "mutua.tls.identity",
    "KeyType": "mutua.pki.keys",
    "KnownClient": "mutua.registry.clients",
    "MutuaError": "mutua.errors",
    "Reason": "mutua.reasons",
    "Trust": "mutua.tls.trust",
    "explain": "mutua.outbound.explaining.explain",
    "explain_async": "mutua.outbound.explaining.explain",
    "explain_response": "mutua.outbound.explaining.explain",
    "serve": "mutua.inbound.serving",
}

__all__ = [
    "Authority",
    "FollowedIdentity",
    "Home",
    "Identity",
    "KeyType",
    "KnownClient",
    "MutuaError",
    "Reason",
    "Trust",
    "explain",
    "explain_async",
    "explain_response",
    "serve",
]


def __getattr__(name: str) -> object:
    try:
        module = _EXPORTS[name]
    except KeyError:
        raise AttributeError(f"module 'mutua' has no attribute {name!r}") from None
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

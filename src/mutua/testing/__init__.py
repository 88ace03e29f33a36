"""For tests of applications behind mutua: an authority at hand, every kind of client, and two ways to call.

pytest finds the fixtures by itself (``mutua.testing.plugin``). Each name below is imported when it is first used, so
that a run of tests that asks for none of them pays for nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mutua.errors import HandshakeRefused
    from mutua.testing.access import AccessLog
    from mutua.testing.client import AsgiClient
    from mutua.testing.door import AsgiDoor
    from mutua.testing.home import UnsafeHome
    from mutua.testing.identities import (
        expired,
        known,
        not_yet_valid,
        outside_grant,
        revoked,
        stranger,
        suspended,
        unregistered,
        wrong_purpose,
    )
    from mutua.testing.refusals import REFUSALS, RefusalCase
    from mutua.testing.server import RunningServer

_EXPORTS = {
    "REFUSALS": "mutua.testing.refusals",
    "AccessLog": "mutua.testing.access",
    "AsgiClient": "mutua.testing.client",
    "AsgiDoor": "mutua.testing.door",
    "HandshakeRefused": "mutua.errors",
    "RefusalCase": "mutua.testing.refusals",
    "RunningServer": "mutua.testing.server",
    "UnsafeHome": "mutua.testing.home",
    "expired": "mutua.testing.identities",
    "known": "mutua.testing.identities",
    "not_yet_valid": "mutua.testing.identities",
    "outside_grant": "mutua.testing.identities",
    "revoked": "mutua.testing.identities",
    "stranger": "mutua.testing.identities",
    "suspended": "mutua.testing.identities",
    "unregistered": "mutua.testing.identities",
    "wrong_purpose": "mutua.testing.identities",
}

__all__ = [
    "REFUSALS",
    "AccessLog",
    "AsgiClient",
    "AsgiDoor",
    "HandshakeRefused",
    "RefusalCase",
    "RunningServer",
    "UnsafeHome",
    "expired",
    "known",
    "not_yet_valid",
    "outside_grant",
    "revoked",
    "stranger",
    "suspended",
    "unregistered",
    "wrong_purpose",
]


def __getattr__(name: str) -> object:
    try:
        module = _EXPORTS[name]
    except KeyError:
        raise AttributeError(f"module 'mutua.testing' has no attribute {name!r}") from None
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""urllib3: a pool manager that retires pooled connections when the identity is renewed.

With an identity that stays, ``urllib3.PoolManager(ssl_context=context)`` is enough.
"""

import ssl
from functools import lru_cache
from typing import Any

from urllib3 import HTTPSConnectionPool, PoolManager, ProxyManager
from urllib3.connection import HTTPSConnection

from mutua.outbound.following_context import may_be_used_again


class RetiringConnection(HTTPSConnection):
    """A connection that counts as closed, between two requests, once it presents an older identity."""

    @property
    def is_connected(self) -> bool:
        """Whether the pool may send another request on it. Where it may not, the pool connects anew."""
        # Of TLS within the TLS of a proxy urllib3 keeps the SSLObject one step further in.
        tls = getattr(self.sock, "sslobj", self.sock)
        if isinstance(tls, ssl.SSLSocket | ssl.SSLObject) and not may_be_used_again(self.ssl_context, tls):
            return False
        return super().is_connected


class RetiringConnectionPool(HTTPSConnectionPool):
    """The connections to one server."""

    ConnectionCls = RetiringConnection


@lru_cache
def _retiring_kind(pool: type[HTTPSConnectionPool]) -> type[HTTPSConnectionPool]:
    """A kind of pool whose connections retire, and are otherwise its own: those to a SOCKS proxy are not urllib3's."""
    if pool is HTTPSConnectionPool:
        return RetiringConnectionPool
    if issubclass(pool.ConnectionCls, RetiringConnection):
        return pool
    connection = type("RetiringConnection", (RetiringConnection, pool.ConnectionCls), {})
    return type("RetiringConnectionPool", (pool,), {"ConnectionCls": connection})


def retiring(manager: PoolManager) -> PoolManager:
    """Have a pool manager, or a proxy manager, retire connections that present an older identity."""
    kinds = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {**kinds, "https": _retiring_kind(kinds["https"])}
    return manager


def pool_manager(context: ssl.SSLContext, *, proxy_url: str | None = None, **options: Any) -> PoolManager:
    """A ``urllib3.PoolManager`` for ``context``; of a ``FollowedIdentity`` it retires older connections.

    Args:
        context: an identity's or a followed identity's client context.
        proxy_url: of an HTTP proxy, through which everything goes.
        options: as for ``urllib3.PoolManager``.
    """
    if proxy_url is None:
        return retiring(PoolManager(ssl_context=context, **options))
    return retiring(ProxyManager(proxy_url, ssl_context=context, **options))

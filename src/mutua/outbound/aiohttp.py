"""aiohttp: a connector that retires pooled connections when the identity is renewed.

With an identity that stays, ``aiohttp.TCPConnector(ssl=context)`` is enough.
"""

import ssl
from typing import Any

from aiohttp import TCPConnector

from mutua.errors import InvalidInput
from mutua.outbound.following_context import may_be_used_again


class RetiringConnector(TCPConnector):
    """Connects with ``context``; a connection that presents an older identity is closed instead of reused.

    Args:
        context: a followed identity's client context.
        options: as for ``aiohttp.TCPConnector``.

    Raises:
        InvalidInput: on a request with ``ssl=False`` or a fingerprint, which turn verification off; nothing is sent.
    """

    def __init__(self, context: ssl.SSLContext, **options: Any) -> None:
        super().__init__(ssl=context, **options)
        self._context = context

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:  # noqa: ASYNC109 -- aiohttp's own
        """A connection for the request, from the pool or new."""
        if req.is_ssl() and req.ssl is not True and not isinstance(req.ssl, ssl.SSLContext):
            raise InvalidInput(
                f"ssl={req.ssl!r} on a request would turn verification off: the context of the connector decides",
                hint="leave it out; what is believed is the trust that the context was made with",
            )
        return await super().connect(req, traces, timeout)

    async def _get(self, key: Any, traces: Any) -> Any:
        # aiohttp has no public word for "do not reuse this one": tests hold it to this.
        context = key.ssl if isinstance(key.ssl, ssl.SSLContext) else self._context
        for protocol, _ in tuple(self._conns.get(key, ())):
            if (transport := protocol.transport) is None:
                continue
            tls = transport.get_extra_info("ssl_object")
            if tls is not None and not may_be_used_again(context, tls):
                transport.close()  # super() passes over what is closing
        return await super()._get(key, traces)

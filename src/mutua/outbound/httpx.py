"""httpx: transports that retire pooled connections when the identity is renewed.

With an identity that stays, ``httpx.Client(verify=context)`` is enough.
"""

import httpx

from mutua.outbound.retiring import AsyncRetiring, AsyncStream, Retiring, Stream


class _Stream(Stream, httpx.SyncByteStream):
    pass


class _AsyncStream(AsyncStream, httpx.AsyncByteStream):
    pass


class RetiringTransport(Retiring, httpx.BaseTransport):
    """For ``httpx.Client(transport=...)``: older connections carry their requests to the end, and no other.

    Args:
        context: a followed identity's client context.
        options: as for ``httpx.HTTPTransport``, such as ``http2``, ``limits``, ``proxy``, ``retries``.
    """

    transport = httpx.HTTPTransport
    stream = _Stream


class AsyncRetiringTransport(AsyncRetiring, httpx.AsyncBaseTransport):
    """The same for ``httpx.AsyncClient(transport=...)``."""

    transport = httpx.AsyncHTTPTransport
    stream = _AsyncStream

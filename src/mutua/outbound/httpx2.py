"""httpx2: transports that retire pooled connections when the identity is renewed.

With an identity that stays, ``httpx2.Client(verify=context)`` is enough.
"""

import httpx2

from mutua.outbound.retiring import AsyncRetiring, AsyncStream, Retiring, Stream


class _Stream(Stream, httpx2.SyncByteStream):
    pass


class _AsyncStream(AsyncStream, httpx2.AsyncByteStream):
    pass


class RetiringTransport(Retiring, httpx2.BaseTransport):
    """For ``httpx2.Client(transport=...)``: older connections carry their requests to the end, and no other.

    Args:
        context: a followed identity's client context.
        options: as for ``httpx2.HTTPTransport``, such as ``http2``, ``limits``, ``proxy``, ``retries``.
    """

    transport = httpx2.HTTPTransport
    stream = _Stream


class AsyncRetiringTransport(AsyncRetiring, httpx2.AsyncBaseTransport):
    """The same for ``httpx2.AsyncClient(transport=...)``."""

    transport = httpx2.AsyncHTTPTransport
    stream = _AsyncStream

"""What the transports of httpx and of httpx2 have in common: older connections carry their requests to the end."""

import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, ClassVar

from mutua.outbound.succession import Reign, Succession


class Retiring:
    """A transport that begins anew with each generation of the identity.

    Args:
        context: a followed identity's client context.
        options: as for the library's transport.
    """

    transport: ClassVar[Callable[..., Any]]
    stream: ClassVar[Callable[..., Any]]

    def __init__(self, context: ssl.SSLContext, **options: Any) -> None:
        self._succession: Succession[Any] = Succession(context, lambda: type(self).transport(verify=context, **options))

    def handle_request(self, request: Any) -> Any:
        """Send the request on a connection that presents the newest identity."""
        reign, idle = self._succession.begin()
        try:
            if idle:
                idle.close()
            response = reign.transport.handle_request(request)
        except BaseException:
            self.end(reign)
            raise
        response.stream = type(self).stream(response.stream, self, reign)
        return response

    def end(self, reign: Reign[Any]) -> None:
        """A request of this reign has ended."""
        if idle := self._succession.end(reign):
            idle.close()

    def close(self) -> None:
        """Close every connection."""
        for transport in self._succession.all():
            transport.close()


class AsyncRetiring:
    """The same, asynchronous."""

    transport: ClassVar[Callable[..., Any]]
    stream: ClassVar[Callable[..., Any]]

    def __init__(self, context: ssl.SSLContext, **options: Any) -> None:
        self._succession: Succession[Any] = Succession(context, lambda: type(self).transport(verify=context, **options))

    async def handle_async_request(self, request: Any) -> Any:
        """Send the request on a connection that presents the newest identity."""
        reign, idle = self._succession.begin()
        try:
            if idle:
                await idle.aclose()
            response = await reign.transport.handle_async_request(request)
        except BaseException:
            await self.end(reign)
            raise
        response.stream = type(self).stream(response.stream, self, reign)
        return response

    async def end(self, reign: Reign[Any]) -> None:
        """A request of this reign has ended."""
        if idle := self._succession.end(reign):
            await idle.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        for transport in self._succession.all():
            await transport.aclose()


class Stream:
    """An answer's body, whose end is the end of its request."""

    def __init__(self, stream: Any, transport: Retiring, reign: Reign[Any]) -> None:
        self._stream, self._transport, self._reign = stream, transport, reign
        self._is_open = True

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream

    def close(self) -> None:
        """Close it, and with the last of an older identity its connections."""
        if self._is_open:
            self._is_open = False
            try:
                self._stream.close()
            finally:
                self._transport.end(self._reign)


class AsyncStream:
    """The same, asynchronous."""

    def __init__(self, stream: Any, transport: AsyncRetiring, reign: Reign[Any]) -> None:
        self._stream, self._transport, self._reign = stream, transport, reign
        self._is_open = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part

    async def aclose(self) -> None:
        """Close it, and with the last of an older identity its connections."""
        if self._is_open:
            self._is_open = False
            try:
                await self._stream.aclose()
            finally:
                await self._transport.end(self._reign)

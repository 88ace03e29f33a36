"""Transports one after another: the next takes over when the identity is renewed, the last ends with its requests."""

import ssl
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from mutua.outbound.following_context import FollowingContext

T = TypeVar("T")


class Reign(Generic[T]):
    """A transport, the generation of the identity it began with, and how many requests it carries now."""

    def __init__(self, transport: T, generation: int) -> None:
        self.transport = transport
        self.generation = generation
        self.requests = 0
        self.is_over = False


class Succession(Generic[T]):
    """The transport for the next request.

    Args:
        context: of the client; a plain one never changes, and then neither does the transport.
        make: makes a transport that connects with it.
    """

    def __init__(self, context: ssl.SSLContext, make: Callable[[], T]) -> None:
        self._context, self._make = context, make
        self._lock = threading.Lock()
        self._reign = Reign(make(), self._generation())
        self._waiting: set[Reign[T]] = set()

    def begin(self) -> tuple[Reign[T], T | None]:
        """A request begins: the reign that carries it, and a transport to close, if one has nothing to do any more."""
        generation = self._generation()
        with self._lock:
            over = None
            if generation > self._reign.generation:
                over, self._reign = self._reign, Reign(self._make(), generation)
                over.is_over = True
                self._waiting.add(over)
            self._reign.requests += 1
            return self._reign, self._ended(over) if over else None

    def end(self, reign: Reign[T]) -> T | None:
        """A request ends, with its whole answer: a transport to close, if this was the last that it carried."""
        with self._lock:
            reign.requests -= 1
            return self._ended(reign)

    def all(self) -> list[T]:
        """Every transport that is not closed yet."""
        with self._lock:
            return [self._reign.transport, *(reign.transport for reign in self._waiting)]

    def _ended(self, reign: Reign[T]) -> T | None:
        if reign.requests or not reign.is_over:
            return None
        self._waiting.discard(reign)
        return reign.transport

    def _generation(self) -> int:
        return self._context.generation if isinstance(self._context, FollowingContext) else 0

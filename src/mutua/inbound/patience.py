"""How long a peer may take to ask for something, for the protocols of uvicorn, which would wait for ever."""

import asyncio
import logging

HEAD_SECONDS = 20.0
"""From the end of the handshake, or the first byte after an answer, to the end of the next request's head. As Apache's
mod_reqtimeout has it; nginx's client_header_timeout and Node's headersTimeout are 60."""

log = logging.getLogger("mutua.serve")


class Patience:
    """Mixed into a protocol: its connection is closed when no request comes of what the peer sends.

    A peer that sends nothing between two requests is up to uvicorn's own timeout for idle connections.
    """

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    _due: asyncio.TimerHandle | None = None

    def expect(self, *, a_request: bool) -> None:
        """Set the timer, or stop it.

        Args:
            a_request: whether the peer is to ask for something; with a request under way it takes its time.
        """
        if not a_request:
            if self._due is not None:
                self._due.cancel()
                self._due = None
        elif self._due is None and not self.transport.is_closing():
            self._due = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def give_up(self) -> None:
        """Close the connection."""
        self.transport.close()

    def _give_up(self) -> None:
        self._due = None
        log.debug("a peer asks for nothing, and its connection is closed")
        self.give_up()

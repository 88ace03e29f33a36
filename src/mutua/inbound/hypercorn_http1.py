"""HTTP/1.1 under hypercorn, without what a proxy in front could read differently."""

import h11
from hypercorn.protocol.h11 import H11Protocol

_ENDS_OF_HEAD = (b"\n\r\n", b"\n\n")
_FOLDS = (b"\n ", b"\n\t")


class StrictConnection(h11.Connection):
    """h11's connection, which unfolds lines and takes chunks where a length is given too: both are refused here."""

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """The next event in what was received.

        Raises:
            RemoteProtocolError: the peer has sent no HTTP/1.1, or a kind of it that is not taken here.
        """
        if self.their_state is h11.IDLE and _is_folded(self.trailing_data[0]):
            raise h11.RemoteProtocolError("a folded line")  # RFC 9112 section 5.2
        event = super().next_event()
        if isinstance(event, h11.Request) and {b"content-length", b"transfer-encoding"} <= {
            name for name, _ in event.headers
        }:
            raise h11.RemoteProtocolError("a length and a transfer coding")  # RFC 9112 section 6.1
        return event


def harden(protocol: H11Protocol) -> None:
    """Let the protocol of a new connection be strict, and stay what it is.

    hypercorn would follow ``Upgrade: h2c``, which a proxy passes on as it does for WebSockets. For the proxy that is
    a tunnel from there on: what its client sends through it has no header taken away.
    """
    protocol.connection = StrictConnection(
        h11.SERVER, max_incomplete_event_size=protocol.config.h11_max_incomplete_size
    )
    protocol._check_protocol = _stay  # type: ignore[method-assign, assignment]  # noqa: SLF001


def _is_folded(data: bytes) -> bool:
    end = min((place for mark in _ENDS_OF_HEAD if (place := data.find(mark)) >= 0), default=len(data))
    return any(data.find(fold, 0, end) >= 0 for fold in _FOLDS)


async def _stay(_: object) -> None:
    """No other protocol than the one that the connection has begun with."""

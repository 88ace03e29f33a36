"""Whether the settings let a proxy come through the door that is to be opened."""

from mutua.errors import InvalidInput, InvalidSettings
from mutua.home.forwarded import ForwardedSettings
from mutua.inbound.forwarding import Forwarding


def forwarding_for(settings: ForwardedSettings | None, *, ends_tls: bool, is_unix: bool = False) -> Forwarding | None:
    """What a door has to know of a proxy in front of it; ``None`` where there is none.

    Args:
        settings: who may forward.
        ends_tls: whether the door demands TLS. One that does not is for proxies alone.
        is_unix: whether it is a Unix socket.

    Raises:
        InvalidSettings: the proxy would come without TLS to a door that demands it.
        InvalidInput: nobody may forward over this kind of socket, so it would be a door for nobody.
    """
    if ends_tls:
        if settings is None:
            return None
        if settings.certificate is None:
            raise InvalidSettings(
                "the proxy that mutua.toml speaks of comes without TLS, and this door demands it",
                hint="mutua serve APP --unix PATH, or take [forwarded] out of mutua.toml",
            )
        return Forwarding(settings)
    if settings is None:
        raise InvalidInput(
            "mutua.toml lets no proxy forward client certificates", hint="add [forwarded]: see docs/proxies.md"
        )
    if is_unix and not settings.unix_socket:
        raise InvalidInput(
            "mutua.toml lets nobody forward over a Unix socket", hint="in [forwarded]: unix_socket = true"
        )
    if not is_unix and not settings.addresses:
        raise InvalidInput(
            "mutua.toml lets no address forward without TLS", hint='in [forwarded]: addresses = ["10.0.0.5"]'
        )
    return Forwarding(settings)

"""For Django: ``KnownClientMiddleware`` gives requests their ``known_client``, ``only_clients`` limits a view."""

from mutua.inbound.django import KnownClientMiddleware, known_client, only_clients

__all__ = ["KnownClientMiddleware", "known_client", "only_clients"]

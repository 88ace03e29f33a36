"""For WSGI applications: ``KnownClients`` in front of the application, ``known_client`` inside it."""

from mutua.inbound.wsgi import KnownClients, known_client

__all__ = ["KnownClients", "known_client"]

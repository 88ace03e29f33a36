"""EST (RFC 7030): machines have their certificates issued and renewed over https.

``application(home)`` is an ASGI application. ``mutua ca serve --est`` serves it, or any server that ends TLS with a
client's certificate optional and fills the ASGI TLS extension.
"""

from mutua.web.est.application import application

__all__ = ["application"]

"""requests: an adapter that connects with a context as it is.

Left alone, requests loads its own list of public CAs into any context that it is given.
"""

import ssl
from typing import Any

from requests import PreparedRequest
from requests.adapters import HTTPAdapter

from mutua.errors import InvalidInput, MissingExtra
from mutua.outbound.urllib3 import retiring

_HOOK = "build_connection_pool_key_attributes"


class MutualTLSAdapter(HTTPAdapter):
    """Presents the context's identity and believes its trust, no more and no less.

    ``session.mount("https://", MutualTLSAdapter(context))``. ``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE`` and a path in
    ``verify`` change nothing. With the context of a ``FollowedIdentity``, connections that present an older identity
    are closed after the request they carry.

    Args:
        context: an identity's or a followed identity's client context.
        options: as for ``requests.adapters.HTTPAdapter``.

    Raises:
        InvalidInput: on a request with ``verify=False`` or ``cert=``; nothing is sent.
        MissingExtra: requests is older than 2.32.3, and would connect with a context of its own.
    """

    def __init__(self, context: ssl.SSLContext, **options: Any) -> None:
        if not hasattr(HTTPAdapter, _HOOK):
            raise MissingExtra(
                "this requests would ignore the context and believe every public CA",
                hint="pip install 'requests>=2.32.3'",
            )
        self.context = context
        super().__init__(**options)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """As of requests, with connections that retire."""
        # Whoever takes a connection from the manager, as get_connection does, gets one with our context too.
        super().init_poolmanager(*arguments, **{**options, "ssl_context": self.context})
        retiring(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """As of requests, with connections that retire."""
        return retiring(super().proxy_manager_for(proxy, **{**options, "ssl_context": self.context}))

    def build_connection_pool_key_attributes(
        self, request: PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        """Where to connect, and with nothing but the context."""
        if verify is False or cert is not None:
            given = "verify=False" if verify is False else "cert="
            raise InvalidInput(
                f"{given} has no place here: the context of the adapter decides",
                hint="leave it out; what is believed is the trust that the context was made with",
            )
        host, _ = super().build_connection_pool_key_attributes(request, verify=True)
        return host, {"ssl_context": self.context}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Leave the pool alone: the context verifies, and requests would load public CAs into it."""

    def __getstate__(self) -> Any:
        raise TypeError("a MutualTLSAdapter holds a private key and cannot be pickled")

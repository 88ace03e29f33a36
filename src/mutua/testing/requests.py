"""A session of requests that believes its context and nothing else."""

import ssl
from typing import Any

import requests
from requests.adapters import HTTPAdapter


class ExactTrust(HTTPAdapter):
    """Uses the context as it is. The adapter of requests would load the public CAs into it: one request, 118 more."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Leave the pool alone: the context verifies."""

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        """The host, and the context instead of whatever requests would make."""
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {"ssl_context": self._context}


def session(context: ssl.SSLContext) -> requests.Session:
    """A session that uses ``context`` for every https URL."""
    made = requests.Session()
    made.trust_env = False
    made.mount("https://", ExactTrust(context))
    return made

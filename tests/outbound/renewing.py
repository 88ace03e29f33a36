"""A home whose client's identity is renewed, and a server that tells which certificate it saw."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mutua import Home, Identity, Trust
from tests.inbound.connections import LiveConnection
from tests.serving import Serving
from tests.store.watching import eventually


@dataclass(frozen=True)
class Renewing:
    """A running server, and the identity that is renewed.

    Attributes:
        home: of the server, and of the identity ``woovi``.
        serving: echoes what it sees of its callers.
    """

    home: Home
    serving: Serving

    @property
    def url(self) -> str:
        return f"{self.serving.url}/status"

    @property
    def path(self) -> Path:
        """Of the identity in the home."""
        return self.home.identities.path("woovi")

    @property
    def trust(self) -> Trust:
        return self.home.trust

    def new(self) -> Identity:
        """Another certificate of the client's, with another key, in no file."""
        return self.home.authority.issue_client("woovi")

    def known(self) -> Identity:
        """The same, and the server has heard of it."""
        identity = self.new()
        context = identity.client_context(self.trust)
        eventually(lambda: self._admits(context))
        return identity

    def _admits(self, context: ssl.SSLContext) -> bool:
        with LiveConnection(self.serving.port, context) as connection:
            return connection.get() == 200

    def renew(self) -> str:
        """Put another into the home; its thumbprint."""
        identity = self.known()
        self.home.identities.save("woovi", identity, replace=True)
        return identity.thumbprint


@contextmanager
def renewing(home: Home) -> Iterator[Renewing]:
    """Serve ``home`` until the end."""
    serving = Serving.start(home)
    try:
        yield Renewing(home, serving)
    finally:
        serving.stop()

"""A TLS handshake in memory, between two contexts. Standard library only: other Pythons run it too."""

import ssl
from dataclasses import dataclass

MAX_ROUNDS = 10


@dataclass
class Connected:
    """Both ends after the handshake, and the error with which one of them ended it."""

    client: ssl.SSLObject
    server: ssl.SSLObject
    client_error: ssl.SSLError | None = None
    server_error: ssl.SSLError | None = None

    @property
    def ok(self) -> bool:
        return self.client_error is None and self.server_error is None


def connect(
    client_context: ssl.SSLContext,
    server_context: ssl.SSLContext,
    *,
    name: str = "localhost",
    session: ssl.SSLSession | None = None,
) -> Connected:
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name, session=session)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    connected = Connected(client, server)
    for _ in range(MAX_ROUNDS):
        connected.client_error = connected.client_error or _step(client)
        connected.server_error = connected.server_error or _step(server)
    if connected.client_error is None:
        # In TLS 1.3 the server's verdict and its tickets arrive after the client's handshake.
        try:
            client.read(1)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            connected.client_error = error
    return connected


def _step(side: ssl.SSLObject) -> ssl.SSLError | None:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return None
    except ssl.SSLError as error:
        return error
    return None

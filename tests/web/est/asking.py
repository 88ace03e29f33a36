"""An EST server as a process, and what a client asks of it over real sockets."""

import http.client
import ssl
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping
from contextlib import closing

from cryptography import x509

from mutua import Home, Identity
from mutua.pki.keys import PrivateKey
from mutua.pki.names import parse_name
from mutua.pki.pkcs7 import read_pkcs7
from mutua.pki.requests import read_request, write_request
from mutua.registry.invitations import Invitation
from mutua.tls.contexts import client_context
from tests.serving import PATIENCE_SECONDS
from tests.web.publishing import Publishing, Reply

ROOT = "/.well-known/est"
PKCS10 = {"Content-Type": "application/pkcs10"}


class EstServer:
    """``mutua ca serve --est``.

    Args:
        home: whose; has the identity ``api``.
    """

    def __init__(self, home: Home) -> None:
        self.home = home
        self.process = Publishing.start(home, "--est", "0", "--identity", "api")
        self.port = self.process.est_port()

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def context(self, identity: Identity | None = None) -> ssl.SSLContext:
        """What a client connects with, with a certificate or without."""
        return identity.client_context(self.home.trust) if identity else client_context(self.home.trust)

    def connect(self, identity: Identity | None = None) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(
            "localhost", self.port, context=self.context(identity), timeout=PATIENCE_SECONDS
        )

    def ask(
        self,
        operation: str,
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        identity: Identity | None = None,
    ) -> Reply:
        """One request on a connection of its own."""
        with closing(self.connect(identity)) as connection:
            return asked(connection, operation, method=method, body=body, headers=headers)

    def enrol(
        self,
        invitation: Invitation,
        body: bytes,
        *,
        client: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        given = basic(invitation.client if client is None else client, invitation.token)
        return self.ask("simpleenroll", method="POST", body=body, headers={**PKCS10, **given, **(headers or {})})

    def renew(self, body: bytes, identity: Identity | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        return self.ask(
            "simplereenroll", method="POST", body=body, identity=identity, headers={**PKCS10, **(headers or {})}
        )

    def invite(self, client: str = "woovi", **options: object) -> Invitation:
        return self.home.invitations.invite(client, url=self.url, **options)  # type: ignore[arg-type]

    def said(self, text: str) -> str:
        """The line of its log that has these words."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            found = next((line for line in reversed(self.process.talk) if text in line), None)
            if found is not None:
                return found
            assert time.monotonic() < deadline, "".join(self.process.talk)
            time.sleep(0.01)


def asked(
    connection: http.client.HTTPSConnection,
    operation: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    connection.request(method, f"{ROOT}/{operation}", body, headers or {})
    response = connection.getresponse()
    return Reply(response.status, response.headers, response.read())


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


def request_of(key: PrivateKey, *names: str) -> bytes:
    """A body: the DER of a request in base64, on one line."""
    return b64encode(read_request(write_request(key, [parse_name(name) for name in names])).der)


def certificates_in(reply: Reply) -> tuple[x509.Certificate, ...]:
    """What a good answer holds."""
    assert reply.status == 200, (reply.status, reply.body)
    assert reply["Content-Type"] == "application/pkcs7-mime; smime-type=certs-only"
    assert reply["Content-Transfer-Encoding"] == "base64"
    return read_pkcs7(b64decode(reply.body))


def issued(reply: Reply, key: PrivateKey, home: Home) -> Identity:
    """The one certificate in a good answer, with its key and the CA above it."""
    (leaf,) = certificates_in(reply)
    assert leaf.public_key() == key.public_key()
    return Identity(key, (leaf, home.hierarchy.issuing.certificate))

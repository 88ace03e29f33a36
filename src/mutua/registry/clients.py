"""Clients: the parties the registry knows."""

import re
from dataclasses import dataclass
from enum import StrEnum

from mutua.errors import InvalidClientName
from mutua.registry.credentials import Credential, CredentialKind
from mutua.registry.grants import Grant

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class ClientState(StrEnum):
    """Whether a client may come in at all."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A party the registry knows.

    Attributes:
        name: 1 to 63 lower-case letters, digits and inner hyphens; unique in a registry.
        state: active or suspended.
        grants: what it may call; nothing without any.
        credentials: how it proves itself; it cannot without any.
    """

    name: str
    state: ClientState = ClientState.ACTIVE
    grants: tuple[Grant, ...] = ()
    credentials: tuple[Credential, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownClient:
    """Who is calling, as the application gets it once the gate has admitted a request.

    Attributes:
        name: the client's name in the registry.
        thumbprint: x5t#S256 of the certificate it used on this connection.
        credential: the kind of credential that matched.
    """

    name: str
    thumbprint: str
    credential: CredentialKind


def accepted_client_name(text: str) -> str:
    """Return ``text`` if it can name a client.

    Raises:
        InvalidClientName: it is not 1 to 63 lower-case ASCII letters, digits and inner hyphens.
    """
    if not _NAME.fullmatch(text):
        raise InvalidClientName(
            f"{text[:80]!r} cannot name a client",
            hint="use 1 to 63 lower-case letters, digits and inner hyphens, such as 'acme-pay'",
        )
    return text

"""The registry as a file: written out, and taken in, all of it or nothing."""

from ssl import DER_cert_to_PEM_cert
from typing import TYPE_CHECKING

from mutua.registry.clients import Client
from mutua.registry.credentials import Credential, CredentialKind
from mutua.registry.exchange import Entry, write_registry
from mutua.store import credentials, registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlalchemy import Connection

    from mutua.home.home import Home


def export_registry(home: "Home") -> str:
    """Every client with its grants and what it brought, as ``read_registry`` takes it."""
    with home.store.read() as connection:
        return write_registry([_told(connection, client) for client in registry.everyone(connection)])


def import_registry(home: "Home", entries: "Iterable[Entry]", *, dry_run: bool = False) -> list[str]:
    """Add what a file tells of and what is not there yet; nothing is ever taken away.

    Args:
        home: whose registry.
        entries: of ``read_registry``.
        dry_run: change nothing.

    Returns:
        What was added, a line each, or what would be.

    Raises:
        CredentialExists, TooManyPartners: nothing was changed.
    """
    if dry_run:
        with home.store.read() as connection:
            return [line for entry in entries for line, _ in _steps(home, connection, entry)]
    lines = []
    with home.store.write() as connection:
        for entry in entries:
            for line, act in _steps(home, connection, entry):
                act()
                lines.append(line)
    return lines


def _steps(home: "Home", connection: "Connection", entry: Entry) -> "Iterator[tuple[str, Callable[[], None]]]":
    """What is to be done for one client, each step with its line."""
    told, name = entry.client, entry.client.name
    there = registry.find(connection, name)
    if there is None:
        yield f"{name}: registered", lambda: home.clients.write(connection, told)
    else:
        new = [each for each in told.grants if each not in there.grants]
        if new:
            yield (
                f"{name}: may call {', '.join(map(str, new))}",
                lambda: home.clients.write_grants(connection, there, new),
            )
    for introduction in entry.introductions:
        if credentials.holder(connection, introduction.credential) != name:
            yield (
                f"{name}: known by {introduction.credential}",
                lambda each=introduction: home.credentials.write(connection, name, each),  # type: ignore[misc]
            )


def _told(connection: "Connection", client: Client) -> dict[str, object]:
    brought = [each for each in client.credentials if each.kind is not CredentialKind.ISSUED]
    return {
        "name": client.name,
        "state": client.state.value,
        "grants": [str(grant) for grant in client.grants],
        "credentials": [_credential(connection, each) for each in brought],
    }


def _credential(connection: "Connection", credential: Credential) -> dict[str, object]:
    certificates = [DER_cert_to_PEM_cert(each.der) for each in credentials.brought_with(connection, credential)]
    named = {"name": credential.value} if credential.kind is CredentialKind.SUBJECT else {}
    crls = credentials.crl_sources(connection, credential)
    stale = {"crls": [each.url for each in crls], "stale_crl": crls[0].stale.value} if crls else {}
    return {"by": credential.form.value, **named, "certificates": certificates, **stale}

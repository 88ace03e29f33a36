"""Acts on the registry: each is one transaction with its event."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from mutua.errors import ClientExists, ClientInUse, InvalidGrant, UnknownClient
from mutua.pki.crl import RevocationReason
from mutua.registry.clients import Client, ClientState, accepted_client_name
from mutua.registry.grants import Grant
from mutua.store import registry

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mutua.home.home import Home


class Clients:
    """The known clients of a home: ``home.clients``."""

    def __init__(self, home: "Home") -> None:
        self._home = home

    def add(self, name: str, *, allow: Iterable[str | Grant] = ()) -> Client:
        """Register a client.

        Args:
            name: 1 to 63 lower-case letters, digits and inner hyphens.
            allow: grants, such as ``"POST /webhook/*"``; without any the client may call nothing.

        Raises:
            InvalidClientName, InvalidGrant: what was given cannot be used.
            ClientExists: the registry knows that name.
        """
        client = Client(name=accepted_client_name(name), grants=_grants(allow))
        with self._home.store.write() as connection:
            self.write(connection, client)
        return client

    def write(self, connection: "Connection", client: Client) -> None:
        """Register a client within a transaction; see ``add``."""
        name = client.name
        if registry.state(connection, name) is not None:
            raise ClientExists(f"the client {name!r} is registered already", hint=f"mutua client show {name}")
        granted = {"grants": [str(grant) for grant in client.grants]}
        event = self._home.event("client.added", name, granted)
        registry.add(connection, replace(client, state=ClientState.ACTIVE), at=event.at)
        self._home.record(connection, event)
        if client.state is ClientState.SUSPENDED:
            self._write_state(connection, name, client.state)

    def grant(self, name: str, *, allow: Iterable[str | Grant] = (), deny: Iterable[str | Grant] = ()) -> Client:
        """Change what a client may call, from its next request on.

        Args:
            name: the client.
            allow: grants more; one that it has already changes nothing.
            deny: grants to take away, exactly as they stand.

        Raises:
            InvalidGrant: what was given cannot be used, or is to be taken away and not there.
            UnknownClient: the registry has none of that name.
        """
        added, taken = _grants(allow), _grants(deny)
        with self._home.store.write() as connection:
            client = self._find(connection, name)
            for each in taken:
                if each not in client.grants:
                    raise InvalidGrant(f"{name[:80]!r} has no grant '{each}'", hint=f"mutua client show {name[:80]}")
            self.write_grants(connection, client, added, taken)
            return self._find(connection, name)

    def write_grants(
        self, connection: "Connection", client: Client, added: Iterable[Grant], taken: Collection[Grant] = ()
    ) -> None:
        """Change what a client may call within a transaction; see ``grant``."""
        left = [each for each in client.grants if each not in taken]
        new = [each for each in added if each not in left]
        if new or taken:
            registry.change_grants(connection, client.name, add=new, remove=taken)
            facts = {"allowed": list(map(str, new)), "denied": list(map(str, taken))}
            self._home.record(connection, self._home.event("client.granted", client.name, facts))

    def get(self, name: str) -> Client:
        """One client.

        Raises:
            UnknownClient: the registry has none of that name.
        """
        with self._home.store.read() as connection:
            return self._find(connection, name)

    def require(self, name: str) -> None:
        """See to it that there is a client of that name, however many certificates it has.

        Raises:
            UnknownClient: the registry has none.
        """
        with self._home.store.read() as connection:
            if not registry.can_hold(name) or registry.state(connection, name) is None:
                raise _unknown(name)

    def all(self) -> tuple[Client, ...]:
        """Every client, by name."""
        with self._home.store.read() as connection:
            return registry.everyone(connection)

    def suspend(self, name: str) -> Client:
        """Refuse the client's next request, on every connection. Suspending twice changes nothing.

        Raises:
            UnknownClient: the registry has none of that name.
        """
        return self._set_state(name, ClientState.SUSPENDED)

    def resume(self, name: str) -> Client:
        """Let a suspended client in again.

        Raises:
            UnknownClient: the registry has none of that name.
        """
        return self._set_state(name, ClientState.ACTIVE)

    def remove(self, name: str, *, force: bool = False) -> int:
        """Forget a client that is gone: what it may call, what it brought, that its certificates are its own.

        Its certificates that have not ended are revoked (``cessation_of_operation``) and stay in the inventory; what
        was done with it stays in the audit trail. Its name may be taken again, by a client that owns nothing of all
        this. It is one transaction: a gate that runs refuses the next request on every connection.

        Args:
            name: the client.
            force: also if it is not suspended.

        Returns:
            How many certificates were revoked.

        Raises:
            UnknownClient: the registry has none of that name.
            ClientInUse: it is not suspended.
        """
        with self._home.store.write() as connection:
            state = registry.state(connection, name) if registry.can_hold(name) else None
            if state is None:
                raise _unknown(name)
            if state is not ClientState.SUSPENDED and not force:
                raise ClientInUse(f"{name!r} is not suspended", hint=f"mutua client suspend {name}")
            revoked = registry.unrevoked(connection, name, self._home.now())
            for thumbprint in revoked:
                self._home.revocation.write(connection, thumbprint, RevocationReason.CESSATION_OF_OPERATION)
            self._home.credentials.write_removals(connection, name)
            registry.remove(connection, name)
            self._home.record(connection, self._home.event("client.removed", name, {"state": state.value}))
        if revoked:
            self._home.publish()
        return len(revoked)

    def _set_state(self, name: str, state: ClientState) -> Client:
        with self._home.store.write() as connection:
            if self._find(connection, name).state is not state:
                self._write_state(connection, name, state)
            return self._find(connection, name)

    def _write_state(self, connection: "Connection", name: str, state: ClientState) -> None:
        registry.set_state(connection, name, state)
        kind = "client.suspended" if state is ClientState.SUSPENDED else "client.resumed"
        self._home.record(connection, self._home.event(kind, name, {}))

    def _find(self, connection: "Connection", name: str) -> Client:
        client = registry.find(connection, name) if registry.can_hold(name) else None
        if client is None:
            raise _unknown(name)
        return client


def _grants(given: Iterable[str | Grant]) -> tuple[Grant, ...]:
    """Each once."""
    return tuple(dict.fromkeys(each if isinstance(each, Grant) else Grant.parse(each) for each in given))


def _unknown(name: str) -> UnknownClient:
    return UnknownClient(f"the registry knows no client {name[:80]!r}", hint="mutua client list")

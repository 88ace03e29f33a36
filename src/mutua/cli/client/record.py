"""A client as commands print it."""

from mutua.home.client_list import ListedClient
from mutua.registry.clients import Client
from mutua.registry.credentials import Credential


def client_json(each: Client) -> dict[str, object]:
    """A client with stable keys."""
    return {
        "name": each.name,
        "state": each.state.value,
        "grants": [str(grant) for grant in each.grants],
        "credentials": [credential_json(credential) for credential in each.credentials],
    }


def credential_json(each: Credential) -> dict[str, object]:
    """A credential with stable keys."""
    return {
        "kind": each.kind.value,
        "form": each.form.value,
        "value": each.value,
        "authority": each.authority or None,
        "ends_at": each.ends_at,
    }


def listed_json(each: ListedClient) -> dict[str, object]:
    """A client with stable keys, those of ``client_json`` among them, and what is known of it beyond the registry."""
    return {
        "name": each.name,
        "state": each.state.value,
        "grants": list(each.grants),
        "credentials": [
            {**credential_json(known.credential), "not_after": known.not_after, "state": known.state.value}
            for known in each.credentials
        ],
        "created_at": each.created_at,
        "last_seen": each.last_seen,
        "first_end": each.first_end,
    }

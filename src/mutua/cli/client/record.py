"""A client as commands print it."""

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

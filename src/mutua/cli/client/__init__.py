"""``mutua client``: the registry of known clients."""

import click

from mutua.cli.lazy import LazyGroup

COMMANDS = {
    "add": ("mutua.cli.client.add:add", "Register a client and what it may call."),
    "list": ("mutua.cli.client.list:list_", "List the known clients."),
    "show": ("mutua.cli.client.show:show", "Show a client, its grants, and how it proves itself."),
    "grant": ("mutua.cli.client.grant:grant", "Change what a client may call."),
    "invite": ("mutua.cli.client.invite:invite", "Let a machine have its first certificate, with a token good once."),
    "trust": ("mutua.cli.client.trust:trust", "Know a client by a certificate, a key or a CA that it brings."),
    "distrust": ("mutua.cli.client.distrust:distrust", "Know a client no more by something it brought."),
    "crls": ("mutua.cli.client.crls:crls", "Show the CRLs of partners' CAs, and how old they are."),
    "export": ("mutua.cli.client.exchange:export", "Write every client, its grants and what it brought, as JSON."),
    "import": ("mutua.cli.client.exchange:import_", "Register the clients of a file."),
    "suspend": ("mutua.cli.client.state:suspend", "Refuse a client's next request, on every connection it has."),
    "resume": ("mutua.cli.client.state:resume", "Let a suspended client in again."),
    "remove": ("mutua.cli.client.remove:remove", "Forget a client that is gone, and revoke its certificates."),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def client() -> None:
    """The known clients.

    \b
    Examples:
      mutua client add woovi --allow "POST /webhook/*" --allow "GET /status"
      mutua client invite woovi -o woovi.invitation
      mutua client trust bank --ca bank-ca.pem --san-dns api.bank.example
      mutua client list
      mutua client suspend woovi        its next request is refused
      mutua client resume woovi
    """

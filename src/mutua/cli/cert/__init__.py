"""``mutua cert``: certificates, ours and others'."""

import click

from mutua.cli.lazy import LazyGroup

COMMANDS = {
    "issue": ("mutua.cli.cert.issue:issue", "Make a key and a certificate, as an identity of the home."),
    "list": ("mutua.cli.cert.list:list_", "List the certificates that were issued, the newest first."),
    "show": ("mutua.cli.cert.show:show", "Show one certificate of the inventory."),
    "revoke": ("mutua.cli.cert.revoke:revoke", "Refuse a certificate from now on."),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def cert() -> None:
    """Certificates.

    \b
    Examples:
      mutua cert issue server api.acme.example 127.0.0.1
      mutua cert issue client woovi
      mutua cert list --client woovi
      mutua cert revoke Q3LFby
    """

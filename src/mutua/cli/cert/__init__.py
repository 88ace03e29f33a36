"""``mutua cert``: certificates, ours and others'."""

import click

from mutua.cli.lazy import LazyGroup

COMMANDS = {
    "issue": ("mutua.cli.cert.issue:issue", "Make a key and a certificate, as an identity of the home."),
    "list": ("mutua.cli.cert.list:list_", "List the certificates that were issued, the newest first."),
    "sign": ("mutua.cli.cert.sign:sign", "Certify the key of a request that somebody else made."),
    "show": ("mutua.cli.cert.show:show", "Show one certificate of the inventory."),
    "export": ("mutua.cli.cert.export:export", "Write a certificate or an identity in the format that somebody takes."),
    "inspect": ("mutua.cli.cert.inspect:inspect_", "Say what is in a file: certificates, requests, CRLs, keys."),
    "renew": ("mutua.cli.cert.renew:renew", "Renew a certificate: same names, client, profile and lifetime."),
    "revoke": ("mutua.cli.cert.revoke:revoke", "Refuse a certificate from now on."),
    "release": ("mutua.cli.cert.release:release", "Let a certificate on hold be used again."),
    "verify": ("mutua.cli.cert.verify:verify", "Verify a chain, and list everything that is wrong with it."),
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

"""``mutua ca``: the CAs of the home."""

import click

from mutua.cli.lazy import LazyGroup

COMMANDS = {
    "show": ("mutua.cli.ca.show:show", "Show the CAs: what each is for, where its key is, until when it lives."),
    "add": ("mutua.cli.ca.add:add", "Make another issuing CA, for a purpose or a partner."),
    "rotate": ("mutua.cli.ca.rotate:rotate", "Make the next issuing CA; the one before stays trusted."),
    "retire": ("mutua.cli.ca.retire:retire", "Trust a CA no more that has a successor, nor those below it."),
    "export": ("mutua.cli.ca.export:export", "Write a CA's certificate, or move its sealed key out of the home."),
    "import": ("mutua.cli.ca.imports:import_", "Take in a CA that was made elsewhere, or an exported key."),
    "crl": ("mutua.cli.ca.crl:crl", "Show the revocation lists, or make them anew."),
    "passphrase": ("mutua.cli.ca.passphrase:passphrase", "Seal the CA keys under another passphrase."),
    "serve": ("mutua.cli.ca.serve:serve", "Publish CRLs, CA certificates and OCSP answers over http."),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def ca() -> None:
    """The CAs.

    \b
    Examples:
      mutua ca show
      mutua ca add partners --purpose client
      mutua ca rotate
      mutua ca export --key root --out root.key
      mutua ca crl
    """

"""``mutua ca retire``."""

import click

from mutua.cli.ca.authority import authority_json
from mutua.cli.options import home_option, json_option
from mutua.cli.output import data, json_data, talk
from mutua.home.home import CA_FILE, Home
from mutua.home.retirement import REASONS


@click.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Also while certificates below it are in use: they are refused then.")
@click.option(
    "--reason",
    type=click.Choice(REASONS),
    default="superseded",
    show_default=True,
    help="Why, for the revocation list of the CA above; ca_compromise if the key was lost.",
)
@home_option
@json_option
def retire(home: Home, name: str, reason: str, *, force: bool, as_json: bool) -> None:
    """Trust a CA no more that has a successor, nor those below it.

    What it issued is refused from the next request on, and its certificate goes onto the revocation list of the CA
    above, so that others refuse it too. It is refused while certificates below it are in use, unless forced.

    \b
    Examples:
      mutua ca retire issuing-1
      mutua ca retire issuing-1 --force --reason ca_compromise
    """
    record = home.hierarchy.retire(name, force=force, reason=reason)
    if as_json:
        json_data(authority_json(record))
    else:
        data(f"{record.id} is retired: {home.path / CA_FILE} holds it no more")
    above = record.parent
    if above is not None and home.hierarchy.get(above).key is None:
        talk(f"note:  others learn of it by the revocation list of {above}, whose key is not here. Bring it back:")
        talk(f"next:  mutua ca import --key {above} FILE")

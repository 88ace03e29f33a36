"""``mutua ca retire``."""

import click

from mutua.cli.ca.authority import authority_json
from mutua.cli.options import home_option, json_option
from mutua.cli.output import data, json_data
from mutua.home.home import CA_FILE, Home


@click.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Also while certificates below it are still good: they are refused then.")
@home_option
@json_option
def retire(home: Home, name: str, *, force: bool, as_json: bool) -> None:
    """Trust a CA no more that has a successor.

    It is refused while certificates below it are still good, unless forced.

    \b
    Examples:
      mutua ca retire issuing-1
      mutua ca retire issuing-1 --force
    """
    record = home.hierarchy.retire(name, force=force)
    if as_json:
        json_data(authority_json(record))
    else:
        data(f"{record.id} is retired: {home.path / CA_FILE} holds it no more")

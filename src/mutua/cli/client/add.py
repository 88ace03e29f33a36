"""``mutua client add``."""

import click

from mutua.cli.client.record import client_json
from mutua.cli.options import home_option, json_option
from mutua.cli.output import data, json_data, talk
from mutua.home.home import Home


@click.command()
@click.argument("name")
@click.option("--allow", metavar='"METHODS PATH"', multiple=True, help="A grant; may be given several times.")
@home_option
@json_option
def add(home: Home, name: str, allow: tuple[str, ...], *, as_json: bool) -> None:
    """Register a client and what it may call.

    In a path, * is one segment and ** the rest.

    \b
    Examples:
      mutua client add woovi --allow "POST /webhook/*"
      mutua client add bank --allow "GET,POST /pix/**" --allow "GET /status"
    """
    added = home.clients.add(name, allow=allow)
    if as_json:
        json_data(client_json(added))
    else:
        data(f"{added.name} is registered")
    if not allow:
        talk(f"warning: {name} may call nothing yet: no --allow was given")
    talk(f"next:  mutua cert issue client {name}")

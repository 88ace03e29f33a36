"""``mutua client list``."""

import click

from mutua.cli.client.record import client_json
from mutua.cli.options import home_option, json_option
from mutua.cli.output import json_data, table, talk
from mutua.home.home import Home


@click.command(name="list")
@home_option
@json_option
def list_(home: Home, *, as_json: bool) -> None:
    """List the known clients.

    \b
    Examples:
      mutua client list
      mutua client list --json
    """
    clients = home.clients.all()
    if as_json:
        json_data([client_json(each) for each in clients])
    elif clients:
        rows = [(each.name, each.state.value, ", ".join(map(str, each.grants)) or "nothing") for each in clients]
        table(["CLIENT", "STATE", "MAY CALL"], rows)
    else:
        talk("no clients yet: mutua client add NAME --allow ...")

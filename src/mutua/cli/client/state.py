"""``mutua client suspend`` and ``mutua client resume``."""

import click

from mutua.cli.client.record import client_json
from mutua.cli.options import home_option, json_option
from mutua.cli.output import data, json_data
from mutua.home.home import Home
from mutua.registry.clients import Client


@click.command()
@click.argument("name")
@home_option
@json_option
def suspend(home: Home, name: str, *, as_json: bool) -> None:
    """Refuse a client's next request, on every connection it has.

    \b
    Examples:
      mutua client suspend woovi
    """
    _report(home.clients.suspend(name), "is suspended: its next request is refused", as_json=as_json)


@click.command()
@click.argument("name")
@home_option
@json_option
def resume(home: Home, name: str, *, as_json: bool) -> None:
    """Let a suspended client in again.

    \b
    Examples:
      mutua client resume woovi
    """
    _report(home.clients.resume(name), "is active", as_json=as_json)


def _report(changed: Client, text: str, *, as_json: bool) -> None:
    if as_json:
        json_data(client_json(changed))
    else:
        data(f"{changed.name} {text}")

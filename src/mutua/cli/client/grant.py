"""``mutua client grant``."""

import click

from mutua.cli.client.record import client_json
from mutua.cli.options import home_option, json_option
from mutua.cli.output import data, json_data, talk
from mutua.home.home import Home


@click.command()
@click.argument("name")
@click.option("--allow", metavar='"METHODS PATH"', multiple=True, help="A grant more; may be given several times.")
@click.option("--deny", metavar='"METHODS PATH"', multiple=True, help="A grant to take away, as 'show' writes it.")
@home_option
@json_option
def grant(home: Home, name: str, allow: tuple[str, ...], deny: tuple[str, ...], *, as_json: bool) -> None:
    """Change what a client may call, from its next request on.

    \b
    Examples:
      mutua client grant woovi --allow "GET /balance"
      mutua client grant woovi --deny "POST /webhook/*" --allow "POST /webhook/pix"
    """
    changed = home.clients.grant(name, allow=allow, deny=deny)
    if as_json:
        json_data(client_json(changed))
        return
    data(f"{changed.name} may call " + (", ".join(map(str, changed.grants)) or "nothing"))
    if not changed.grants:
        talk(f"warning: {name} may call nothing")

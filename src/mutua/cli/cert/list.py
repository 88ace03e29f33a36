"""``mutua cert list``."""

import click

from mutua.cli.cert.record import record_json
from mutua.cli.options import home_option, json_option
from mutua.cli.output import day, json_data, table, talk
from mutua.home.home import Home


@click.command(name="list")
@click.option("--client", metavar="NAME", help="Only this client's.")
@click.option("--profile", type=click.Choice(["server", "client"]), help="Only of this profile.")
@home_option
@json_option
def list_(home: Home, client: str | None, profile: str | None, *, as_json: bool) -> None:
    """List the certificates that were issued, the newest first.

    \b
    Examples:
      mutua cert list
      mutua cert list --client woovi --json
    """
    now = home.now()
    if client is not None:
        home.clients.get(client)
    found = list(home.authority.certificates(client=client, profile=profile))
    if as_json:
        json_data([record_json(record, home) for record in found])
    elif found:
        table(
            ["THUMBPRINT", "PROFILE", "CLIENT", "NAMES", "STATE", "UNTIL"],
            [
                (
                    record.thumbprint,
                    record.profile,
                    record.client or "-",
                    ", ".join(record.names),
                    record.state(now).value,
                    day(record.not_after),
                )
                for record in found
            ],
        )
    else:
        talk("no certificates yet: mutua cert issue ...")

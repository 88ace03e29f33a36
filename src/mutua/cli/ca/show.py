"""``mutua ca show``."""

import click

from mutua.cli.ca.authority import authority_facts, authority_json, key_place
from mutua.cli.options import home_option, json_option
from mutua.cli.output import day, facts, json_data, table
from mutua.home.home import Home


@click.command()
@click.argument("name", required=False)
@home_option
@json_option
def show(home: Home, name: str | None, *, as_json: bool) -> None:
    """Show the CAs: what each is for, where its key is, until when it lives. With NAME, one of them.

    \b
    Examples:
      mutua ca show
      mutua ca show issuing-1 --json
    """
    if name is not None:
        record = home.hierarchy.get(name)
        if as_json:
            json_data(authority_json(record))
        else:
            facts(authority_facts(record))
        return
    everyone = home.hierarchy.everyone()
    if as_json:
        json_data([authority_json(each) for each in everyone])
        return
    table(
        ["CA", "PURPOSE", "STATE", "BELOW", "KEY", "UNTIL"],
        [
            (
                each.id,
                each.purpose.value,
                each.state.value,
                each.parent or "-",
                key_place(each),
                day(each.certificate.not_valid_after_utc),
            )
            for each in everyone
        ],
    )

"""``mutua ca add``."""

from datetime import timedelta

import click

from mutua.ca.hierarchy import Purpose
from mutua.cli.ca.authority import authority_facts, authority_json
from mutua.cli.options import home_option, json_option, key_type_option, lifetime_option
from mutua.cli.output import facts, json_data, talk
from mutua.home.home import Home
from mutua.pki.keys import KeyType


@click.command()
@click.argument("name")
@click.option(
    "--purpose",
    type=click.Choice([each.value for each in Purpose]),
    default=Purpose.ANY.value,
    show_default=True,
    help="What it issues for. The CA made for a purpose issues before the one for any.",
)
@click.option("--under", "parent", metavar="CA", default="root", show_default=True, help="The CA that signs it.")
@click.option(
    "--path-length", type=click.IntRange(min=0), default=0, show_default=True, help="How many CAs may follow below it."
)
@click.option(
    "--names",
    multiple=True,
    metavar="PART",
    help="The only names below it: acme.example, 10.0.0.0/8 or @acme.example. May be given several times.",
)
@key_type_option
@lifetime_option("How long it lives; 1825 when not given.")
@home_option
@json_option
def add(
    home: Home,
    name: str,
    purpose: str,
    parent: str,
    path_length: int,
    names: tuple[str, ...],
    key_type: KeyType,
    lifetime: timedelta | None,
    *,
    as_json: bool,
) -> None:
    """Make another issuing CA, for a purpose or a partner.

    \b
    Examples:
      mutua ca add servers --purpose server
      mutua ca add partner-acme --purpose client --names acme.example
    """
    made = home.hierarchy.add(
        name,
        purpose=Purpose(purpose),
        parent=parent,
        path_length=path_length,
        names=names,
        key_type=key_type,
        lifetime=lifetime,
    )
    if as_json:
        json_data(authority_json(made))
        return
    facts(authority_facts(made))
    talk()
    talk(f"next:  mutua cert issue {'client' if purpose == 'client' else 'server'} NAME --ca {name}")

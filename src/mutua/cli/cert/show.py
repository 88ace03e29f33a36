"""``mutua cert show``."""

import click

from mutua.cli.cert.record import THUMBPRINT_FIRST, record_facts, record_json
from mutua.cli.options import home_option, json_option
from mutua.cli.output import data, facts, json_data
from mutua.home.home import Home


@click.command(context_settings=THUMBPRINT_FIRST)
@click.argument("certificate")
@click.option("--pem", is_flag=True, help="Print the certificate itself.")
@home_option
@json_option
def show(home: Home, certificate: str, *, pem: bool, as_json: bool) -> None:
    """Show one certificate, by the start of its thumbprint or serial number (6 characters or more).

    \b
    Examples:
      mutua cert show Q3LFby
      mutua cert show Q3LFby --pem
    """
    record = home.authority.certificate(certificate)
    if pem:
        data(record.pem().rstrip())
    elif as_json:
        json_data(record_json(record, home))
    else:
        facts(record_facts(record, home))

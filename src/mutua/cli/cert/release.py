"""``mutua cert release``."""

import click

from mutua.cli.cert.record import THUMBPRINT_FIRST, record_json
from mutua.cli.options import home_option, json_option
from mutua.cli.output import data, json_data
from mutua.home.home import Home


@click.command(context_settings=THUMBPRINT_FIRST)
@click.argument("certificate")
@home_option
@json_option
def release(home: Home, certificate: str, *, as_json: bool) -> None:
    """Let a certificate on hold be used again.

    \b
    Examples:
      mutua cert release Q3LFby
    """
    record = home.revocation.release(certificate)
    if as_json:
        json_data(record_json(record, home))
    else:
        data(f"{record.thumbprint} is {record.state(home.now()).value} again")

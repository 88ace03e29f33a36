"""``mutua cert revoke``."""

import click

from mutua.cli.cert.record import THUMBPRINT_FIRST, record_json
from mutua.cli.options import home_option, json_option
from mutua.cli.output import data, json_data
from mutua.home.authority import REVOCATION_REASONS
from mutua.home.home import Home


@click.command(context_settings=THUMBPRINT_FIRST)
@click.argument("certificate")
@click.option("--reason", type=click.Choice(REVOCATION_REASONS), default="unspecified", show_default=True)
@home_option
@json_option
def revoke(home: Home, certificate: str, reason: str, *, as_json: bool) -> None:
    """Refuse a certificate from now on; it cannot be taken back.

    \b
    Examples:
      mutua cert revoke Q3LFby --reason key_compromise
    """
    record = home.authority.revoke(certificate, reason=reason)
    if as_json:
        json_data(record_json(record, home))
    else:
        data(f"{record.thumbprint} is revoked: its next request is refused")

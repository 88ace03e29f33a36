"""``mutua ca rotate``."""

import click

from mutua.cli.ca.authority import authority_json
from mutua.cli.options import home_option, json_option
from mutua.cli.output import data, day, json_data, talk
from mutua.home.home import CA_FILE, Home


@click.command()
@click.argument("name", required=False)
@home_option
@json_option
def rotate(home: Home, name: str | None, *, as_json: bool) -> None:
    """Make the next issuing CA; the one before stays trusted. Without NAME it is the one that issues in general.

    The bundle ca.pem holds both from now on. Send it to whoever trusts you, renew what the old CA issued, and retire
    the old one when nothing of it is in use any more.

    \b
    Examples:
      mutua ca rotate
      mutua ca rotate partners
    """
    old, new = home.hierarchy.rotate(name)
    if as_json:
        json_data({"superseded": authority_json(old), "successor": authority_json(new)})
        return
    data(f"{new.id} signs from now on, until {day(new.certificate.not_valid_after_utc)}")
    talk(f"next:  send {home.path / CA_FILE} to whoever trusts {old.id}, renew what it issued, and then:")
    talk(f"       mutua ca retire {old.id}")

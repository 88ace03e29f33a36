"""``mutua ca passphrase``."""

import os

import click

from mutua.cli.options import home_option, password_from
from mutua.cli.output import data, talk
from mutua.errors import InvalidInput
from mutua.home.home import Home
from mutua.home.passphrase import VARIABLE

NEW_VARIABLE = "MUTUA_NEW_PASSPHRASE"


@click.command()
@click.option("--new-file", metavar="FILE", help=f"The new passphrase; {NEW_VARIABLE} or a prompt when not given.")
@home_option
def passphrase(home: Home, new_file: str | None) -> None:
    """Seal the CA keys under another passphrase. All of them, in one transaction.

    A home that keeps its passphrase in a file gets the new one there. Keys that were exported keep the old one, and so
    does every backup.

    \b
    Examples:
      mutua ca passphrase
      mutua ca passphrase --new-file new.txt
    """
    fresh = password_from(new_file) or os.fsencode(os.environ.get(NEW_VARIABLE, ""))
    if not fresh:
        fresh = os.fsencode(click.prompt("New passphrase", hide_input=True, confirmation_prompt=True, err=True))
    if not fresh:
        raise InvalidInput("the new passphrase is empty", hint="give a longer one")
    count = home.change_passphrase(fresh)
    data(f"{count} keys are sealed under the new passphrase")
    if os.environ.get(VARIABLE) or os.environ.get(f"{VARIABLE}_FILE") or os.environ.get(f"{VARIABLE}_COMMAND"):
        talk(f"next:  put the new passphrase where {VARIABLE}, {VARIABLE}_FILE or {VARIABLE}_COMMAND take it from")

"""``mutua ca passphrase``."""

import os
import sys

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
    count = home.change_passphrase(_new_passphrase(new_file))
    data(f"{count} keys are sealed under the new passphrase")
    if os.environ.get(VARIABLE) or os.environ.get(f"{VARIABLE}_FILE") or os.environ.get(f"{VARIABLE}_COMMAND"):
        talk(f"next:  put the new passphrase where {VARIABLE}, {VARIABLE}_FILE or {VARIABLE}_COMMAND take it from")


def _new_passphrase(path: str | None) -> bytes:
    given = password_from(path) or os.fsencode(os.environ.get(NEW_VARIABLE, ""))
    if given:
        return given
    if not sys.stdin.isatty():
        raise InvalidInput("there is no new passphrase", hint=f"give --new-file FILE, or set {NEW_VARIABLE}")
    return os.fsencode(click.prompt("New passphrase", hide_input=True, confirmation_prompt=True, err=True))

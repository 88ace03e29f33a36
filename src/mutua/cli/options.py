"""Options that several commands share."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from mutua.errors import InvalidInput
from mutua.home.home import Home
from mutua.pki.keys import KeyType
from mutua.tls.files import read_file

F = TypeVar("F", bound=Callable[..., Any])

MAX_PASSWORD_BYTES = 4096


def home_option(function: F) -> F:
    """``--home``: given to the command as an open ``home``."""
    option = click.option(
        "--home",
        "home",
        metavar="DIR",
        callback=lambda context, _, value: context.with_resource(Home.open(value)),
        help="The home; MUTUA_HOME or ./.mutua when not given.",
    )
    return option(function)


def json_option(function: F) -> F:
    """``--json``: given to the command as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON with stable keys.")(function)


def key_type_option(function: F) -> F:
    """``--key-type``: given to the command as a ``KeyType``."""
    option = click.option(
        "--key-type",
        type=click.Choice([kind.value for kind in KeyType]),
        default=KeyType.P256.value,
        show_default=True,
        callback=lambda _context, _option, value: KeyType(value),
        help="The kind of key to make.",
    )
    return option(function)


def lifetime_option(text: str) -> Callable[[F], F]:
    """``--days``: given to the command as a timedelta ``lifetime``, or ``None``."""
    return click.option(
        "--days",
        "lifetime",
        type=click.IntRange(min=1),
        callback=lambda _context, _option, value: None if value is None else timedelta(days=value),
        help=text,
    )


def password_from(path: str | None) -> bytes | None:
    """The first line of a password file; passwords never stand on a command line.

    Raises:
        UnreadableFile: the file cannot be read. InvalidInput: it is empty.
    """
    if path is None:
        return None
    data = read_file(Path(path), MAX_PASSWORD_BYTES).split(b"\n", 1)[0].rstrip(b"\r")
    if not data:
        raise InvalidInput(f"the password file {path!r} is empty", hint="write the password into its first line")
    return data

"""Passwords of files, from a file, the environment or a prompt. Never from the command line, where others see them."""

import os
import sys

import click

from mutua.cli.options import password_from
from mutua.errors import InvalidInput

EXPORT_VARIABLE = "MUTUA_EXPORT_PASSWORD"

MAX_NEW_PASSWORD_BYTES = 1023
"""OpenSSL's PEM_BUFSIZE, with the byte behind it: it opens no file with a longer one."""


def given_password(path: str | None) -> bytes | None:
    """The password to protect a file with, if one was given by a file or ``MUTUA_EXPORT_PASSWORD``.

    Raises:
        UnreadableFile: the password file cannot be read. InvalidInput: it is empty, or too long.
    """
    password = password_from(path) if path is not None else os.fsencode(os.environ.get(EXPORT_VARIABLE, ""))
    if password is not None and len(password) > MAX_NEW_PASSWORD_BYTES:
        raise InvalidInput(
            f"the password has more than {MAX_NEW_PASSWORD_BYTES} bytes", hint="give one that others can open it with"
        )
    return password or None


def new_password(path: str | None) -> bytes:
    """The password to protect a file with; asked for, twice, where none was given.

    Raises:
        UnreadableFile: the password file cannot be read.
        InvalidInput: it is empty, or there is nobody to ask.
    """
    given = given_password(path)
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise InvalidInput(
            "there is no password to protect the key with",
            hint=f"give --password-file FILE, or set {EXPORT_VARIABLE}",
        )
    answer: str = click.prompt("Password for the file", hide_input=True, confirmation_prompt=True, err=True)
    return answer.encode()


def asked_password(what: str) -> bytes | None:
    """The password of a file that is there, asked for; ``None`` where there is nobody to ask.

    Args:
        what: the file, as it may be shown.
    """
    if not sys.stdin.isatty():
        return None
    answer: str = click.prompt(f"Password of {what}", hide_input=True, err=True, default="", show_default=False)
    return answer.encode() or None

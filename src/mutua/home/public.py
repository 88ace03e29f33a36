"""The setting ``public``: what may be called without a certificate, in the words of grants."""

from mutua.errors import InvalidGrant
from mutua.registry.grants import Grant

MAX_PUBLIC = 64
"""Probes, documents for discovery, a page or two. What has more is a site of its own, on a server of its own."""

EVERYTHING = "/**"


def read_public(key: str, value: object) -> tuple[Grant, ...]:
    """Read the list.

    Raises:
        ValueError: something in it is not ``METHOD PATH``, or stands for every path; the message names every mistake.
    """
    if not isinstance(value, list) or len(value) > MAX_PUBLIC:
        raise ValueError(f"'{key}' must be a list of at most {MAX_PUBLIC} texts such as \"GET /healthz\"")
    read, mistakes = [], []
    for each in value:
        try:
            read.append(_grant(key, each))
        except ValueError as error:
            mistakes.append(str(error))
    if mistakes:
        raise ValueError("; ".join(mistakes))
    return tuple(read)


def _grant(key: str, text: object) -> Grant:
    if not isinstance(text, str):
        raise ValueError(f"'{key}' must hold texts such as \"GET /healthz\"")  # noqa: TRY004 -- a value in a file
    try:
        grant = Grant.parse(text)
    except InvalidGrant as error:
        raise ValueError(f"'{key}': {error.message}") from None
    if grant.pattern == EVERYTHING:
        raise ValueError(f"'{key}' is for some paths, and '{EVERYTHING}' is every path")
    return grant

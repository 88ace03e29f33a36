"""What commands print: data on stdout, talk on stderr, nothing a peer wrote unescaped."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime

import click


def printable(text: str) -> str:
    """``text`` with everything escaped that could move a cursor, end a line or reverse its direction."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def data(line: str = "") -> None:
    """A line of data, on stdout."""
    click.echo(line)


def talk(line: str = "") -> None:
    """A line for the person, on stderr."""
    click.echo(line, err=True)


def json_data(value: object) -> None:
    """A JSON document, on stdout."""
    click.echo(json.dumps(value, indent=2, default=jsonable))


def table(headings: Sequence[str] | None, rows: Iterable[Sequence[str]]) -> None:
    """Columns on stdout, each as wide as its widest cell; without headings the page that follows another."""
    lines = [[printable(cell) for cell in row] for row in rows]
    if headings is not None:
        lines.insert(0, list(headings))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        data("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def facts(pairs: Iterable[tuple[str, str]]) -> None:
    """Names and values on stdout, one pair to a line."""
    rows = [(name, printable(value)) for name, value in pairs]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        data(f"{name.ljust(width)}  {value}")


def day(moment: datetime) -> str:
    """A UTC date and time as people read it."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def jsonable(value: object) -> object:
    """What JSON has no form for, as text."""
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)

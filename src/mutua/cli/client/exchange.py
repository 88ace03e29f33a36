"""``mutua client export`` and ``mutua client import``."""

from pathlib import Path

import click

from mutua.cli.options import home_option, json_option
from mutua.cli.output import data, json_data, printable, talk
from mutua.home.exchange import export_registry, import_registry
from mutua.home.home import Home
from mutua.registry.exchange import MAX_FILE_BYTES, read_registry
from mutua.tls.files import read_file


@click.command()
@home_option
def export(home: Home) -> None:
    """Write every client, its grants and what it brought, as JSON.

    Certificates that were issued here are left out: they belong to this authority and to no other.

    \b
    Examples:
      mutua client export > partners.json
    """
    click.echo(export_registry(home), nl=False)


@click.command(name="import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Say what would be added, and change nothing.")
@home_option
@json_option
def import_(home: Home, file: Path, *, dry_run: bool, as_json: bool) -> None:
    """Register the clients of a file, all of it or nothing.

    What is there already stays; nothing is taken away.

    \b
    Examples:
      mutua client import partners.json --dry-run
      mutua client import partners.json
    """
    entries = read_registry(read_file(file, MAX_FILE_BYTES), now=home.now())
    lines = import_registry(home, entries, dry_run=dry_run)
    if as_json:
        json_data({"changes": lines, "dry_run": dry_run})
        return
    for line in lines:
        data(printable(line))
    if not lines:
        talk("everything is there already")
    elif dry_run:
        talk("nothing was changed")

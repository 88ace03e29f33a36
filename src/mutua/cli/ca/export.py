"""``mutua ca export``."""

from pathlib import Path

import click

from mutua.cli.options import home_option
from mutua.cli.output import data, talk
from mutua.errors import InvalidInput
from mutua.home.home import Home
from mutua.pki.certificates import write_pem


@click.command()
@click.argument("name", required=False)
@click.option("--key", "key", metavar="CA", help="Move this CA's sealed key out of the home, into --out.")
@click.option("--out", metavar="FILE", help="Where the key goes; nothing may be there yet.")
@home_option
def export(home: Home, name: str | None, key: str | None, out: str | None) -> None:
    """Write a CA's certificate, or move its sealed key out of the home.

    The certificate of NAME, or of every CA that is trusted, goes to stdout. A key that was moved out is needed again
    for another issuing CA, for rotating, and for that CA's own revocation list; until then everything goes on.

    \b
    Examples:
      mutua ca export > ca.pem
      mutua ca export root
      mutua ca export --key root --out root.key
    """
    if key is not None:
        if out is None or name is not None:
            raise InvalidInput("--key needs --out, and no other name", hint=f"mutua ca export --key {key} --out FILE")
        record = home.keys.export(key, Path(out))
        data(f"the key of {record.id} is in {out} and no longer in the home")
        if home.settings.store is not None:
            talk("note:  PostgreSQL keeps what was deleted for a while, in its tables until VACUUM FULL authorities")
            talk("       and in its journal and backups after that. It is sealed there too")
        talk("note:  it is sealed: keep the passphrase apart from it, and both where they are found again")
        talk(f"next:  mutua ca import --key {record.id} {out}, when it is needed")
        return
    if out is not None:
        raise InvalidInput("--out goes with --key", hint="mutua ca export > FILE")
    records = home.hierarchy.trusted() if name is None else [home.hierarchy.get(name)]
    data(write_pem(each.certificate for each in records).decode().rstrip())

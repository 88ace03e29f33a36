"""``mutua ca import``."""

from pathlib import Path

import click

from mutua.ca.adoption import shortcomings
from mutua.ca.hierarchy import Purpose
from mutua.cli.ca.authority import authority_facts, authority_json
from mutua.cli.options import home_option, json_option, password_from
from mutua.cli.output import data, facts, json_data, talk
from mutua.errors import InvalidInput
from mutua.home.home import Home
from mutua.tls.identity import Identity


@click.command(name="import")
@click.argument("names", nargs=-1, metavar="[NAME] FILE")
@click.option("--key", "key", metavar="CA", help="Bring back the key of this CA, which 'mutua ca export' moved out.")
@click.option("--key-file", metavar="FILE", help="The private key, where it is not in FILE.")
@click.option(
    "--password-file",
    metavar="FILE",
    help="Opens an encrypted key or PKCS#12 file; with --key, the passphrase of the day of the export.",
)
@click.option(
    "--purpose",
    type=click.Choice([each.value for each in Purpose]),
    default=Purpose.ANY.value,
    show_default=True,
    help="What it is to issue for.",
)
@home_option
@json_option
def import_(
    home: Home,
    names: tuple[str, ...],
    key: str | None,
    key_file: str | None,
    password_file: str | None,
    purpose: str,
    *,
    as_json: bool,
) -> None:
    """Take in a CA that was made elsewhere, or an exported key.

    FILE is PEM or PKCS#12 and holds the CA's certificate, and its key unless --key-file does. The key is sealed in
    the home, under its passphrase.

    \b
    Examples:
      mutua ca import legacy old-ca.p12 --password-file password.txt
      mutua ca import legacy old-ca.pem --key-file old-ca.key --purpose client
      mutua ca import --key root root.key
    """
    if len(names) != (1 if key is not None else 2):
        raise InvalidInput(
            "give a name and a file, or --key CA and a file", hint="mutua ca import legacy old-ca.pem --key-file KEY"
        )
    password = password_from(password_file)
    if key is not None:
        if key_file is not None or purpose != Purpose.ANY.value:
            raise InvalidInput("--key brings back a CA that is here", hint=f"mutua ca import --key {key} {names[0]}")
        record = home.keys.restore(key, Path(names[0]), passphrase=password)
        if as_json:
            json_data(authority_json(record))
        else:
            data(f"the key of {record.id} is in the home")
            talk(f"next:  mutua ca export --key {record.id} --out FILE, once it is not needed any more")
        return
    identity = Identity.load(names[1], key=key_file, password=password)
    made = home.hierarchy.take_in(names[0], identity, purpose=Purpose(purpose))
    if lacking := [*shortcomings(made.certificate)]:
        talk(f"warning: strict verifiers, and mutua serve is one, refuse what it signs: {', '.join(lacking)}")
    if as_json:
        json_data(authority_json(made))
    else:
        facts(authority_facts(made))

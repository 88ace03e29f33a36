"""``mutua init``."""

import shlex

import click

from mutua.cli.options import json_option, key_type_option
from mutua.cli.output import day, facts, json_data, talk
from mutua.home.home import CA_FILE, DEFAULT_FOLDER, Home
from mutua.pki.keys import KeyType


@click.command()
@click.argument("name", default="mutua")
@click.option("--home", "folder", metavar="DIR", envvar="MUTUA_HOME", default=str(DEFAULT_FOLDER), show_default=True)
@key_type_option
@json_option
def init(name: str, folder: str, key_type: KeyType, *, as_json: bool) -> None:
    """Make a home: a root CA, an issuing CA below it, and an empty registry.

    NAME is the organization that stands in the CA certificates.

    The CA keys are sealed under a passphrase: from MUTUA_PASSPHRASE, from the file that
    MUTUA_PASSPHRASE_FILE names, from the command in MUTUA_PASSPHRASE_COMMAND, or a random one that is
    kept in the home.

    \b
    Examples:
      mutua init "Acme Payments"
      mutua init "Acme Payments" --home /etc/mutua
      MUTUA_PASSPHRASE_COMMAND="pass show mutua" mutua init "Acme Payments"
    """
    with Home.create(folder, name=name, key_type=key_type) as home:
        root, issuing = home.hierarchy.root, home.hierarchy.issuing
        ca_file = home.path / CA_FILE
        if as_json:
            json_data(
                {
                    "home": str(home.path),
                    "name": name,
                    "ca_file": str(ca_file),
                    "root_not_after": root.certificate.not_valid_after_utc,
                    "issuing_not_after": issuing.certificate.not_valid_after_utc,
                }
            )
            return
        facts(
            [
                ("home", str(home.path)),
                ("CA bundle", str(ca_file)),
                ("root until", day(root.certificate.not_valid_after_utc)),
                ("issuing until", day(issuing.certificate.not_valid_after_utc)),
            ]
        )
        option = "" if home.path == DEFAULT_FOLDER else f" --home {shlex.quote(str(home.path))}"
        talk()
        talk(f'next:  mutua client add{option} woovi --allow "POST /webhook/*"')

"""``mutua init``."""

import shlex
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import click

from mutua.cli.options import json_option, key_type_option
from mutua.cli.output import day, facts, json_data, talk
from mutua.errors import InvalidInput
from mutua.home.home import CA_FILE, DEFAULT_FOLDER, Home
from mutua.home.settings import TokenSettings
from mutua.pki.keys import KeyType


@click.command()
@click.argument("name", default="mutua")
@click.option("--home", "folder", metavar="DIR", envvar="MUTUA_HOME", default=str(DEFAULT_FOLDER), show_default=True)
@key_type_option
@click.option(
    "--keys",
    type=click.Choice(["store", "pkcs11"]),
    default="store",
    show_default=True,
    help="Where the CA keys are: sealed in the store, or in a PKCS#11 token that never lets them out.",
)
@click.option("--pkcs11-module", "module", metavar="FILE", help="The token's library.")
@click.option("--pkcs11-token", "label", metavar="LABEL", help="The token.")
@click.option("--store", metavar="URL", help="An empty PostgreSQL database that several machines are to share.")
@click.option(
    "--revocation-url",
    metavar="URL",
    help="Where `mutua ca serve` will be reached: every certificate, the first CA's too, says so.",
)
@json_option
def init(
    name: str,
    folder: str,
    key_type: KeyType,
    keys: str,
    module: str | None,
    label: str | None,
    store: str | None,
    revocation_url: str | None,
    *,
    as_json: bool,
) -> None:
    """Make a home: a root CA, an issuing CA below it, and an empty registry.

    NAME is the organization that stands in the CA certificates.

    The CA keys are sealed under a passphrase: from MUTUA_PASSPHRASE, from the file that
    MUTUA_PASSPHRASE_FILE names, from the command in MUTUA_PASSPHRASE_COMMAND, or a random one that is
    kept in the home. Those in a token need its PIN: from MUTUA_PKCS11_PIN, or with _FILE or _COMMAND behind it.

    \b
    Examples:
      mutua init "Acme Payments"
      mutua init "Acme Payments" --home /etc/mutua
      mutua init "Acme Payments" --revocation-url http://pki.acme.example
      MUTUA_PASSPHRASE_COMMAND="pass show mutua" mutua init "Acme Payments"
      mutua init --keys pkcs11 --pkcs11-module /usr/lib/softhsm/libsofthsm2.so --pkcs11-token mutua
      mutua init --store postgresql+psycopg://mutua@db.acme.example/mutua
    """
    token = _token(keys, module, label)
    if store is not None:
        _require_no_password(store)
    with Home.create(
        folder, name=name, key_type=key_type, store=store, token=token, revocation_url=revocation_url
    ) as home:
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
                *([("CA keys", f"in the token {token.token!r}")] if token else []),
                *([("store", home.store.location)] if store else []),
            ]
        )
        option = "" if home.path == DEFAULT_FOLDER else f" --home {shlex.quote(str(home.path))}"
        talk()
        talk(f'next:  mutua client add{option} woovi --allow "POST /webhook/*"')


def _token(keys: str, module: str | None, label: str | None) -> TokenSettings | None:
    if keys == "store":
        if module is not None or label is not None:
            raise InvalidInput("--pkcs11-module and --pkcs11-token go with --keys pkcs11", hint="give --keys pkcs11")
        return None
    if module is None or label is None:
        raise InvalidInput(
            "--keys pkcs11 needs --pkcs11-module and --pkcs11-token",
            hint="--pkcs11-module /usr/lib/softhsm/libsofthsm2.so --pkcs11-token mutua",
        )
    # Absolute: it is loaded from wherever mutua is called next.
    return TokenSettings(Path(module).absolute(), label)


def _require_no_password(url: str) -> None:
    """A command line is seen by everybody on the machine, and kept by the shell."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return  # it is refused as no address at all
    if parts.password is not None or "password" in parse_qs(parts.query):
        raise InvalidInput(
            "passwords do not belong on a command line", hint="leave it out; set PGPASSWORD, or write it into ~/.pgpass"
        )

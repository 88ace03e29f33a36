"""``mutua cert issue``."""

import os
from datetime import timedelta

import click

from mutua.cli.options import home_option, json_option, key_type_option, lifetime_option
from mutua.cli.output import day, facts, json_data, talk
from mutua.errors import AlreadyExists, InvalidName
from mutua.home.home import CA_FILE, Home
from mutua.pki.keys import KeyType


@click.command()
@click.argument("profile", type=click.Choice(["server", "client"]))
@click.argument("names", nargs=-1, required=True)
@click.option("--identity", metavar="NAME", help="The identity to write; the first of NAMES when not given.")
@click.option("--force", is_flag=True, help="Replace an identity of that name.")
@key_type_option
@click.option("--ca", "authority", metavar="NAME", help="The CA that signs; the one for the purpose when not given.")
@lifetime_option("How long it lives; 90 when not given.")
@home_option
@json_option
def issue(
    home: Home,
    profile: str,
    names: tuple[str, ...],
    identity: str | None,
    key_type: KeyType,
    authority: str | None,
    lifetime: timedelta | None,
    *,
    force: bool,
    as_json: bool,
) -> None:
    """Make a key and a certificate, and write both as an identity into the home.

    For a server, NAMES are what its clients call it. For a client, the first of NAMES is the client in the
    registry, and any others go into the certificate.

    \b
    Examples:
      mutua cert issue server api.acme.example 127.0.0.1
      mutua cert issue client woovi
      mutua cert issue client bank --key-type rsa2048 --days 30
    """
    if not all(names):
        raise InvalidName("a name is empty", hint="name what the certificate is for, such as api.acme.example")
    target = (identity or names[0]).lower()
    if not force and os.path.lexists(home.identities.path(target)):
        raise AlreadyExists(f"the identity {target!r} is there already", hint="give --force to replace it")
    issue_to = home.authority.issue_server if profile == "server" else home.authority.issue_client
    made = issue_to(*names, key_type=key_type, lifetime=lifetime, authority=authority)
    folder = home.identities.save(target, made, replace=force)
    if as_json:
        json_data(
            {
                "identity": target,
                "thumbprint": made.thumbprint,
                "names": [str(name) for name in made.names],
                "not_after": made.not_after,
                "key": str(folder / "key.pem"),
                "chain": str(folder / "chain.pem"),
                "ca": str(home.path / CA_FILE),
            }
        )
        return
    facts(
        [
            ("thumbprint", made.thumbprint),
            ("names", ", ".join(map(str, made.names))),
            ("until", day(made.not_after)),
            ("key", str(folder / "key.pem")),
            ("chain", str(folder / "chain.pem")),
            ("CA", str(home.path / CA_FILE)),
        ]
    )
    talk()
    if profile == "server":
        talk(f"next:  mutua serve main:app --identity {target}")
    else:
        talk(f"next:  mutua call https://127.0.0.1:8443/ --identity {target}")

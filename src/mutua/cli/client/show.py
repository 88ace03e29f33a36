"""``mutua client show``."""

import click

from mutua.cli.client.record import client_json
from mutua.cli.options import home_option, json_option
from mutua.cli.output import day, facts, json_data, talk
from mutua.home.home import Home
from mutua.registry.credentials import Credential, CredentialKind


@click.command()
@click.argument("name")
@home_option
@json_option
def show(home: Home, name: str, *, as_json: bool) -> None:
    """Show a client, its grants and how it proves itself.

    \b
    Examples:
      mutua client show woovi
    """
    found = home.clients.get(name)
    certificates = list(home.authority.certificates(client=name))
    now = home.now()
    if as_json:
        listed = [
            {"thumbprint": each.thumbprint, "state": each.state(now).value, "not_after": each.not_after}
            for each in certificates
        ]
        json_data({**client_json(found), "certificates": listed})
        return
    facts(
        [
            ("client", found.name),
            ("state", found.state.value),
            *(("may call", str(grant)) for grant in found.grants),
            *(
                ("certificate", f"{each.thumbprint}  {each.state(now).value}  until {day(each.not_after)}")
                for each in certificates
            ),
            *(("known by", _text(each)) for each in found.credentials if each.kind is not CredentialKind.ISSUED),
        ]
    )
    if not found.grants:
        talk("warning: it may call nothing")


def _text(each: Credential) -> str:
    return f"{each}  until {day(each.ends_at)}" if each.ends_at else str(each)

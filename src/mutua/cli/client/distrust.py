"""``mutua client distrust``."""

import click

from mutua.cli.client.record import credential_json
from mutua.cli.options import home_option, json_option
from mutua.cli.output import data, json_data
from mutua.errors import UnknownCredential
from mutua.home.home import Home


@click.command()
@click.argument("name")
@click.argument("value")
@home_option
@json_option
def distrust(home: Home, name: str, value: str, *, as_json: bool) -> None:
    """Know a client no more by something it brought; its next request with that is refused.

    VALUE is what 'mutua client show' writes: a hash, or a name. A certificate that was issued here is revoked
    instead: mutua cert revoke.

    \b
    Examples:
      mutua client distrust bank api.bank.example
      mutua client distrust bank A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0
    """
    found = [each for each in home.credentials.of(name) if each.value == value]
    if not found:
        raise UnknownCredential(f"{name[:80]!r} is not known by that", hint=f"mutua client show {name[:80]}")
    for each in found:
        home.credentials.remove(name, each)
    if as_json:
        json_data([credential_json(each) for each in found])
    else:
        data(f"{name} is not known by it any more")

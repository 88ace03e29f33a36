"""``mutua client remove``."""

import click

from mutua.cli.options import home_option, json_option
from mutua.cli.output import data, json_data, talk
from mutua.home.home import Home


@click.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Also if it is not suspended.")
@home_option
@json_option
def remove(home: Home, name: str, *, force: bool, as_json: bool) -> None:
    """Forget a client that is gone, and revoke its certificates. It cannot be taken back.

    Its next request is refused, on every connection it has. Suspend it first, and see who misses it. What was done with
    it stays in the audit trail, and its certificates stay in the inventory, as nobody's. Another client may have its
    name; that one owns nothing of all this.

    \b
    Examples:
      mutua client remove woovi
      mutua client remove woovi --force
    """
    revoked = home.clients.remove(name, force=force)
    if as_json:
        json_data({"name": name, "revoked": revoked})
        return
    data(f"{name} is removed, and certificates of its own revoked: {revoked}")
    if name in home.identities.names():
        talk(f"note:  a key of that name is still in '{home.identities.path(name)}'")

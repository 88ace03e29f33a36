"""``mutua gate serve``."""

from pathlib import Path

import click

from mutua.cli.output import talk
from mutua.cli.watching_options import watching_options
from mutua.home.home import DEFAULT_FOLDER, Home
from mutua.inbound.forward_auth.asking import ASKERS
from mutua.inbound.forward_auth.serving import serve_forward_auth
from mutua.inbound.seen.http import Address
from mutua.inbound.seen.watch import watched
from mutua.inbound.standard_streams import log_to_standard_streams


@click.command()
@click.option("--for", "asker", type=click.Choice(list(ASKERS)), required=True, help="Which proxy asks.")
@click.option("--unix", metavar="PATH", help="A Unix socket to answer on: recommended.")
@click.option("--unix-group", "group", metavar="GROUP", help="Whose members may use it too, such as the proxy's.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Without --unix, the address to answer on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 picks a free one.")
@click.option("--home", "folder", metavar="DIR", envvar="MUTUA_HOME", default=str(DEFAULT_FOLDER), show_default=True)
@click.option(
    "--loop",
    type=click.Choice(["auto", "asyncio", "uvloop"]),
    default="auto",
    show_default=True,
    help="The event loop.",
)
@watching_options
def serve(
    *,
    asker: str,
    unix: str | None,
    group: str | None,
    host: str,
    port: int,
    folder: str,
    loop: str,
    access_log: bool,
    metrics: Address | None,
    health: Address | None,
) -> None:
    """Answer a proxy that asks about each request, for an application in any language.

    nginx (auth_request), Caddy (forward_auth), Traefik (ForwardAuth) and Envoy (ext_authz) ask. Who may ask, and how
    the client's certificate stands in the question, says [forwarded] in mutua.toml. Every request is one JSON line on
    stdout, admitted or refused. docs/forward-auth.md has the settings of the proxies.

    \b
    Examples:
      mutua gate serve --for nginx --unix /run/mutua/gate.sock --unix-group www-data
      mutua gate serve --for envoy --host 10.0.0.9 --port 8000 --metrics 9100
    """
    log_to_standard_streams(access_log=access_log)
    with Home.open(folder) as home:
        known = len(home.clients.all())
    with watched(Path(folder), metrics=metrics, health=health) as places:
        for place in places:
            talk(f"mutua: for monitoring, over plain http: {place}")
        serve_forward_auth(
            asker,
            home=folder,
            unix=unix,
            group=group,
            host=host,
            port=port,
            loop=loop,
            on_start=lambda address: talk(f"mutua: answering {asker} on {address} about {known} known clients"),
        )

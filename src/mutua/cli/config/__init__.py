"""``mutua config``: settings for the proxies in front."""

import click

from mutua.cli.lazy import LazyGroup

COMMANDS = {
    "nginx": ("mutua.cli.config.nginx:nginx", "A server for nginx that ends TLS and forwards who the client is."),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def config() -> None:
    """Settings for proxies in front.

    They are complete and commented, and strip what a client could forge.

    \b
    Examples:
      mutua config nginx --server-name api.acme.example --upstream unix:/run/acme/api.sock
    """

"""``mutua ca serve``."""

import logging
import sys

import click

from mutua.cli.options import home_option
from mutua.cli.output import talk
from mutua.home.home import Home


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 picks a free one.")
@home_option
def serve(home: Home, host: str, port: int) -> None:
    """Publish CRLs, CA certificates and OCSP answers over http, until it is stopped.

    It keeps the CRLs fresh as long as it runs, and needs the passphrase for that. Certificates name the address that
    revocation_url says in mutua.toml. Plain http is right here: everything is signed, and a client that checks a
    certificate must not need another one for it.

    \b
    Examples:
      mutua ca serve
      mutua ca serve --host 0.0.0.0 --port 80
    """
    from mutua.web.server import serve_revocation  # noqa: PLC0415 -- the extra may not be installed

    logging.basicConfig(level=logging.INFO, format="mutua: %(levelname)s: %(message)s", stream=sys.stderr)
    if home.settings.revocation_url is None:
        talk("warning: certificates do not name this server yet: set revocation_url in mutua.toml")

    def started(bound: int) -> None:
        shown = f"[{host}]" if ":" in host else host
        talk(f"mutua: publishing CRLs and OCSP on http://{shown}:{bound}")

    serve_revocation(home, host=host, port=port, on_start=started)

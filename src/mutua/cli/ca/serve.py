"""``mutua ca serve``."""

import logging
import sys

import click

from mutua.cli.options import home_option
from mutua.cli.output import talk
from mutua.errors import InvalidInput
from mutua.home.home import Home
from mutua.inbound.seen.http import Address, parse_address


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 picks a free one.")
@click.option("--est", metavar="[HOST:]PORT", help="Serve EST there too, over TLS: machines enrol and renew.")
@click.option("--identity", metavar="NAME", help="With --est: who the server is, an identity in the home or a path.")
@home_option
def serve(home: Home, host: str, port: int, est: str | None, identity: str | None) -> None:
    """Publish CRLs, CA certificates and OCSP answers over http, until it is stopped.

    It keeps the CRLs fresh as long as it runs, and needs the passphrase for that. Certificates name the address that
    revocation_url says in mutua.toml. Plain http is right here: everything is signed, and a client that checks a
    certificate must not need another one for it. EST (RFC 7030) is over TLS, with a client's certificate where there is
    one; see docs/est.md.

    \b
    Examples:
      mutua ca serve
      mutua ca serve --host 0.0.0.0 --port 80
      mutua ca serve --est 0.0.0.0:8443 --identity pki.acme.example
    """
    from mutua.web.est.door import EstListener  # noqa: PLC0415 -- the extra may not be installed
    from mutua.web.server import serve_revocation  # noqa: PLC0415 -- likewise

    logging.basicConfig(level=logging.INFO, format="mutua: %(levelname)s: %(message)s", stream=sys.stderr)
    if home.settings.revocation_url is None:
        talk("warning: certificates do not name this server yet: set revocation_url in mutua.toml")

    def started(bound: int) -> None:
        talk(f"mutua: publishing CRLs and OCSP on http://{Address(host, bound)}")

    listener = None
    if (est is None) != (identity is None):
        raise InvalidInput(
            "EST needs an address and an identity", hint="mutua ca serve --est 8443 --identity pki.acme.example"
        )
    if est is not None and identity is not None:
        address = parse_address(est)

        def est_started(bound: int) -> None:
            talk(f"mutua: EST on https://{Address(address.host, bound)}")

        listener = EstListener(*address, home.identities.find(identity), est_started)
    serve_revocation(home, host=host, port=port, on_start=started, est=listener)

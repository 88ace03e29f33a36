"""``mutua cert sign``."""

from datetime import timedelta
from pathlib import Path

import click

from mutua.cli.options import home_option, json_option, lifetime_option
from mutua.cli.output import data, json_data, printable, talk
from mutua.errors import InvalidInput
from mutua.home.files import PUBLIC_FILE, write_file
from mutua.home.home import Home
from mutua.home.requests import Signed
from mutua.pki.names import parse_name
from mutua.pki.requests import MAX_REQUEST_BYTES
from mutua.tls.files import read_file


@click.command()
@click.argument("request", metavar="FILE")
@click.option("--client", metavar="NAME", help="The registered client that the certificate will prove.")
@click.option("--profile", type=click.Choice(["client", "server"]), default="client", show_default=True)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="NAME",
    help="Certify this name instead of those in the request; may be given several times.",
)
@click.option("--ca", "authority", metavar="NAME", help="The CA that signs; the one for the purpose when not given.")
@click.option("--out", metavar="FILE", help="Write the chain there instead of to stdout.")
@lifetime_option("How long it lives; as the policy and the profile say when not given.")
@home_option
@json_option
def sign(
    home: Home,
    request: str,
    client: str | None,
    profile: str,
    names: tuple[str, ...],
    authority: str | None,
    out: str | None,
    lifetime: timedelta | None,
    *,
    as_json: bool,
) -> None:
    """Certify the key of a request that somebody else made, so that the key never leaves them.

    The request proves possession of its key, and is held against the policy in mutua.toml; every rule it breaks is
    told at once. Names given here are the operator's word and need no policy. The certificate and the chain behind it
    go to stdout.

    \b
    Examples:
      mutua cert sign woovi.csr --client woovi > woovi.pem
      mutua cert sign api.csr --profile server --name api.acme.example
    """
    if out is not None and not Path(out).absolute().parent.is_dir():
        # Before anything is signed.
        raise InvalidInput(f"there is no folder for '{out}'", hint="give an --out in a folder that is there")
    signed = home.requests.sign(
        read_file(request, MAX_REQUEST_BYTES),
        profile=profile,
        client=client,
        names=[parse_name(name) for name in names] or None,
        lifetime=lifetime,
        authority=authority,
    )
    if out is not None:
        write_file(Path(out), signed.pem(), mode=PUBLIC_FILE)
    if as_json:
        json_data(_as_json(signed, out))
        return
    if out is None:
        data(signed.pem().decode().rstrip())
    for each in signed.dropped:
        talk(f"left out: {printable(each)}")
    talk(f"thumbprint {signed.thumbprint}, until {signed.certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")


def _as_json(signed: Signed, out: str | None) -> dict[str, object]:
    return {
        "thumbprint": signed.thumbprint,
        "not_after": signed.certificate.not_valid_after_utc,
        "dropped": list(signed.dropped),
        "chain": signed.pem().decode() if out is None else None,
        "file": out,
    }

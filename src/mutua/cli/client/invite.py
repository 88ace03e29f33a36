"""``mutua client invite``."""

import re
from datetime import timedelta
from pathlib import Path

import click

from mutua.cli.options import home_option, json_option, lifetime_option
from mutua.cli.output import data, day, json_data, talk
from mutua.errors import InvalidInput
from mutua.home.files import write_file
from mutua.home.home import Home
from mutua.pki.certificates import write_pem
from mutua.pki.names import parse_name
from mutua.pki.thumbprints import x5t_s256
from mutua.registry.invitations import Invitation, write_invitation

_SPAN = re.compile(r"([1-9][0-9]{0,5})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def _span(_context: click.Context, _option: click.Parameter, value: str) -> timedelta:
    found = _SPAN.fullmatch(value)
    if found is None:
        raise InvalidInput(f"{value[:40]!r} is no time to be good for", hint="such as 30m, 24h or 7d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


@click.command()
@click.argument("name")
@click.option("--profile", type=click.Choice(["client", "server"]), default="client", show_default=True)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="NAME",
    help="Certify this, whatever the request says; may be given several times. A client's own name when not given.",
)
@click.option("--expires", default="24h", show_default=True, metavar="TIME", callback=_span, help="30m, 24h, 7d.")
@click.option("--url", metavar="URL", help="The EST server, https://HOST:PORT; est_url of mutua.toml when not given.")
@click.option("--add", is_flag=True, help="Register the client if it is not there; it may call nothing then.")
@click.option("-o", "--out", metavar="FILE", help="Write it there, readable for you alone, instead of to stdout.")
@click.option("--withdraw", is_flag=True, help="Invite nobody: let no open invitation of the client be used.")
@lifetime_option("How long the certificate lives; as the policy and the profile say when not given.")
@home_option
@json_option
def invite(
    home: Home,
    name: str,
    profile: str,
    names: tuple[str, ...],
    expires: timedelta,
    url: str | None,
    out: str | None,
    lifetime: timedelta | None,
    *,
    add: bool,
    withdraw: bool,
    as_json: bool,
) -> None:
    """Let a machine have its first certificate: once, for a client, before a certain time.

    What is printed is a secret, and is printed once: only a hash of it is kept. Whoever has it types mutua enroll, or
    uses curl as docs/est.md shows. The key is made there and never leaves.

    \b
    Examples:
      mutua client invite woovi
      mutua client invite woovi --add --expires 30m -o woovi.invitation
      mutua client invite acme --profile server --name api.acme.example --days 30
      mutua client invite woovi --withdraw
    """
    if withdraw:
        count = home.invitations.withdraw(name)
        if as_json:
            json_data({"client": name, "withdrawn": count})
        else:
            data(f"withdrawn: {count} open invitation{'s' if count > 1 else ''} of {name}")
        return
    if out is not None and not Path(out).absolute().parent.is_dir():
        raise InvalidInput(f"there is no folder for '{out}'", hint="give an --out in a folder that is there")
    made = home.invitations.invite(
        name,
        url=url,
        profile=profile,
        names=[parse_name(each) for each in names],
        expires=expires,
        lifetime=lifetime,
        add=add,
    )
    line = write_invitation(made)
    if out is not None:
        write_file(Path(out), f"{line}\n".encode())
    if as_json:
        json_data(_as_json(made, line, out))
        return
    if out is None:
        data(line)
    talk(f"for {name}, once, until {day(made.expires_at)}: a {profile} certificate for {', '.join(made.names)}")
    talk(f"next, on its machine:  mutua enroll {'INVITATION' if out is None else '--file ' + Path(out).name}")


def _as_json(made: Invitation, line: str, out: str | None) -> dict[str, object]:
    return {
        "client": made.client,
        "profile": made.profile,
        "names": list(made.names),
        "expires_at": made.expires_at,
        "url": made.url,
        "anchor": x5t_s256(made.anchor),
        "ca": write_pem([made.anchor]).decode(),
        "invitation": line if out is None else None,
        "token": made.token if out is None else None,
        "file": out,
    }

"""``mutua client trust``."""

import sys
from datetime import timedelta
from pathlib import Path

import click

from mutua.cli.client.introduction import introduced, introduction_options
from mutua.cli.client.record import credential_json
from mutua.cli.client.refused import Refused
from mutua.cli.exits import ExitCode
from mutua.cli.options import home_option, json_option
from mutua.cli.output import data, facts, json_data, printable, talk
from mutua.errors import InvalidInput
from mutua.home.credentials import OVERLAP
from mutua.home.home import Home
from mutua.pki.certificates import read_certificates
from mutua.pki.dn import DistinguishedName
from mutua.registry.credentials import StalePolicy
from mutua.registry.partners import Introduction


@click.command()
@click.argument("name")
@introduction_options
@click.option("--replace", is_flag=True, help="Let what it was known by before end after --overlap.")
@click.option(
    "--overlap",
    type=click.IntRange(min=0, max=365),
    default=OVERLAP.days,
    show_default=True,
    metavar="DAYS",
    help="With --replace: for how long both count.",
)
@click.option("--dry-run", is_flag=True, help="Show what would count, and change nothing.")
@click.option("--yes", is_flag=True, help="With --refused: do not ask.")
@home_option
@json_option
def trust(
    home: Home,
    name: str,
    cert: Path | None,
    spki: Path | None,
    ca: Path | None,
    refused: str | None,
    overlap: int,
    crls: tuple[str, ...],
    stale_crl: str,
    *,
    by_key: bool,
    replace: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    **names: str | None,
) -> ExitCode:
    """Know a client by a certificate, a key or a CA that it brings.

    For partners whose certificates come from ICP-Brasil, from a bank's CA or from themselves. What will count is shown
    first. A CA is known by its key, never by its name. With --refused it is what somebody has shown to a gate that
    still runs; you are asked before it counts.

    \b
    Examples:
      mutua client trust bank --cert bank.pem
      mutua client trust bank --ca bank-ca.pem --san-dns api.bank.example
      mutua client trust bank --ca icp.pem --subject-dn "CN=bank,O=Bank S.A.,C=BR"
      mutua client trust bank --ca bank-ca.pem --san-dns api.bank.example --crl http://pki.bank.example/ca.crl
      mutua client trust bank --cert bank-2027.pem --replace --overlap 14
      mutua client trust bank --refused 1f0c2ab9d3e4
    """
    home.clients.require(name)
    seen = Refused.find(home, refused) if refused is not None else None
    introduction = introduced(
        home, cert, spki, ca, refused=seen, by_key_alone=by_key, crls=crls, stale_crl=stale_crl, **names
    )
    if not as_json:
        facts([*(seen.shown() if seen else ()), *_shown(introduction)])
    for warning in (*(seen.warnings(name) if seen else ()), *introduction.warnings):
        talk(f"warning: {printable(warning)}")
    if dry_run:
        if as_json:
            json_data(credential_json(introduction.credential))
        talk("nothing was changed")
        return ExitCode.OK
    if seen and not yes and not _is_confirmed(name):
        talk("nothing was changed")
        return ExitCode.NEGATIVE
    added = home.credentials.add(name, introduction, replace=replace, overlap=timedelta(days=overlap))
    if as_json:
        json_data(credential_json(added))
    else:
        data(f"{name} is known by it from now on")
    if not home.clients.get(name).grants:
        talk(f'warning: {name} may call nothing yet: mutua client grant {name} --allow "GET /status"')
    return ExitCode.OK


def _is_confirmed(name: str) -> bool:
    if not sys.stdin.isatty():
        raise InvalidInput(
            "there is nobody to ask whether that is right", hint="look with --dry-run, and then give --yes"
        )
    return click.confirm(f"Is that {name}?", err=True)


def _shown(introduction: Introduction) -> list[tuple[str, str]]:
    credential = introduction.credential
    shown = [("counts", f"{credential.form.value} {credential.value}")]
    if credential.authority:
        shown.append(("below the key", credential.authority))
    for each in introduction.certificates:
        (certificate,) = read_certificates(each.der)
        subject = str(DistinguishedName.of(certificate.subject)) or "without a name"
        shown.append((each.role.value, f"{subject}, until {certificate.not_valid_after_utc:%Y-%m-%d}"))
    for source in introduction.crls:
        becomes = "is refused" if source.stale is StalePolicy.REFUSE else "is let in, with a warning"
        shown.append(("crl", f"{source.url}: while it is stale, whoever it is about {becomes}"))
    return shown

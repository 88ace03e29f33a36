"""``mutua call``."""

import sys
from pathlib import Path

import click

from mutua.cli.exits import ExitCode
from mutua.cli.options import json_option, password_from
from mutua.cli.output import json_data, printable, talk
from mutua.doctor.call import Stage, diagnose
from mutua.doctor.findings import Finding
from mutua.errors import InvalidInput
from mutua.home.home import DEFAULT_FOLDER, Home
from mutua.home.identities import Identities
from mutua.outbound.call import CallResult
from mutua.outbound.call import call as call_url
from mutua.tls.identity import Identity
from mutua.tls.trust import Trust


@click.command()
@click.argument("url")
@click.option("--identity", metavar="NAME|FILE", help="Who we are: an identity of the home, a PEM or a PKCS#12 file.")
@click.option("--key", metavar="FILE", help="The private key, where it is not in the identity's file.")
@click.option("--password-file", metavar="FILE", help="Opens an encrypted key or PKCS#12 file.")
@click.option(
    "--trust",
    metavar="home|system|FILE",
    help="Who may vouch for the server: the home's CAs, the system's, or a bundle. "
    "When not given: the home's for an identity of the home, otherwise the system's.",
)
@click.option("-X", "--method", default="GET", show_default=True)
@click.option("--timeout", type=click.FloatRange(min=0.1), default=10.0, show_default=True, help="Seconds a step.")
@click.option("--home", "folder", metavar="DIR", envvar="MUTUA_HOME", default=str(DEFAULT_FOLDER), show_default=True)
@json_option
def call(
    url: str,
    identity: str | None,
    key: str | None,
    password_file: str | None,
    trust: str | None,
    method: str,
    timeout: float,
    folder: str,
    *,
    as_json: bool,
) -> int:
    """Make one request as an identity. When it fails, say who refused whom, why, and what to do.

    The answer's body goes to stdout. Exits with 0 for an answer below 400, 1 when somebody refused, 5 when
    the network failed.

    \b
    Examples:
      mutua call https://api.bank.example/pix --identity bank.p12 --trust system
      mutua call https://api.bank.example/pix --identity chain.pem --key key.pem --trust bank-ca.pem
      mutua call https://127.0.0.1:8443/status --identity woovi
    """
    who, is_of_home = _identity(identity, key, password_from(password_file), Path(folder))
    result = call_url(
        url,
        identity=who,
        trust=_trust(trust, Path(folder), is_of_home=is_of_home),
        method=method.upper(),
        timeout=timeout,
    )
    findings = diagnose(result.observation)
    if as_json:
        json_data(_as_json(result, findings))
    else:
        _tell(result, findings, who)
    return _exit_code(result)


def _identity(name: str | None, key: str | None, password: bytes | None, folder: Path) -> tuple[Identity | None, bool]:
    """The identity, and whether it is one of the home's."""
    if name is None:
        if key is not None or password is not None:
            raise InvalidInput("--key and --password-file need --identity", hint="give --identity FILE")
        return None, False
    # The identities' folder alone: a call with what a bank sent needs no registry, and no store that works.
    identities = Identities(folder / "identities")
    path = identities.find(name)
    return Identity.load(path, key=key, password=password), path.is_relative_to(identities.folder)


def _trust(text: str | None, folder: Path, *, is_of_home: bool) -> Trust:
    if text == "home" or (text is None and is_of_home):
        with Home.open(folder) as home:
            return home.trust
    return Trust.system() if text in {None, "system"} else Trust.load(str(text))


def _exit_code(result: CallResult) -> ExitCode:
    seen = result.observation
    if result.status is not None:
        return ExitCode.OK if result.status < 400 else ExitCode.NEGATIVE
    refused = seen.alert is not None or seen.verify_code is not None or seen.closed
    return ExitCode.NEGATIVE if refused and seen.stage is not Stage.CONNECT else ExitCode.NETWORK


def _tell(result: CallResult, findings: tuple[Finding, ...], who: Identity | None) -> None:
    if result.status is not None:
        shown = f" as {who.thumbprint}" if who else " without a certificate"
        talk(f"{result.status} {printable(result.reason)}  {result.tls_version}{shown}")
        sys.stdout.buffer.write(result.body)
        if sys.stdout.isatty() and not result.body.endswith(b"\n"):
            sys.stdout.buffer.write(b"\n")
        sys.stdout.buffer.flush()
    for finding in findings:
        talk(f"refused by {finding.refused_by.value}: {printable(finding.summary)} [{finding.code}]")
        talk(f"  cause:  {printable(finding.cause)}")
        talk(f"  remedy: {printable(finding.remedy)}")


def _as_json(result: CallResult, findings: tuple[Finding, ...]) -> dict[str, object]:
    seen = result.observation
    return {
        "status": result.status,
        "headers": [list(pair) for pair in result.headers],
        "body": result.body.decode("utf-8", "replace"),
        "tls_version": result.tls_version or None,
        "stage": seen.stage.value,
        "alert": seen.alert,
        "verify_code": seen.verify_code,
        "error": seen.error or None,
        "findings": [
            {
                "code": finding.code,
                "refused_by": finding.refused_by.value,
                "summary": finding.summary,
                "cause": finding.cause,
                "remedy": finding.remedy,
            }
            for finding in findings
        ],
    }

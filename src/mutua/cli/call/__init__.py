"""``mutua call``."""

from pathlib import Path

import click

from mutua.cli.call.asking import as_request
from mutua.cli.call.record import record
from mutua.cli.call.saying import Output
from mutua.cli.call.who import identity_from, trust_from
from mutua.cli.exits import ExitCode
from mutua.cli.options import json_option
from mutua.cli.output import json_data
from mutua.doctor.call import Stage, diagnose
from mutua.home.home import DEFAULT_FOLDER
from mutua.outbound.call import CallResult
from mutua.outbound.call import call as call_url


@click.command()
@click.argument("url")
@click.option("--identity", metavar="NAME|FILE", help="Who we are: an identity of the home, a file, or a folder.")
@click.option("--key", metavar="FILE", help="The private key, where it is not in the identity's file.")
@click.option("--password-file", metavar="FILE", help="Opens an encrypted key or PKCS#12 file; a prompt otherwise.")
@click.option(
    "--trust",
    metavar="home|system|FILE",
    help="Who may vouch for the server: the home's CAs, the system's, or a bundle. "
    "When not given: the home's for an identity of the home, otherwise the system's.",
)
@click.option("-X", "--method", help="GET, or POST where there is a body, when not given.")
@click.option(
    "-H", "--header", "headers", multiple=True, metavar="LINE|@FILE", help="'Name: value', or a file of them."
)
@click.option("-d", "--data", metavar="TEXT|@FILE|-", help="The body: this text, a file, or stdin.")
@click.option("--data-json", metavar="TEXT|@FILE|-", help="The same for JSON: it is looked at, and its type is said.")
@click.option("--http2", is_flag=True, help="Speak HTTP/2, and nothing else.")
@click.option("-i", "--include", is_flag=True, help="Print the answer's headers before its body.")
@click.option("-o", "--out", metavar="FILE", help="Write what would be printed into a new file.")
@click.option("--force", is_flag=True, help="With --out: replace a file that is there.")
@click.option("--fail", is_flag=True, help="Print nothing of an answer of 400 and above.")
@click.option("--timing", is_flag=True, help="Show how long each step took; --json always has it.")
@click.option("-v", "--verbose", is_flag=True, help="Show timing, TLS, and the certificates that went either way.")
@click.option("--timeout", type=click.FloatRange(min=0.1), default=10.0, show_default=True, help="Seconds a step.")
@click.option("--home", "folder", metavar="DIR", envvar="MUTUA_HOME", default=str(DEFAULT_FOLDER), show_default=True)
@json_option
def call(
    url: str,
    identity: str | None,
    key: str | None,
    password_file: str | None,
    trust: str | None,
    method: str | None,
    headers: tuple[str, ...],
    data: str | None,
    data_json: str | None,
    out: str | None,
    timeout: float,
    folder: str,
    *,
    http2: bool,
    include: bool,
    force: bool,
    fail: bool,
    timing: bool,
    verbose: bool,
    as_json: bool,
) -> ExitCode:
    """Make one request as an identity. When it fails, say who refused whom, why, and what to do.

    The answer's body goes to stdout. Redirects are shown and never followed: an identity is for the server it was meant
    for. Exits with 0 for an answer below 400, 1 when somebody refused, 5 when the network failed.

    \b
    Examples:
      mutua call https://api.bank.example/pix --identity bank.p12 --trust system
      mutua call https://api.bank.example/pix --identity chain.pem --key key.pem --trust bank-ca.pem
      mutua call https://api.bank.example/pix --identity bank.p12 --data-json @pix.json -H @token.txt
      mutua call https://127.0.0.1:8443/status --identity woovi -v
    """
    output = Output(out, include=include, force=force, fail=fail, verbose=verbose, timing=timing)
    request = as_request(method, headers, data, data_json)
    who, is_of_home = identity_from(identity, key, password_file, Path(folder))
    result = call_url(
        url,
        identity=who,
        trust=trust_from(trust, Path(folder), is_of_home=is_of_home),
        request=request,
        http2=http2,
        timeout=timeout,
    )
    findings = diagnose(result.observation)
    output.save(result)
    if as_json:
        json_data(record(result, findings, who))
    else:
        output.tell(result, findings, who, request)
    return _exit_code(result)


def _exit_code(result: CallResult) -> ExitCode:
    seen = result.observation
    if result.answer is not None:
        complete = result.answer.status < 400 and not result.answer.truncated
        return ExitCode.OK if complete else ExitCode.NEGATIVE
    refused = seen.alert is not None or seen.verify_code is not None or seen.closed
    return ExitCode.NEGATIVE if refused and seen.stage is not Stage.CONNECT else ExitCode.NETWORK

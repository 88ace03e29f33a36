"""``mutua gate check``."""

import math
from urllib.parse import quote, unquote

import click

from mutua.cli.exits import ExitCode
from mutua.cli.gate.trial import try_live
from mutua.cli.options import home_option, json_option
from mutua.cli.output import data, json_data, printable, talk
from mutua.errors import InvalidInput
from mutua.gate.decision import Identified, Refusal, Request, authorize
from mutua.gate.snapshot import standing_of
from mutua.home.home import Home
from mutua.reasons import Reason
from mutua.registry.clients import Client, ClientState, KnownClient
from mutua.registry.credentials import CredentialKind
from mutua.registry.grants import Grant, compile_grants
from mutua.store.inventory import CertificateState

_AS_SENT = "/-._~!$&'()*+,;=:@%"
"""What of a path goes over the wire as it is typed (RFC 3986 section 3.3); the rest is escaped, as clients do."""


@click.command()
@click.argument("name")
@click.argument("request", metavar='["METHOD PATH"]', required=False)
@click.option("--allow", metavar='"METHODS PATH"', multiple=True, help="As if it had this grant, and only those given.")
@click.option("--report-only", is_flag=True, help="Watch what runs: which of its requests would those grants refuse?")
@click.option(
    "--for", "seconds", metavar="SECONDS", type=click.FloatRange(min=0), help="How long to watch; until Ctrl-C."
)
@home_option
@json_option
def check(
    home: Home,
    name: str,
    request: str | None,
    allow: tuple[str, ...],
    seconds: float | None,
    *,
    report_only: bool,
    as_json: bool,
) -> ExitCode:
    """Say whether a client may make a request, or what other grants would refuse it.

    With a request, the registry is asked: is the client active, and does a grant cover it? The exit code is 1 when it
    may not.

    With --report-only the gates that run on this machine are asked to look at what the client really does. It goes on
    being admitted as before, and every request that the grants given with --allow would refuse is shown: when it comes
    first, the 10th time, the 100th and so on, and how often it came at the end. Processes that start meanwhile are
    joined. Only grants are tried, never who it is. The exit code is 1 if anything would have been refused.

    What the settings call public needs no grant, here as there.

    \b
    Examples:
      mutua gate check woovi "POST /webhook/pix"
      mutua gate check woovi "GET /balance" --allow "GET /*"
      mutua gate check woovi --allow "POST /webhook/pix" --report-only
      mutua gate check woovi --allow "GET /v2/**" --report-only --for 3600 --json
    """
    client = home.clients.get(name)
    grants = tuple(dict.fromkeys(map(Grant.parse, allow)))
    public = home.settings.public
    if report_only:
        if request is not None or not grants:
            raise InvalidInput(
                "--report-only waits for requests, and needs the grants to try",
                hint=f'mutua gate check {name} --allow "GET /v1/*" --report-only',
            )
        return try_live(home.path, name, (*grants, *public), seconds, as_json=as_json)
    if request is None or seconds is not None:
        raise InvalidInput(
            "give the request to check, or --report-only to watch", hint=f'mutua gate check {name} "GET /status"'
        )
    return _check(home, client, _request(request), (*(grants or client.grants), *public), as_json=as_json)


def _check(home: Home, client: Client, request: Request, grants: tuple[Grant, ...], *, as_json: bool) -> ExitCode:
    refusal = _refusal(client, request, grants)
    covering = None if refusal else next(each for each in grants if _covers(each, request))
    if as_json:
        json_data(
            {
                "client": client.name,
                "method": request.method,
                "path": request.path,
                "allowed": refusal is None,
                "grant": covering and str(covering),
                "reason": refusal and refusal.reason.value,
                "detail": refusal and refusal.detail,
            }
        )
    else:
        asked = printable(f"{request.method} {request.path}")
        if refusal is None:
            data(f"{client.name} may {asked}: {covering}")
        else:
            data(f"{client.name} may not {asked}: {refusal.reason.value}, {printable(refusal.detail)}")
    if refusal is None and not _can_prove_itself(home, client):
        talk(f"warning: {client.name} has no certificate that counts now: mutua client show {client.name}")
    return ExitCode.OK if refusal is None else ExitCode.NEGATIVE


def _request(text: str) -> Request:
    """Read ``METHOD PATH``, as it would be sent; a query never matters.

    Raises:
        InvalidInput: it is not both.
    """
    method, _, target = text.strip().partition(" ")
    sent = quote(target.strip().partition("?")[0], safe=_AS_SENT)
    if not method or not sent:
        raise InvalidInput(
            f"{text[:80]!r} is no request", hint='write a method and a path, such as "POST /webhook/pix"'
        )
    return Request(method.upper(), unquote(sent), sent.encode("ascii"))


def _refusal(client: Client, request: Request, grants: tuple[Grant, ...]) -> Refusal | None:
    """What the gate would say, the client's certificate being good."""
    if client.state is ClientState.SUSPENDED:
        return Refusal(Reason.SUSPENDED, "the client is suspended", client.name)
    known = KnownClient(client.name, "", CredentialKind.ISSUED)
    decision = authorize(Identified(known, standing_of(False, grants), math.inf), request)  # noqa: FBT003 -- positional
    return decision if isinstance(decision, Refusal) else None


def _covers(grant: Grant, request: Request) -> bool:
    pattern = compile_grants((grant,), request.method)
    return pattern is not None and pattern.fullmatch(request.path) is not None


def _can_prove_itself(home: Home, client: Client) -> bool:
    now = home.now()
    if any(
        each.kind is not CredentialKind.ISSUED and not (each.ends_at and each.ends_at < now)
        for each in client.credentials
    ):
        return True
    return any(True for _ in home.authority.certificates(client=client.name, state=CertificateState.VALID))

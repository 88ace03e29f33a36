"""``mutua client crls``."""

import click

from mutua.cli.exits import ExitCode
from mutua.cli.options import home_option, json_option
from mutua.cli.output import day, json_data, printable, table, talk
from mutua.home.client_crls import ClientCrls
from mutua.home.foreign_crls import CrlCondition, CrlState, ForeignCrls
from mutua.home.home import Home


@click.command()
@click.option("--fetch", is_flag=True, help="Fetch all of them first, instead of waiting for a running server.")
@home_option
@json_option
def crls(home: Home, *, fetch: bool, as_json: bool) -> ExitCode:
    """Show the CRLs of partners' CAs, and how old they are.

    The exit code is 1 if any of them is stale or was never fetched.

    \b
    Examples:
      mutua client crls
      mutua client crls --fetch
    """
    foreign = ForeignCrls(home)
    if fetch:
        foreign.fetch_due(anyway=True)
        ClientCrls(home).write()
    states = foreign.states()
    if as_json:
        json_data([crl_json(each) for each in states])
    elif states:
        table(["CRL", "STATE", "NUMBER", "LISTS", "GOOD UNTIL", "WHILE STALE"], map(_row, states))
    else:
        talk("no certificate of a partner names a CRL, and none was given: mutua client trust NAME --ca FILE --crl URL")
    for each in states:
        if each.fetched and each.fetched.error:
            talk(f"warning: {printable(each.source.url)}: {printable(each.fetched.error)}")
    return ExitCode.OK if all(each.condition is CrlCondition.CURRENT for each in states) else ExitCode.NEGATIVE


def crl_json(state: CrlState) -> dict[str, object]:
    """An address for ``--json``, here and in ``mutua status``."""
    fetched = state.fetched
    return {
        "url": state.source.url,
        "condition": state.condition.value,
        "stale_crl": state.source.stale.value,
        "authority": fetched.authority if fetched else None,
        "number": fetched.number if fetched else None,
        "entries": fetched.entries if fetched else None,
        "this_update": fetched.this_update if fetched else None,
        "next_update": fetched.next_update if fetched else None,
        "fetched_at": fetched.fetched_at if fetched else None,
        "tried_at": fetched.tried_at if fetched else None,
        "error": fetched.error if fetched else None,
    }


def _row(state: CrlState) -> tuple[str, ...]:
    fetched = state.fetched
    if fetched is None or fetched.next_update is None:
        return state.source.url, state.condition.value, "", "", "", state.source.stale.value
    lists = str(fetched.entries)
    number, until = fetched.number or "none", day(fetched.next_update)
    return state.source.url, state.condition.value, number, lists, until, state.source.stale.value

"""``mutua agent status``."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import click

from mutua.agent.memory import Memories
from mutua.agent.status import IdentityStatus, status_of
from mutua.cli.agent.watched import config_option, identity_option, settings_reader
from mutua.cli.exits import ExitCode
from mutua.cli.options import json_option
from mutua.cli.output import day, json_data, printable, table, talk


@click.command()
@config_option
@identity_option
@json_option
def status(config: str | None, identities: tuple[str, ...], *, as_json: bool) -> int:
    """Show the identities that are watched. It asks nobody, and changes nothing.

    It ends with 1 if an identity cannot be read, has ended, ends within a week while nobody renews it, or if its
    renewal or a hook fails.

    \b
    Examples:
      mutua agent status
      mutua agent status --config /etc/mutua/mutua-agent.toml --json
    """
    settings, now = settings_reader(config, identities)(), datetime.now(UTC)
    memories = Memories(settings.state)
    return show([status_of(each, memories.recall(each.path), now) for each in settings.identities], as_json=as_json)


def show(statuses: Sequence[IdentityStatus], *, as_json: bool) -> int:
    """Print them; the exit code says whether all is well."""
    now = datetime.now(UTC)
    if as_json:
        json_data({"identities": [_as_json(each, now) for each in statuses]})
    else:
        table(("IDENTITY", "STATE", "UNTIL", "DAYS", "NEXT RENEWAL"), [_row(each, now) for each in statuses])
        for each in statuses:
            if each.error:
                talk(f"{printable(each.name)}: {printable(each.error)}")
    return ExitCode.OK if all(each.state(now) == "ok" for each in statuses) else ExitCode.NEGATIVE


def _row(each: IdentityStatus, now: datetime) -> Sequence[str]:
    until, days = "-", "-"
    if each.not_after is not None:
        until, days = day(each.not_after), f"{(each.not_after - now) / timedelta(days=1):.1f}"
    following = day(each.next_at) if each.next_at is not None else "-" if each.renewed else "reported only"
    return (each.name, each.state(now), until, days, following)


def _as_json(each: IdentityStatus, now: datetime) -> dict[str, object]:
    return {
        "name": each.name,
        "path": each.path,
        "state": each.state(now),
        "renewed": each.renewed,
        "thumbprint": each.thumbprint or None,
        "names": list(each.names),
        "not_after": each.not_after,
        "days": None if each.not_after is None else round((each.not_after - now) / timedelta(days=1), 3),
        "next_at": each.next_at,
        "succeeded_at": each.succeeded_at,
        "renewals": each.renewals,
        "failures": each.failures,
        "hook_failures": each.hook_failures,
        "error": each.error or None,
    }

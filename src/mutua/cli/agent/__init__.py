"""``mutua agent``: identities that are kept renewed."""

import logging
import signal
import sys

import click

from mutua.cli.agent.watched import config_option, identity_option, settings_reader
from mutua.cli.exits import ExitCode
from mutua.cli.lazy import LazyGroup
from mutua.cli.options import json_option
from mutua.cli.output import talk

COMMANDS = {
    "status": ("mutua.cli.agent.status:status", "Show the identities that are watched, and what is wrong with them."),
}


@click.group(cls=LazyGroup, table=COMMANDS, invoke_without_command=True)
@config_option
@identity_option
@click.option("--once", is_flag=True, help="Do what is due now, show the identities, and end: for cron.")
@click.option("--metrics", metavar="ADDRESS", help="Serve metrics for Prometheus there: 9102, or 0.0.0.0:9102.")
@json_option
@click.pass_context
def agent(
    context: click.Context,
    config: str | None,
    identities: tuple[str, ...],
    metrics: str | None,
    *,
    once: bool,
    as_json: bool,
) -> int:
    """Keep identities renewed.

    It runs until it is stopped. What `mutua enroll` has made is renewed after two thirds of its life, and tried again
    for as long as it lives; any other file is reported. Hooks are run after a change, and somebody is warned 30, 14, 7
    and 1 days before an end that nobody prevents. SIGHUP has it read its settings again. With --once it ends with 1 if
    something is wrong.

    \b
    Examples:
      mutua agent
      mutua agent --config /etc/mutua/mutua-agent.toml --metrics 9102
      mutua agent --identity /etc/mutua/woovi --once
      mutua agent status --json
    """
    if context.invoked_subcommand is not None:
        return ExitCode.OK
    from mutua.agent.agent import Agent  # noqa: PLC0415 -- `mutua agent --help` stays quick
    from mutua.agent.running import run  # noqa: PLC0415 -- likewise
    from mutua.cli.agent.status import show  # noqa: PLC0415 -- likewise
    from mutua.inbound.seen.http import Address, parse_address  # noqa: PLC0415 -- likewise

    logging.basicConfig(level=logging.INFO, format="mutua: %(levelname)s: %(message)s", stream=sys.stderr)
    read, address = settings_reader(config, identities), None if metrics is None else parse_address(metrics)
    if once:
        worker = Agent(read())
        worker.look()
        return show(worker.statuses, as_json=as_json)

    def started(at: Address | None) -> None:
        talk("mutua: watching" + (f", metrics on http://{at}/metrics" if at is not None else ""))

    ended = run(read, metrics=address, on_start=started)
    return ExitCode.INTERRUPTED if ended is signal.SIGINT else ExitCode.OK

"""What every command that serves has for those who watch it."""

import click

from mutua.cli.options import F
from mutua.inbound.seen.http import Address, parse_address


def watching_options(function: F) -> F:
    """``--access-log``, ``--metrics`` and ``--health``: given to the command as a bool and two addresses."""
    access_log = click.option(
        "--access-log/--no-access-log",
        default=True,
        help="A line on stdout for each admitted request; refusals always have one.",
    )
    metrics = click.option(
        "--metrics",
        metavar="[HOST:]PORT",
        callback=_address,
        help="GET /metrics there, over plain http: what every worker of the home sees, for Prometheus.",
    )
    health = click.option(
        "--health",
        metavar="[HOST:]PORT",
        callback=_address,
        help="GET /healthz and /readyz there, over plain http, for probes.",
    )
    return access_log(metrics(health(function)))


def _address(_context: click.Context, _option: click.Parameter, value: str | None) -> Address | None:
    return None if value is None else parse_address(value)

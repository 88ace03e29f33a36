"""``mutua gate``: what the gates that run have decided."""

import click

from mutua.cli.lazy import LazyGroup

COMMANDS = {
    "refusals": ("mutua.cli.gate.refusals:refusals", "Show who was refused lately, and why."),
    "check": (
        "mutua.cli.gate.check:check",
        "Say whether a client may make a request, or what other grants would refuse.",
    ),
    "serve": ("mutua.cli.gate.serve:serve", "Answer a proxy that asks about each request."),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def gate() -> None:
    """The gates that run.

    \b
    Examples:
      mutua gate refusals
      mutua gate refusals --follow
      mutua gate check woovi "POST /webhook/pix"
      mutua gate serve --for nginx --unix /run/mutua/gate.sock --unix-group www-data
    """

"""The command line: ``noun verb``, and a few bare verbs for the main job."""

import sys
import traceback

import click

import mutua
from mutua.cli.exits import ExitCode, exit_code
from mutua.cli.lazy import LazyGroup
from mutua.errors import MutuaError

COMMANDS = {
    "demo": ("mutua.cli.demo:demo", "The whole story once, on this machine, against real clients."),
    "init": ("mutua.cli.init:init", "Make a home: root, issuing CA, empty registry."),
    "serve": ("mutua.cli.serve:serve", "Serve an ASGI application to known clients only."),
    "call": ("mutua.cli.call:call", "Make one request as an identity; explained when it fails."),
    "status": ("mutua.cli.status:status", "Show what one looks at at three in the morning, and what to type."),
    "gate": ("mutua.cli.gate:gate", "The gates that run: refusals, check, serve."),
    "client": ("mutua.cli.client:client", "The known clients: add, trust, grant, list, suspend, ..."),
    "cert": ("mutua.cli.cert:cert", "Certificates: issue, sign, list, revoke, inspect, verify, ..."),
    "ca": ("mutua.cli.ca:ca", "The CAs: show, add, rotate, export, import, crl, serve, ..."),
    "enroll": ("mutua.cli.enroll:enroll", "Get this machine its first certificate, with an invitation."),
    "agent": ("mutua.cli.agent:agent", "Keep identities renewed: status."),
    "config": ("mutua.cli.config:config", "Settings for proxies in front: nginx."),
    "audit": ("mutua.cli.audit:audit", "The audit trail: verify, checkpoint, export, tail."),
}


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(mutua.__version__, message="mutua %(version)s")
def cli() -> None:
    """Mutual TLS: only known clients get in.

    \b
    Examples:
      mutua demo                                        see it work, here and now
      mutua init "Acme Payments"                        make an authority and a registry
      mutua client add woovi --allow "POST /webhook/*"  register a client
      mutua cert issue server api.acme.example          a certificate for your server
      mutua cert issue client woovi                     and one for your client
      mutua serve main:app --identity api.acme.example  let it in, and nobody else
      mutua call https://api.bank.example --identity bank.p12 --trust system
    """


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; every failure becomes three lines on stderr and an exit code."""
    stdout = sys.stdout
    try:
        result = cli.main(arguments, prog_name="mutua", standalone_mode=False)
    except MutuaError as error:
        complain(error.message, error.hint, f"docs/errors.md#{error.code}")
        return exit_code(error)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return ExitCode.USAGE
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "mutua"
        complain(" ".join(error.format_message().split()), f"{command} --help", "docs/cli.md")
        return ExitCode.USAGE
    except click.ClickException as error:
        complain(error.format_message(), "mutua --help", "docs/cli.md")
        return ExitCode.UNREADABLE
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except SystemExit:
        # Whoever reads our output has enough, as `head` has: click puts another stdout in place and exits with 1.
        if sys.stdout is not stdout:
            return ExitCode.OK
        raise
    except Exception as error:  # noqa: BLE001 -- the last line of defence
        traceback.print_exc()
        complain(f"a bug in mutua: {type(error).__name__}", "report it with the lines above", "docs/errors.md#bug")
        return ExitCode.BUG
    return result if isinstance(result, int) else ExitCode.OK


def complain(message: str, hint: str, docs: str) -> None:
    """The three lines of an error."""
    from mutua.cli.output import printable  # noqa: PLC0415 -- keeps `mutua --version` quick

    click.echo(f"error: {printable(message)}", err=True)
    click.echo(f"hint:  {printable(hint)}", err=True)
    click.echo(f"docs:  {docs}", err=True)


def run() -> None:
    """The console script."""
    sys.exit(main())

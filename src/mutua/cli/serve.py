"""``mutua serve``."""

import logging
import sys
from pathlib import Path

import click

from mutua.cli.output import talk
from mutua.errors import InvalidInput, MissingExtra
from mutua.home.home import DEFAULT_FOLDER, Home
from mutua.inbound.application import load_application


@click.command()
@click.argument("app")
@click.option(
    "--identity", required=True, metavar="NAME", help="Who the server is: an identity of the home, or a path."
)
@click.option("--home", "folder", metavar="DIR", envvar="MUTUA_HOME", default=str(DEFAULT_FOLDER), show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8443, show_default=True, help="0 picks a free one.")
@click.option("--loop", type=click.Choice(["auto", "asyncio", "uvloop"]), default="auto", show_default=True)
@click.option("--reload", is_flag=True, help="For development: start again when a file below this folder changes.")
@click.option(
    "--access-log/--no-access-log",
    default=True,
    help="A line on stdout for each admitted request; refusals always have one.",
)
def serve(
    app: str, identity: str, folder: str, host: str, port: int, loop: str, *, reload: bool, access_log: bool
) -> None:
    """Serve an ASGI application over mutual TLS, to known clients only.

    APP is module:attribute. Every request is one JSON line on stdout, admitted or refused; a refusal has its
    reason. A renewed identity and every change of the registry are picked up while it runs. SIGTERM and Ctrl-C
    stop it when the requests under way are answered.

    \b
    Examples:
      mutua serve main:app --identity api.acme.example
      mutua serve main:app --identity api.acme.example --host 0.0.0.0 --port 443
      mutua serve main:app --identity api.acme.example --reload
    """
    if reload:
        if port == 0:
            raise InvalidInput("--reload needs a fixed port", hint="give --port 8443")
        _serve_and_reload(app, identity, folder, host, port, loop, access_log)
    else:
        serve_once(app, identity, folder, host, port, loop, access_log)


def serve_once(
    app: str,
    identity: str,
    folder: str,
    host: str,
    port: int,
    loop: str,
    access_log: bool,  # noqa: FBT001
) -> None:
    """Serve until stopped."""
    from mutua.inbound.uvicorn import serve as serve_application  # noqa: PLC0415 -- the extra may not be installed

    _log_to_standard_streams(access_log=access_log)
    with Home.open(folder) as home:
        application = load_application(app)
        known = len(home.clients.all())

        def started(bound: int) -> None:
            shown = f"[{host}]" if ":" in host else host
            talk(f"mutua: serving {app} on https://{shown}:{bound} to {known} known clients")

        serve_application(application, identity=identity, home=home, host=host, port=port, loop=loop, on_start=started)


def _serve_and_reload(
    app: str,
    identity: str,
    folder: str,
    host: str,
    port: int,
    loop: str,
    access_log: bool,  # noqa: FBT001
) -> None:
    try:
        import watchfiles  # noqa: PLC0415 -- the extra may not be installed
    except ImportError:
        raise MissingExtra("--reload needs watchfiles", hint="pip install 'mutua[serve]'") from None
    here = Path.cwd()
    talk(f"mutua: watching {here} for changes")
    watchfiles.run_process(
        here,
        target=_serve_in_child,
        args=(app, identity, folder, host, port, loop, access_log),
        watch_filter=watchfiles.PythonFilter(),
        callback=lambda changes: talk(f"mutua: {len(changes)} changes, starting again"),
    )


def _serve_in_child(*arguments: object) -> None:
    """What the reloader runs: a broken application is told of and waits for its mending."""
    from mutua.cli import complain  # noqa: PLC0415
    from mutua.errors import MutuaError  # noqa: PLC0415

    try:
        serve_once(*arguments)  # type: ignore[arg-type]
    except MutuaError as error:
        complain(error.message, error.hint, f"docs/errors.md#{error.code}")
    except KeyboardInterrupt:
        pass


def _log_to_standard_streams(*, access_log: bool) -> None:
    lines = logging.StreamHandler(sys.stdout)
    lines.setFormatter(logging.Formatter("%(message)s"))
    access = logging.getLogger("mutua.access")
    access.handlers, access.propagate = [lines], False
    access.setLevel(logging.INFO if access_log else logging.WARNING)
    logging.basicConfig(level=logging.WARNING, format="mutua: %(levelname)s: %(message)s", stream=sys.stderr)
    logging.getLogger("mutua").setLevel(logging.INFO)

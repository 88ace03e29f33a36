"""``mutua serve``."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from mutua.cli.output import talk
from mutua.cli.watching_options import watching_options
from mutua.errors import InvalidInput, MissingExtra
from mutua.home.home import DEFAULT_FOLDER, Home
from mutua.inbound.behind_proxy import serve as serve_behind_proxy
from mutua.inbound.seen.http import Address
from mutua.inbound.seen.watch import watched
from mutua.inbound.serving import MAX_WORKERS, SERVERS
from mutua.inbound.serving import serve as serve_application
from mutua.inbound.standard_streams import lock_file, log_to_standard_streams


@dataclass(frozen=True, kw_only=True)
class Options:
    """What was given on the command line."""

    app: str
    identity: str | None
    unix: str | None
    unix_group: str | None
    folder: str
    host: str
    port: int
    server: Any
    workers: int
    worker: str
    loop: str
    access_log: bool
    metrics: Address | None
    health: Address | None


@click.command()
@click.argument("app")
@click.option("--identity", metavar="NAME", help="Who the server is: an identity of the home, or a path.")
@click.option(
    "--unix", metavar="PATH", help="Behind a proxy that ends TLS: a Unix socket instead of --identity and --port."
)
@click.option("--unix-group", metavar="GROUP", help="Whose members may use that socket too, such as the proxy's.")
@click.option("--home", "folder", metavar="DIR", envvar="MUTUA_HOME", default=str(DEFAULT_FOLDER), show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8443, show_default=True, help="0 picks a free one.")
@click.option("--server", type=click.Choice(SERVERS), default="uvicorn", show_default=True, help="What runs APP.")
@click.option(
    "--workers",
    type=click.IntRange(1, MAX_WORKERS),
    default=1,
    show_default=True,
    help="How many processes; one that dies is replaced.",
)
@click.option(
    "--worker-class",
    "worker",
    type=click.Choice(["gthread", "sync", "asgi", "uvicorn"]),
    default="gthread",
    show_default=True,
    help="The kind of gunicorn's workers: the first two for a WSGI application.",
)
@click.option(
    "--loop",
    type=click.Choice(["auto", "asyncio", "uvloop"]),
    default="auto",
    show_default=True,
    help="The event loop of uvicorn and hypercorn.",
)
@click.option("--reload", is_flag=True, help="For development: start again when a file below this folder changes.")
@watching_options
def serve(*, reload: bool, **given: Any) -> None:
    """Serve an application over mutual TLS, to known clients only.

    APP is module:attribute. Every request is one JSON line on stdout, admitted or refused; a refusal has its
    reason. A renewed identity and every change of the registry are picked up while it runs. SIGTERM and Ctrl-C
    stop it when the requests under way are answered.

    \b
    Examples:
      mutua serve main:app --identity api.acme.example
      mutua serve main:app --identity api.acme.example --host 0.0.0.0 --port 443
      mutua serve main:app --identity api.acme.example --workers 4
      mutua serve main:app --identity api.acme.example --server hypercorn
      mutua serve main:app --identity api.acme.example --server gunicorn --worker-class asgi
      mutua serve main:app --identity api.acme.example --metrics 9100 --health 0.0.0.0:8081
      mutua serve main:app --identity api.acme.example --reload
      mutua serve main:app --unix /run/acme/api.sock --unix-group www-data
      mutua serve main:app --unix /run/acme/api.sock --server gunicorn --workers 4
    """
    options = Options(**given)
    _require_a_door(options)
    if reload:
        _serve_and_reload(options)
    else:
        serve_once(options)


def serve_once(options: Options) -> None:
    """Serve until stopped."""
    # gunicorn's workers are forked and have this process's handlers; those of the others make their own.
    lock = lock_file() if options.server == "gunicorn" else None
    log_to_standard_streams(access_log=options.access_log, lock=lock)
    with Home.open(options.folder) as home:
        known = len(home.clients.all())
        public = ", ".join(map(str, home.settings.public))

    def started(bound: int) -> None:
        shown = f"[{options.host}]" if ":" in options.host else options.host
        told(f"https://{shown}:{bound}")

    def told(address: str) -> None:
        talk(f"mutua: serving {options.app} on {address} to {known} known clients")
        if public:
            talk(f"mutua: public, without a certificate: {public}")

    # gunicorn forks from a process that may have no threads.
    is_apart = options.server == "gunicorn"
    with watched(Path(options.folder), metrics=options.metrics, health=options.health, apart=is_apart) as places:
        for place in places:
            talk(f"mutua: for monitoring, over plain http: {place}")
        if options.identity is None:
            serve_behind_proxy(
                options.app,
                home=options.folder,
                unix=options.unix,
                group=options.unix_group,
                host=options.host,
                port=options.port,
                server=options.server,
                workers=options.workers,
                worker=options.worker,
                loop=options.loop,
                access_log=options.access_log,
                on_start=told,
            )
            return
        serve_application(
            options.app,
            identity=options.identity,
            home=options.folder,
            host=options.host,
            port=options.port,
            server=options.server,
            workers=options.workers,
            worker=options.worker,
            loop=options.loop,
            access_log=options.access_log,
            on_start=started,
        )


def _require_a_door(options: Options) -> None:
    """Which of the doors is meant: one that ends TLS, or one behind a proxy that has done so."""
    if options.identity is not None:
        if options.unix is not None:
            raise InvalidInput("there is no TLS on a Unix socket", hint="leave out --identity")
        return
    if options.unix is None:
        with Home.open(options.folder) as home:
            if home.settings.forwarded is None or not home.settings.forwarded.addresses:
                raise click.UsageError("Missing option '--identity', or '--unix' behind a proxy.")


def _serve_and_reload(options: Options) -> None:
    if options.port == 0:
        raise InvalidInput("--reload needs a fixed port", hint="give --port 8443")
    if options.workers > 1 or options.server == "gunicorn":
        raise InvalidInput(
            "--reload serves with one process of uvicorn or hypercorn", hint="leave out --workers and --server"
        )
    try:
        import watchfiles  # noqa: PLC0415 -- the extra may not be installed
    except ImportError:
        raise MissingExtra("--reload needs watchfiles", hint="pip install 'mutua[serve]'") from None
    here = Path.cwd()
    talk(f"mutua: watching {here} for changes")
    watchfiles.run_process(
        here,
        target=_serve_in_child,
        kwargs=asdict(options),
        watch_filter=watchfiles.PythonFilter(),
        callback=lambda changes: talk(f"mutua: {len(changes)} changes, starting again"),
    )


def _serve_in_child(**given: Any) -> None:
    """What the reloader runs: a broken application is told of and waits for its mending."""
    from mutua.cli import complain  # noqa: PLC0415
    from mutua.errors import MutuaError  # noqa: PLC0415

    try:
        serve_once(Options(**given))
    except MutuaError as error:
        complain(error.message, error.hint, f"docs/errors.md#{error.code}")
    except KeyboardInterrupt:
        pass

"""``mutua demo``."""

import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

import click

from mutua.cli.demo.actors import Cast
from mutua.cli.demo.cases import Row, Site
from mutua.cli.demo.clients import Found, find_clients
from mutua.cli.demo.drawing import drawing
from mutua.cli.demo.server import Server
from mutua.cli.demo.story import Story, cases_for
from mutua.cli.demo.summary import complain_of, say_what_was_proved
from mutua.cli.exits import ExitCode
from mutua.cli.options import json_option
from mutua.cli.output import json_data, talk
from mutua.errors import MissingExtra
from mutua.home.home import Home

FILES = "demo"
"""The folder in the home for the clients' files and the servers' logs."""


@click.command()
@click.option(
    "--keep",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Make the home there and keep it; nothing may be there yet.",
)
@json_option
def demo(folder: Path | None, *, as_json: bool) -> int:
    """The whole story once, on this machine, against real clients.

    Makes an authority in a temporary home, issues certificates, starts servers on free ports of 127.0.0.1, and
    lets every client that is installed try to get in: with the right certificate, without one, with wrong ones,
    outside its grant, suspended while connected. Then the other direction: servers that a client must refuse.

    Exits with 0 when every client and the server's log said what is expected of them, else with 1.

    \b
    Examples:
      mutua demo
      mutua demo --keep acme
      mutua demo --json
    """
    if find_spec("uvicorn") is None:
        raise MissingExtra("the demo needs the server", hint="pip install 'mutua[demo]'")
    with home_folder(folder) as path, ExitStack() as ending:
        rows, found = tell(path, ending, as_json=as_json)
    if as_json:
        json_data([row.as_json() for row in rows])
        for name in found.missing:
            talk(f"not installed: {name}")
    else:
        say_what_was_proved(rows, found.missing, kept=folder)
    complain_of(rows)
    return exit_code_of(rows)


def exit_code_of(rows: Sequence[Row]) -> ExitCode:
    """0 when there are rows and each is as expected."""
    return ExitCode.OK if rows and all(row.ok for row in rows) else ExitCode.NEGATIVE


def tell(path: Path, ending: ExitStack, *, as_json: bool) -> tuple[list[Row], Found]:
    """Set everything up at ``path``, and let every client try everything."""
    home = ending.enter_context(Home.create(path, name="Acme Payments"))
    cast = Cast(home, path / FILES)
    cast.found_sites()
    servers = {site: ending.enter_context(Server(site, path, path / FILES / f"server-{site}.jsonl")) for site in Site}
    found = find_clients(cast.no_anchors, ending)
    cast.register_partner()
    for client in found.clients:
        cast.cast(client.slug, live=any(case.live for case in cases_for(client)))
    for server in servers.values():
        server.wait_until_ready()
    story = Story(home, cast, servers)
    rows: list[Row] = []
    drawing_lock = threading.Lock()
    total = sum(len(cases_for(client)) for client in found.clients)
    with drawing(total, quiet=as_json) as picture:

        def begun(client: str, case: str) -> None:
            with drawing_lock:
                picture.begun(client, case)

        def ended(row: Row) -> None:
            with drawing_lock:
                rows.append(row)
                picture.ended(row)

        story.tell(found.clients, begun, ended)
    return rows, found


@contextmanager
def home_folder(kept: Path | None) -> Iterator[Path]:
    """Where the home will be: a temporary folder unless it is to be kept."""
    if kept is not None:
        yield kept.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="mutua-demo-") as folder:
        yield Path(folder) / "home"

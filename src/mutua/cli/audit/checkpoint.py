"""``mutua audit checkpoint``."""

import errno
import json
import os
import shlex
from pathlib import Path

import click

from mutua.cli.options import home_option, json_option
from mutua.cli.output import data, json_data, talk
from mutua.errors import AlreadyExists, DiskFull, UnreadableFile
from mutua.home.files import PUBLIC_FILE, write_file
from mutua.home.home import Home


@click.command()
@click.option("--out", metavar="FILE", help="Where it goes; nothing may be there yet. stdout when not given.")
@home_option
@json_option
def checkpoint(home: Home, out: str | None, *, as_json: bool) -> None:
    """Note what the trail is now, signed, to keep elsewhere.

    Whoever can write the store can put an older copy of it back. Against a checkpoint from later than that copy it
    is seen, so keep it where they cannot write: on another machine, or on paper. It holds no secret.

    \b
    Examples:
      mutua audit checkpoint --out checkpoint.json
      mutua audit checkpoint | ssh vault 'cat > checkpoint-$(date +%F).json'
    """
    if out is None:
        json_data(home.audit.checkpoint().json())
        return
    path = Path(out)
    if os.path.lexists(path):
        raise AlreadyExists(f"'{path}' is there already", hint="give another --out: a later one does not replace it")
    drawn = home.audit.checkpoint()
    _write(path, json.dumps(drawn.json(), indent=2).encode() + b"\n")
    if as_json:
        json_data({"file": out, **drawn.json()})
        return
    data(f"{out} holds the trail to event {drawn.count}")
    talk(f"next:  keep it elsewhere, and later: mutua audit verify --against {shlex.quote(out)}")


def _write(path: Path, content: bytes) -> None:
    try:
        write_file(path, content, mode=PUBLIC_FILE)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DiskFull(f"there is no room for '{path}'", hint="make room, and try again") from None
        raise UnreadableFile(f"'{path}' cannot be written: {error.strerror}", hint="give another --out FILE") from None

"""``python -m tests.matrix``: calls every server with every client, and writes docs/compatibility.md."""

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.matrix import doors
from tests.matrix.page import render, versions_part, write
from tests.matrix.parties import Parties
from tests.matrix.running import door_rows, server_rows, sides
from tests.matrix.servers import SERVERS, WITHOUT
from tests.matrix.versions import versions


def find(program: str) -> str:
    """The path of a program; without it there is no matrix."""
    path = shutil.which(program) or shutil.which(program, path=str(Path(sys.executable).parent))
    if path is None:
        raise SystemExit(f"{program} is not installed: CONTRIBUTING.md has what the tests need")
    return path


def main() -> None:
    with TemporaryDirectory(prefix="matrix-") as folder:
        parties = Parties.make(Path(folder))
        with parties.home:
            ours = {}
            for number, server in enumerate(SERVERS):
                own = Path(folder) / f"server-{number}"
                own.mkdir()
                ours[server] = server_rows(server, find, parties, own)
            with doors.clients(parties.nothing, find) as clients:
                theirs = {door: door_rows(door, clients, parties) for door in doors.DOORS}
    page = render(*sides(ours, theirs), WITHOUT)
    write(f"{page}\n{versions_part(versions(find))}")


if __name__ == "__main__":
    main()

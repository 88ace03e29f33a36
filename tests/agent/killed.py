"""Does something with an identity, and is killed with SIGKILL at the n-th thing that it does to the world.

python -m tests.agent.killed N enroll FOLDER < invitation
python -m tests.agent.killed N renew FOLDER
"""

import os
import signal
import sys
from datetime import UTC, datetime

from mutua.agent.folder import IdentityFolder
from mutua.agent.renewing import enroll, renew
from mutua.pki import statements  # noqa: F401 -- loads what is loaded late, so that it does not count
from mutua.pki.keys import KeyType
from mutua.registry.invitations import read_invitation

EVENTS = {
    "os.rename",
    "os.mkdir",
    "os.symlink",
    "os.remove",
    "os.chmod",
    "os.rmdir",
    "os.listdir",
    "fcntl.flock",
    "tempfile.mkstemp",
    "socket.connect",
    "http.client.send",
    "open",
}


class Killer:
    """Counts what happens below a folder and on the network."""

    def __init__(self, at: int, folder: str) -> None:
        self._left, self._folder = at, folder

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if event not in EVENTS:
            return
        if event == "open" and not str(arguments[0]).startswith(self._folder):
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    at, what, path = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    invitation = read_invitation(sys.stdin.read()) if what == "enroll" else None
    folder = IdentityFolder(path)
    sys.addaudithook(Killer(at, str(folder.path.parent)))
    if invitation is not None:
        enroll(invitation, folder, key_type=KeyType.P256, now=datetime.now(UTC))
    else:
        renew(folder, home=None, now=datetime.now(UTC))


if __name__ == "__main__":
    main()

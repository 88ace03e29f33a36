"""Exit codes: what a script can rely on."""

from enum import IntEnum

from mutua.errors import InvalidInput, MutuaError, NetworkError, NotAllowed, Unreadable


class ExitCode(IntEnum):
    """How a command ended."""

    OK = 0
    NEGATIVE = 1
    USAGE = 2
    UNREADABLE = 3
    NOT_ALLOWED = 4
    NETWORK = 5
    BUG = 70
    INTERRUPTED = 130


_BY_KIND = (
    (InvalidInput, ExitCode.USAGE),
    (Unreadable, ExitCode.UNREADABLE),
    (NotAllowed, ExitCode.NOT_ALLOWED),
    (NetworkError, ExitCode.NETWORK),
)


def exit_code(error: MutuaError) -> ExitCode:
    """The exit code for an error: one for each branch of the tree."""
    return next((code for kind, code in _BY_KIND if isinstance(error, kind)), ExitCode.NEGATIVE)

"""Where the CA keys are in tests: sealed in the store, or in a token.

Every test of these folders that has a ``home`` runs in both places. Those that are about sealed keys are left out here,
by name and with the reason.
"""

from pathlib import Path

import pytest

STORE, TOKEN = "store", "token"

FOLDERS = ("tests/home", "tests/cli", "tests/web")

SEALED = "it seals keys, or reads what is sealed"
NO_KEY = "it never uses a CA key"

LEFT_OUT: dict[str, str] = {}
"""By the test's path and name, or by the path of a whole file."""


def places(test: str) -> list[str]:
    """Where a test runs, by its path and name."""
    path, _, _ = test.partition("::")
    if not path.startswith(FOLDERS) or {path, test} & LEFT_OUT.keys():
        return [STORE]
    return [STORE, TOKEN]


def path_and_name(metafunc: pytest.Metafunc) -> str:
    """How a test is called here."""
    path = Path(metafunc.module.__file__).relative_to(metafunc.config.rootpath)
    return f"{path.as_posix()}::{metafunc.function.__name__}"

"""The list of what does not run with a token is kept up: nothing is on it by a name that it has no more."""

import ast
from pathlib import Path

import pytest

from tests.key_places import FOLDERS, LEFT_OUT, STORE, TOKEN, places

ROOT = Path(__file__).parent.parent


def names_in(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("entry", LEFT_OUT)
def test_what_is_left_out_is_there(entry: str) -> None:
    path, _, name = entry.partition("::")
    assert path.startswith(FOLDERS)
    assert not name or name in names_in(ROOT / path)
    assert LEFT_OUT[entry]


def test_everything_else_with_a_home_runs_in_both_places() -> None:
    assert places("tests/home/test_authority.py::test_the_chain_ends_below_the_root") == [STORE, TOKEN]
    assert places("tests/cli/test_commands.py::test_anything") == [STORE, TOKEN]
    assert places("tests/home/test_passphrase.py::test_anything") == [STORE]
    assert places("tests/inbound/test_asgi.py::test_anything") == [STORE]

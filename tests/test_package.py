"""The package as a whole: what importing it costs, what it exports, and the tree of its errors."""

import importlib
import json
import os
import pkgutil
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import mutua
from mutua import errors
from mutua.errors import MutuaError
from mutua.reasons import Reason

SRC = Path(mutua.__file__).parent
ROOT = SRC.parent.parent
HEAVY = {
    "alembic",
    "asyncio",
    "click",
    "cryptography",
    "fastapi",
    "httptools",
    "hypercorn",
    "rich",
    "sqlalchemy",
    "zttp",
    "sqlite3",
    "ssl",
    "starlette",
    "uvicorn",
    "uvloop",
    "websockets",
}


def modules_after(program: str) -> set[str]:
    """The top-level modules a fresh interpreter has loaded after ``program``."""
    program += "\nimport sys, json; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    # A measurement of coverage would load modules of its own.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_mutua_loads_nothing_but_mutua() -> None:
    assert modules_after("import mutua") & HEAVY == set()


def test_the_version_loads_no_more_than_the_command_line_needs() -> None:
    program = "from mutua.cli import main\nassert main(['--version']) == 0"
    assert modules_after(program) & HEAVY == {"click"}


@pytest.mark.parametrize("name", ["Identity", "Trust", "Reason", "KeyType", "KnownClient", "MutuaError"])
def test_an_identity_can_be_used_without_the_database_the_server_or_the_command_line(name: str) -> None:
    loaded = modules_after(f"from mutua import {name}")
    assert loaded & {"alembic", "click", "rich", "sqlalchemy", "sqlite3", "starlette", "uvicorn"} == set()


def test_a_home_can_be_used_without_the_server_or_the_command_line() -> None:
    assert modules_after("from mutua import Home") & {"alembic", "click", "rich", "starlette", "uvicorn"} == set()


def test_a_command_on_the_registry_loads_neither_server_nor_migrations(tmp_path: Path) -> None:
    program = f"from mutua.cli import main\nassert main(['client', 'list', '--home', {str(tmp_path)!r}]) == 3"
    assert modules_after(program) & {"alembic", "rich", "starlette", "uvicorn"} == set()


def test_the_exports_are_one_sorted_list() -> None:
    assert mutua.__all__ == sorted(set(mutua.__all__))
    assert mutua.__all__ == list(mutua._EXPORTS)
    assert set(mutua.__all__) <= set(dir(mutua))


@pytest.mark.parametrize("name", mutua.__all__)
def test_every_export_is_what_its_module_defines(name: str) -> None:
    exported = getattr(mutua, name)
    assert exported is getattr(importlib.import_module(mutua._EXPORTS[name]), name)
    assert getattr(mutua, name) is exported
    assert exported.__doc__


def test_exports_for_type_checkers_are_those_at_run_time() -> None:
    block = (SRC / "__init__.py").read_text().split("if TYPE_CHECKING:\n")[1].split("\n\n")[0]
    imports = re.findall(r"from (\S+) import (.+)", block)
    assert {name: module for module, names in imports for name in names.split(", ")} == mutua._EXPORTS


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = mutua.nothing
    assert not hasattr(mutua, "nothing")


def test_the_package_tells_its_types() -> None:
    assert (SRC / "py.typed").is_file()


def test_the_version_is_that_of_the_distribution() -> None:
    assert mutua.__version__ == version("mutua")
    done = subprocess.run([sys.executable, "-m", "mutua", "--version"], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (f"mutua {mutua.__version__}\n", "")


def test_the_console_script_is_the_module() -> None:
    script = Path(sys.executable).with_name("mutua")
    done = subprocess.run([script, "--version"], check=True, capture_output=True, text=True)
    assert done.stdout == f"mutua {mutua.__version__}\n"


def drawn_tree() -> dict[str, str]:
    """Each error in the drawing at the head of ``mutua.errors``, with the one it hangs from."""
    parents: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"^([ │├└─]+)([A-Z]\w+)(  |$)", line):
            depth, name = len(match[1]), match[2]
            above = [(other, parent) for other, parent in above if other < depth]
            if above:
                parents[name] = above[-1][1]
            above.append((depth, name))
    return parents


def every_error(branch: type[MutuaError] = MutuaError) -> list[type[MutuaError]]:
    return [branch, *(error for below in branch.__subclasses__() for error in every_error(below))]


def test_the_tree_that_is_drawn_is_the_tree_there_is() -> None:
    for module in pkgutil.walk_packages(mutua.__path__, "mutua."):
        if module.name.partition(".")[2] not in {"__main__", "store.migrations.env"}:
            importlib.import_module(module.name)
    real = {error.__name__: error.__bases__[0].__name__ for error in every_error() if error is not MutuaError}
    assert drawn_tree() == real


def test_the_exit_codes_that_are_drawn_are_those_of_the_command_line() -> None:
    from mutua.cli.exits import exit_code

    drawn = dict(re.findall(r"── (\w+) .*exit (\d)", errors.__doc__ or ""))
    assert len(drawn) == 4
    assert drawn == {error.__name__: str(int(exit_code(error("x")))) for error in MutuaError.__subclasses__()}


def test_every_error_has_a_code_of_its_own_made_of_its_name() -> None:
    codes = {error.__name__: error.code for error in every_error()}
    assert len(set(codes.values())) == len(codes)
    assert codes == {name: re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in codes}


def test_what_a_peer_is_told_never_varies() -> None:
    assert {error.public for error in every_error()} == {MutuaError.public}


def test_an_error_carries_message_and_hint() -> None:
    error = errors.UnknownClient("the registry knows no client 'x'", hint="mutua client list")
    assert (str(error), error.message, error.hint) == (
        error.message,
        "the registry knows no client 'x'",
        "mutua client list",
    )


def test_every_reason_is_a_stable_word_of_its_own() -> None:
    values = [reason.value for reason in Reason]
    assert len(set(values)) == len(values) == len(Reason.__members__)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", value) for value in values)
    assert [reason.name.lower() for reason in Reason] == values


def test_no_file_is_a_drawer_for_anything() -> None:
    named = {
        path.stem
        for folder in (SRC, ROOT / "tests")
        for path in folder.rglob("*.py")
        if "node_modules" not in path.parts
    }
    assert named & {"utils", "util", "helpers", "helper", "common", "base", "misc", "manager"} == set()

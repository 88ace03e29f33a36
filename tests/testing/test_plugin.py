"""The pytest plug-in, in runs of pytest of its own."""

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import mutua.testing
from mutua.testing import plugin

pytest_plugins = ["pytester"]

HEAVY = {"alembic", "asyncio", "cryptography", "httpx", "httpx2", "requests", "sqlalchemy", "sqlite3", "starlette"}
CAST = ("known", "stranger", "expired", "not_yet_valid", "wrong_purpose", "revoked", "suspended", "outside_grant")


def run(pytester: pytest.Pytester, source: str, *arguments: str) -> pytest.RunResult:
    """A run in a process of its own, as a user's is, with the plug-in found by its entry point."""
    pytester.makepyfile(source)
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:xdist", *arguments)


def test_pytest_finds_it_by_its_entry_point() -> None:
    (found,) = (each for each in entry_points(group="pytest11") if each.value.startswith("mutua"))

    assert (found.name, found.load()) == ("mutua", plugin)


def test_a_run_that_asks_for_nothing_pays_for_nothing(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        f"""
        import sys

        def test_of_somebody_else():
            heavy = {sorted(HEAVY - {"asyncio"})!r}
            loaded = {{name.partition(".")[0] for name in sys.modules}}
            assert loaded.isdisjoint(heavy), loaded & set(heavy)
            ours = {{name for name in sys.modules if name.partition(".")[0] == "mutua"}}
            assert ours == {{"mutua", "mutua.testing", "mutua.testing.plugin"}}
        """,
        "-p",
        "no:hypothesispytest",
    )
    result.assert_outcomes(passed=1)


def test_importing_it_loads_pytest_and_nothing_else_that_counts() -> None:
    program = "import sys, json, pytest; before = set(sys.modules); import mutua.testing.plugin\n"
    program += "print(json.dumps(sorted(set(sys.modules) - before)))"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment)

    assert {name.partition(".")[0] for name in json.loads(done.stdout)} & HEAVY == set()


def test_without_pytest_it_says_what_to_install(tmp_path: Path) -> None:
    program = "import sys; sys.modules['pytest'] = None\nimport mutua.testing\ntry:\n    import mutua.testing.plugin\n"
    program += "except mutua.MutuaError as error:\n    print(error.code, error.hint)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert done.stdout == "missing_extra pip install 'mutua[testing]'\n"


def test_without_an_http_client_it_says_what_to_install() -> None:
    program = "import sys; sys.modules['httpx2'] = sys.modules['httpx'] = None\nimport mutua.testing\ntry:\n"
    program += "    mutua.testing.AsgiClient\nexcept mutua.MutuaError as error:\n    print(error.code, error.hint)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert done.stdout == "missing_extra pip install 'mutua[testing]'\n"


def test_httpx_does_where_httpx2_is_missing() -> None:
    program = "import sys; sys.modules['httpx2'] = None\nfrom mutua.testing import AsgiClient\n"
    program += "print([each.__module__ for each in AsgiClient.__mro__ if each.__name__ == 'AsyncClient'])"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert done.stdout == "['httpx']\n"


def test_every_fixture_begins_with_mutua_and_says_what_it_is(pytester: pytest.Pytester) -> None:
    result = run(pytester, "def test_nothing(): pass", "--fixtures", "-v")
    shown = result.stdout.str()
    ours = [line.split()[0] for line in shown.splitlines() if line.startswith("mutua_")]

    assert {f"mutua_{name}" for name in (*CAST, "unregistered", "home", "log", "server", "cast")} == set(ours)
    assert (
        "no docstring available" not in shown.partition("fixtures defined from mutua")[2].partition("fixtures def")[0]
    )


def test_the_whole_cast_is_there_and_each_is_refused_for_a_reason(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import asyncio

        import pytest

        from mutua.testing import REFUSALS, AsgiClient, HandshakeRefused


        async def app(scope, receive, send):
            if scope["type"] == "http":
                await send({"type": "http.response.start", "status": 204, "headers": []})
                await send({"type": "http.response.body", "body": b""})


        async def call(home, identity):
            async with AsgiClient(app, home, identity) as client:
                return (await client.get("/")).status_code


        def test_known(mutua_home, mutua_known):
            assert asyncio.run(call(mutua_home, mutua_known)) == 204


        @pytest.mark.parametrize("case", REFUSALS[1:], ids=str)
        def test_refused(case, mutua_home, mutua_log, request):
            identity = request.getfixturevalue("mutua_" + case.name.replace(" ", "_"))
            try:
                assert asyncio.run(call(mutua_home, identity)) == 403
                assert not case.in_handshake
            except HandshakeRefused as refused:
                assert case.in_handshake
            assert [line["reason"] for line in mutua_log.lines] == [case.reason]
        """,
        "-W",
        "error",
    )
    result.assert_outcomes(passed=9)


def test_a_server_is_ended_when_its_test_fails(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import threading

        async def app(scope, receive, send):
            raise AssertionError

        def test_that_fails(mutua_server):
            mutua_server(app)
            assert False

        def test_afterwards():
            assert [each.name for each in threading.enumerate() if each.name.startswith("mutua")] == []
        """,
    )
    result.assert_outcomes(passed=1, failed=1)


def test_a_server_serves_whatever_the_test_has_at_hand(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        def test_of_a_closure(mutua_server, mutua_known):
            seen = []

            async def app(scope, receive, send):
                if scope["type"] == "http":
                    seen.append(scope["state"]["known_client"].name)
                    await send({"type": "http.response.start", "status": 204, "headers": []})
                    await send({"type": "http.response.body", "body": b""})

            with mutua_server(app).httpx(mutua_known) as client:
                assert client.get("/").status_code == 204
            assert seen == ["known"]
        """,
        "-W",
        "error",
    )
    result.assert_outcomes(passed=1)


def test_the_exports_are_one_sorted_list_and_are_what_their_modules_define() -> None:
    from importlib import import_module

    names = mutua.testing.__all__
    assert names == sorted(set(names), key=lambda name: (not name.isupper(), name))
    assert names == list(mutua.testing._EXPORTS)
    assert set(names) <= set(dir(mutua.testing))
    for name in names:
        assert getattr(mutua.testing, name) is getattr(import_module(mutua.testing._EXPORTS[name]), name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = mutua.testing.nothing

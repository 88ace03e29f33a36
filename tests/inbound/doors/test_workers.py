"""Several processes on one socket: one that dies is replaced, all of them end together, and one keeps the home."""

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from mutua import Home, serve
from mutua.errors import InvalidInput, RefusedRenewal
from mutua.inbound.supervising import MAX_PAUSE_SECONDS, pause_before_start
from tests.echo import app
from tests.home.renewing import by_connection
from tests.inbound.connections import client_context, until
from tests.serving import PATIENCE_SECONDS, ROOT, Serving

WORKERS = 3

CRASHING = "tests.inbound.doors.crashing:app"


@pytest.fixture(params=["uvicorn", "hypercorn"])
def server(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def start(home: Home, server: str) -> Iterator[Callable[..., Serving]]:
    with ExitStack() as stack:

        def begin(app: str = CRASHING) -> Serving:
            arguments = ("--server", server, "--workers", str(WORKERS))
            serving = Serving.start(home, app=app, arguments=arguments)
            stack.callback(serving.stop)
            return serving

        yield begin


def answer(serving: Serving, home: Home, path: str) -> str:
    """One request on a connection of its own."""
    connection = http.client.HTTPSConnection("127.0.0.1", serving.port, context=client_context(home), timeout=60)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def children(pid: int) -> set[int]:
    """The processes that a process has started and that are alive."""
    found = set()
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit():
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == pid and fields[0] != "Z":
                    found.add(int(entry.name))
    return found


def alive(pid: int) -> bool:
    with suppress(OSError):
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_there_are_as_many_as_were_asked_for_and_none_of_them_is_the_parent(
    home: Home, start: Callable[..., Serving]
) -> None:
    serving = start()
    workers = children(serving.process.pid)
    assert len(workers) == WORKERS
    assert int(answer(serving, home, "/pid")) in workers
    assert serving.talk.count("serving") == 1


def test_whoever_dies_is_replaced_and_known_clients_are_served_meanwhile(
    home: Home, start: Callable[..., Serving]
) -> None:
    serving = start()
    before = children(serving.process.pid)
    victim = int(answer(serving, home, "/pid"))
    os.kill(victim, signal.SIGKILL)
    until(lambda: not alive(victim))
    assert int(answer(serving, home, "/pid")) in before - {victim}
    until(lambda: len(children(serving.process.pid)) == WORKERS)
    replaced = children(serving.process.pid)
    assert before - {victim} < replaced
    until(lambda: int(answer(serving, home, "/pid")) in replaced - before)
    assert f"worker {victim} ended (SIGKILL), another starts in 0 s" in serving.talk


def test_a_request_that_kills_its_worker_does_not_kill_the_others(home: Home, start: Callable[..., Serving]) -> None:
    serving = start()
    with suppress(OSError, http.client.HTTPException):
        answer(serving, home, "/die")
    assert int(answer(serving, home, "/pid")) in children(serving.process.pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_all_of_them_end_with_their_parent(number: int, start: Callable[..., Serving]) -> None:
    serving = start()
    workers = children(serving.process.pid)
    serving.process.send_signal(number)
    code = serving.process.wait(PATIENCE_SECONDS)
    assert code == {signal.SIGTERM: 0, signal.SIGINT: 130, signal.SIGKILL: -signal.SIGKILL}[signal.Signals(number)]
    until(lambda: not any(alive(worker) for worker in workers))
    assert "Traceback" not in serving.talk


def test_what_a_worker_has_seen_is_written_down_by_the_process_that_keeps_the_home(
    home: Home, start: Callable[..., Serving]
) -> None:
    first = home.identities.load("woovi")
    home.identities.save("woovi", by_connection(home, first), replace=True)
    serving = start()
    answer(serving, home, "/pid")
    assert serving.stop() == 0
    with pytest.raises(RefusedRenewal, match="is in use"):
        by_connection(home, first)


def test_a_suspension_reaches_every_worker(home: Home, start: Callable[..., Serving]) -> None:
    serving = start()
    context, seen = client_context(home), set()
    connections = [
        http.client.HTTPSConnection("127.0.0.1", serving.port, context=context, timeout=60) for _ in range(30)
    ]
    with ExitStack() as stack:
        for connection in connections:
            stack.callback(connection.close)
            connection.request("GET", "/pid")
            seen.add(connection.getresponse().read())
        home.clients.suspend("woovi")

        def refused(connection: http.client.HTTPSConnection) -> bool:
            connection.request("GET", "/pid")
            response = connection.getresponse()
            response.read()
            return response.status == 403

        for connection in connections:
            until(lambda each=connection: refused(each))  # type: ignore[misc]
    assert seen


def run(home: Home, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "mutua", "serve", *arguments, "--home", str(home.path), "--port", "0"]
    return subprocess.run(
        [*command, "--workers", "2"],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_application_that_cannot_be_imported_is_told_of_once_and_nothing_stays(home: Home, server: str) -> None:
    done = run(home, "no.such:app", "--identity", "api", "--server", server)
    error, hint, docs = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (3, "")
    assert error.startswith("error: the module 'no.such' cannot be imported")
    assert hint.startswith("hint:  run from the folder that holds it")
    assert docs == "docs:  docs/errors.md#app_not_found"


def test_an_application_that_ends_the_process_at_its_import_is_told_of(home: Home, server: str) -> None:
    done = run(home, CRASHING, "--identity", "api", "--server", server, MUTUA_TEST_ENDS_AT="import")
    assert done.returncode == 3
    assert "ended (exit status 7) before it served" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_identity_that_is_not_there_is_told_of_before_any_worker_starts(home: Home, server: str) -> None:
    done = run(home, CRASHING, "--identity", "nobody", "--server", server)
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no identity 'nobody'")


def test_the_pause_before_another_start_grows_to_a_bound() -> None:
    pauses = [pause_before_start(deaths) for deaths in range(12)]
    assert pauses[:5] == [0, 0, 1, 2, 4]
    assert pauses == sorted(pauses)
    assert pauses[-1] == MAX_PAUSE_SECONDS == pause_before_start(10**9)


def test_several_workers_need_an_application_and_an_identity_that_each_can_load(home: Home) -> None:
    with pytest.raises(InvalidInput, match="application object"):
        serve(app, identity="api", home=home, workers=2)
    with pytest.raises(InvalidInput, match="in memory"):
        serve("tests.echo:app", identity=home.identities.load("api"), home=home, workers=2)


@pytest.mark.parametrize("workers", [0, -1, 257])
def test_a_number_of_workers_that_cannot_be_is_refused(workers: int, home: Home) -> None:
    with pytest.raises(InvalidInput, match="cannot serve"):
        serve("tests.echo:app", identity="api", home=home, workers=workers)


def test_a_server_that_there_is_not_is_refused(home: Home) -> None:
    with pytest.raises(InvalidInput, match="no server 'apache'"):
        serve("tests.echo:app", identity="api", home=home, server="apache")  # type: ignore[arg-type]

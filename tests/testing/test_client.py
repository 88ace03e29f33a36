"""The client without a socket: what it brings to the application is what a server brings."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx2
import pytest

from mutua import Identity, Reason
from mutua.errors import AppNotFound
from mutua.testing import (
    REFUSALS,
    AccessLog,
    AsgiClient,
    HandshakeRefused,
    RefusalCase,
    RunningServer,
    UnsafeHome,
    known,
)
from tests.testing.applications import Events, application

T = TypeVar("T")


def run(
    home: UnsafeHome,
    identity: Identity | None,
    test: Callable[[AsgiClient], Awaitable[T]],
    app: Any = None,
    **more: Any,
) -> T:
    async def main() -> T:
        async with AsgiClient(app or application(), home, identity, **more) as client:
            return await test(client)

    return asyncio.run(main())


def get(home: UnsafeHome, identity: Identity | None, path: str = "/status") -> httpx2.Response:
    async def one(client: AsgiClient) -> httpx2.Response:
        return await client.get(path)

    return run(home, identity, one)


def outcome(call: Callable[[], httpx2.Response]) -> int | str:
    """The status, or why there is none."""
    try:
        return call().status_code
    except HandshakeRefused as refused:
        return refused.reason
    except httpx2.TransportError:
        return "no answer"


def test_a_known_client_reaches_the_application_under_its_name(mutua_home: UnsafeHome, mutua_known: Identity) -> None:
    answer = get(mutua_home, mutua_known)

    assert (answer.status_code, answer.json()["hello"]) == (200, "known")
    assert answer.json()["thumbprint"] == mutua_known.thumbprint


def test_the_scope_is_the_one_of_the_uvicorn_door(
    mutua_home: UnsafeHome, mutua_known: Identity, mutua_server: Callable[..., RunningServer]
) -> None:
    here = get(mutua_home, mutua_known).json()
    with mutua_server(application()).httpx(mutua_known) as client:
        there = client.get("/status").json()

    for different in (here, there):
        assert different.pop("client")[0] == "127.0.0.1"
    assert here == there
    assert len(here["chain"]) == 3


@pytest.mark.parametrize("case", REFUSALS, ids=str)
def test_whoever_is_refused_is_refused_for_the_same_reason_as_by_a_server(
    case: RefusalCase, mutua_home: UnsafeHome, mutua_server: Callable[..., RunningServer]
) -> None:
    identity = case.identity(mutua_home)
    server = mutua_server(application())
    with AccessLog() as without_socket:
        here = outcome(lambda: get(mutua_home, identity))
    with AccessLog() as with_socket, server.httpx(identity) as client:
        there = outcome(lambda: client.get("/status"))
        line = with_socket.next("refused")

    assert here == (case.reason if case.in_handshake else 403)
    assert there == ("no answer" if case.in_handshake else 403)
    assert without_socket.admissions == with_socket.admissions == []
    for found in (line, *without_socket.refusals):
        assert found["reason"] == case.reason
        assert found["thumbprint"] == (identity.thumbprint if identity else None)
    assert without_socket.refusals[0].keys() == line.keys()
    assert without_socket.refusals[0]["detail"] == line["detail"]


def test_a_stranger_under_a_clients_name_stays_a_stranger(mutua_home: UnsafeHome) -> None:
    from mutua.testing import stranger

    with pytest.raises(HandshakeRefused, match="unknown_issuer"):
        get(mutua_home, stranger(mutua_home, "known"))


def test_a_refused_handshake_never_starts_a_request(mutua_home: UnsafeHome, mutua_stranger: Identity) -> None:
    reached: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["type"])

    async def twice(client: AsgiClient) -> None:
        for _ in range(2):
            with pytest.raises(HandshakeRefused):
                await client.get("/status")

    run(mutua_home, mutua_stranger, twice, app)
    assert reached == ["lifespan"]


def test_what_changes_in_the_registry_counts_for_the_next_request(mutua_home: UnsafeHome) -> None:
    identity = known(mutua_home, "woovi", allow=["GET /status"])

    async def statuses(client: AsgiClient) -> list[int]:
        found = [(await client.get("/status")).status_code]
        for act in (mutua_home.clients.suspend, mutua_home.clients.resume):
            act("woovi")
            found.append((await client.get("/status")).status_code)
        mutua_home.revocation.revoke(identity.thumbprint)
        return [*found, (await client.get("/status")).status_code]

    assert run(mutua_home, identity, statuses) == [200, 403, 200, 403]


def test_a_grant_holds_as_it_does_behind_a_server(mutua_home: UnsafeHome) -> None:
    identity = known(mutua_home, "woovi", allow=["GET /status"])

    async def both(client: AsgiClient) -> tuple[int, int]:
        return (await client.get("/status?x=1")).status_code, (await client.post("/status")).status_code

    assert run(mutua_home, identity, both) == (200, 403)


@pytest.mark.parametrize("path", ["/x/..%2fstatus", "//status", "/./status", "/status%00"])
def test_a_path_that_can_be_read_in_two_ways_is_refused_as_by_a_server(
    path: str, mutua_home: UnsafeHome, mutua_known: Identity
) -> None:
    from mutua.testing import AsgiDoor

    async def go() -> int:
        sent: list[Any] = []

        async def receive() -> Any:
            raise AssertionError

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/status", "raw_path": path.encode(), "scheme": "http"}
        with AsgiDoor(application(), mutua_home, mutua_known) as door:
            await door(scope, receive, send)
        return int(sent[0]["status"])

    assert asyncio.run(go()) == 400


def test_certificate_headers_never_make_an_identity(mutua_home: UnsafeHome, mutua_known: Identity) -> None:
    import ssl

    from mutua.pki.certificates import write_der

    pem = ssl.DER_cert_to_PEM_cert(write_der(mutua_known.certificate)).replace("\n", "%0A")

    async def forged(client: AsgiClient) -> None:
        await client.get("/status", headers={"ssl-client-cert": pem, "ssl-client-verify": "SUCCESS"})

    with pytest.raises(HandshakeRefused, match="no_certificate"):
        run(mutua_home, None, forged)


def test_the_applications_lifespan_runs_and_its_state_is_in_the_requests(
    mutua_home: UnsafeHome, mutua_known: Identity
) -> None:
    events = Events()

    async def during(client: AsgiClient) -> Any:
        assert events == ["started"]
        return (await client.get("/status")).json()["state"]

    assert run(mutua_home, mutua_known, during, application(events)) == ["database", "known_client"]
    assert events == ["started", "ended"]


def test_an_application_that_cannot_start_says_so(mutua_home: UnsafeHome, mutua_known: Identity) -> None:
    async def never(_: AsgiClient) -> None:
        raise AssertionError

    with pytest.raises(AppNotFound, match="no database"):
        run(mutua_home, mutua_known, never, application(fails=True))


def test_an_application_that_fails_at_its_end_fails_the_test(mutua_home: UnsafeHome, mutua_known: Identity) -> None:
    async def one(client: AsgiClient) -> int:
        return (await client.get("/status")).status_code

    with pytest.raises(LookupError, match="the database was gone"):
        run(mutua_home, mutua_known, one, application(fails_at_its_end=True))


def test_an_application_without_a_lifespan_is_served(mutua_home: UnsafeHome, mutua_known: Identity) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def one(client: AsgiClient) -> int:
        return (await client.get("/")).status_code

    assert run(mutua_home, mutua_known, one, app) == 204


def test_what_the_application_raises_is_raised_in_the_test(mutua_home: UnsafeHome, mutua_known: Identity) -> None:
    with pytest.raises(LookupError, match="the application's own"):
        get(mutua_home, mutua_known, "/fail")


def test_a_client_that_was_not_opened_can_still_be_used_and_closed(
    mutua_home: UnsafeHome, mutua_known: Identity
) -> None:
    async def main() -> int:
        client = AsgiClient(application(), mutua_home, mutua_known, base_url="https://api.acme.example")
        try:
            return (await client.get("/status")).status_code
        finally:
            await client.aclose()

    assert asyncio.run(main()) == 200


def test_the_lines_of_the_log_are_there_when_the_answer_is(
    mutua_home: UnsafeHome, mutua_known: Identity, mutua_suspended: Identity, mutua_log: AccessLog
) -> None:
    get(mutua_home, mutua_known)
    get(mutua_home, mutua_suspended)

    assert [line["client"] for line in mutua_log.lines] == ["known", "suspended"]
    assert mutua_log.refusals[0]["reason"] == Reason.SUSPENDED

"""The known client as a FastAPI dependency: who is let in, what the others are told, and what the document says."""

import asyncio
import json
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import JSONResponse
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from mutua import KnownClient
from mutua.errors import InvalidClientName, UnknownClient
from mutua.fastapi import NotGranted, describe_mutual_tls, known_client
from mutua.inbound.problems import problem
from mutua.reasons import Reason
from mutua.registry.credentials import CredentialKind
from mutua.testing import AccessLog, AsgiClient, AsgiDoor, UnsafeHome, known

AnyClient = Annotated[KnownClient, Depends(known_client())]
Provider = Annotated[KnownClient, Depends(known_client("woovi", "efi"))]

Call = Callable[..., Any]


def application() -> FastAPI:
    app = FastAPI()
    router = APIRouter(prefix="/partners", dependencies=[Depends(known_client("efi"))])

    @app.get("/status")
    async def status(client: AnyClient) -> dict[str, str]:
        return {"hello": client.name}

    @app.get("/providers")
    async def providers(client: Provider) -> dict[str, str]:
        return {"provider": client.name}

    @app.get("/public")
    async def public() -> dict[str, str]:
        return {}

    @router.get("/{name}")
    async def partner(name: str) -> dict[str, str]:
        return {"partner": name}

    def below(client: Provider) -> str:
        return client.name.upper()

    @app.get("/below")
    async def shown(name: Annotated[str, Depends(below)]) -> dict[str, str]:
        return {"provider": name}

    @app.websocket("/feed")
    async def feed(websocket: WebSocket, client: Provider) -> None:
        await websocket.accept()
        await websocket.send_text(client.name)
        await websocket.close()

    app.include_router(router)
    return app


@pytest.fixture
def app() -> FastAPI:
    return application()


@pytest.fixture
def call(app: FastAPI, mutua_home: UnsafeHome) -> Call:
    def get(path: str, client: str) -> Any:
        async def one() -> Any:
            async with AsgiClient(app, mutua_home, known(mutua_home, client)) as caller:
                return await caller.get(path)

        return asyncio.run(one())

    return get


@pytest.mark.parametrize(
    ("client", "path", "status"),
    [
        ("woovi", "/status", 200),
        ("other", "/status", 200),
        ("woovi", "/providers", 200),
        ("efi", "/providers", 200),
        ("other", "/providers", 403),
        ("efi", "/partners/7", 200),
        ("woovi", "/partners/7", 403),
        ("efi", "/below", 200),
        ("other", "/below", 403),
        ("other", "/public", 200),
    ],
)
def test_a_route_is_for_those_it_names(call: Call, client: str, path: str, status: int) -> None:
    assert call(path, client).status_code == status


def test_the_route_gets_the_frozen_known_client(mutua_home: UnsafeHome) -> None:
    got: list[KnownClient] = []
    app, identity = FastAPI(), known(mutua_home, "woovi")

    @app.get("/")
    async def route(client: AnyClient) -> None:
        got.append(client)

    async def one() -> None:
        async with AsgiClient(app, mutua_home, identity) as caller:
            await caller.get("/")

    asyncio.run(one())
    assert got == [KnownClient("woovi", identity.thumbprint, CredentialKind.ISSUED)]


def test_a_name_that_merely_begins_or_folds_alike_is_another_client(call: Call) -> None:
    for name in ("woovi-2", "woov", "e-fi"):
        assert call("/providers", name).status_code == 403


def test_the_refusal_is_told_in_the_words_of_the_gate(call: Call) -> None:
    answer = call("/providers", "other")
    _, headers, body = problem(Reason.NOT_GRANTED)

    assert answer.content == body
    assert dict(headers) == {name.encode(): answer.headers[name].encode() for name in answer.headers}


def test_the_refusal_has_its_line_in_the_log(call: Call, mutua_log: AccessLog) -> None:
    call("/providers?secret=1", "other")
    (line,) = mutua_log.refusals

    assert line["client"] == "other"
    assert (line["reason"], line["status"], line["method"], line["path"]) == ("not_granted", 403, "GET", "/providers")
    assert line["detail"] == "the route of GET /providers is for other clients"
    assert line["peer"].startswith("127.0.0.1:")
    assert line["thumbprint"]


def test_an_application_that_answers_in_its_own_words_may(app: FastAPI, call: Call, mutua_log: AccessLog) -> None:
    @app.exception_handler(NotGranted)
    async def ours(_: Request, __: NotGranted) -> JSONResponse:
        return JSONResponse({"error": "not you"}, 403)

    assert call("/providers", "other").json() == {"error": "not you"}
    assert len(mutua_log.refusals) == 1


def test_an_application_with_a_handler_for_all_errors_of_http_still_answers_403(app: FastAPI, call: Call) -> None:
    @app.exception_handler(HTTPException)
    async def ours(_: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code)

    assert call("/providers", "other").status_code == 403


@pytest.mark.parametrize(("client", "heard"), [("woovi", "woovi"), ("other", 1008)])
def test_a_websocket_route_is_for_those_it_names(
    client: str, heard: str | int, app: FastAPI, mutua_home: UnsafeHome, mutua_log: AccessLog
) -> None:
    with AsgiDoor(app, mutua_home, known(mutua_home, client)) as door, TestClient(door) as caller:
        assert said(caller) == heard

    assert [line["reason"] for line in mutua_log.refusals] == ([] if client == heard else ["not_granted"])


def said(caller: TestClient) -> str | int:
    """What the server said first, or the code with which it closed."""
    try:
        with caller.websocket_connect("/feed") as websocket:
            return websocket.receive_text()
    except WebSocketDisconnect as ended:
        return ended.code


def test_without_the_gate_nobody_is_known_whatever_the_headers_say(app: FastAPI) -> None:
    with TestClient(app) as caller, pytest.raises(UnknownClient):
        caller.get("/status", headers={"x-forwarded-client-cert": "Hash=00", "client-cert": ":AA==:"})


def test_a_dependency_can_be_overridden_by_the_same_names_in_any_order(app: FastAPI) -> None:
    somebody = KnownClient("efi", "x" * 43, CredentialKind.ISSUED)
    app.dependency_overrides[known_client("efi", "woovi")] = lambda: somebody

    assert known_client("efi", "woovi") is known_client("woovi", "efi", "efi")
    with TestClient(app) as caller:
        assert caller.get("/providers").json() == {"provider": "efi"}


def test_a_name_that_no_client_can_have_is_found_out_at_once() -> None:
    for name in ("Woovi", "woovi ", "", "*", "wo_ovi"):
        with pytest.raises(InvalidClientName):
            known_client(name)


def test_it_shows_itself_as_it_was_written() -> None:
    assert repr(known_client("woovi", "efi")) == "known_client('efi', 'woovi')"


def test_the_document_says_mutual_tls_of_the_routes_that_ask_for_it(app: FastAPI) -> None:
    describe_mutual_tls(app)
    document = app.openapi()

    assert document["openapi"].startswith("3.1")
    assert document["components"]["securitySchemes"] == {
        "mutualTLS": {
            "type": "mutualTLS",
            "description": "A client certificate that this server's registry knows, shown in the TLS handshake.",
        }
    }
    secured = {path: each["get"].get("security") for path, each in document["paths"].items()}
    required: list[dict[str, list[str]]] = [{"mutualTLS": []}]
    assert secured == {
        "/status": required,
        "/providers": required,
        "/below": required,
        "/partners/{name}": required,
        "/public": None,
    }


def test_the_document_that_is_served_is_that_one_and_routes_may_come_later(app: FastAPI) -> None:
    describe_mutual_tls(app)
    app.openapi()

    @app.get("/later")
    async def later(client: AnyClient) -> None:
        raise AssertionError

    with TestClient(app) as caller:
        document = json.loads(caller.get("/openapi.json").content)
    assert document["components"]["securitySchemes"]["mutualTLS"]["type"] == "mutualTLS"
    assert document["paths"]["/later"]["get"]["security"] == [{"mutualTLS": []}]


def test_an_application_without_such_routes_has_no_such_scheme() -> None:
    app = FastAPI()
    describe_mutual_tls(app)

    assert "components" not in app.openapi()


def test_without_fastapi_it_says_what_to_install() -> None:
    import subprocess
    import sys

    program = "import sys; sys.modules['fastapi'] = None\nimport mutua\ntry:\n    import mutua.fastapi\n"
    program += "except mutua.MutuaError as error:\n    print(error.code, error.hint)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert done.stdout == "missing_extra pip install fastapi\n"

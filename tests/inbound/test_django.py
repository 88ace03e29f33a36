"""Django's requests, made by its own factories: who is calling, and whom a view is for."""

import asyncio
import json
from typing import Any

import django  # type: ignore[import-untyped]
import pytest
from asgiref.sync import iscoroutinefunction
from django.conf import settings  # type: ignore[import-untyped]
from django.http import HttpResponse  # type: ignore[import-untyped]
from django.test import AsyncRequestFactory, RequestFactory  # type: ignore[import-untyped]
from django.utils.decorators import method_decorator  # type: ignore[import-untyped]
from django.views import View  # type: ignore[import-untyped]

from mutua.django import KnownClientMiddleware, known_client, only_clients
from mutua.errors import InvalidClientName, UnknownClient
from mutua.gate.decision import Anyone
from mutua.inbound.connection import ANYONE, KNOWN_CLIENT
from mutua.registry.clients import KnownClient
from mutua.registry.credentials import CredentialKind

WOOVI = KnownClient("woovi", "x" * 43, CredentialKind.ISSUED)
OTHER = KnownClient("other", "y" * 43, CredentialKind.ISSUED)
UNAUTHORIZED = b'{"type":"about:blank","title":"Unauthorized","status":401}'
FORBIDDEN = b'{"type":"about:blank","title":"Forbidden","status":403}'


@pytest.fixture(scope="module", autouse=True)
def configured() -> None:
    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["testserver"])
        django.setup()


def wsgi_request(client: KnownClient | None) -> Any:
    return RequestFactory().get("/status", **({"mutua.known_client": client} if client else {}))


def asgi_request(client: KnownClient | None) -> Any:
    request = AsyncRequestFactory().get("/status")
    request.scope["state"] = {KNOWN_CLIENT: client} if client else {}
    return request


def answer(middleware: Any, request: Any) -> HttpResponse:
    return middleware(request)


REQUESTS = pytest.mark.parametrize("make", [wsgi_request, asgi_request])


@REQUESTS
def test_the_client_is_told_from_a_request_of_either_kind(make: Any) -> None:
    assert known_client(make(WOOVI)) is WOOVI
    with pytest.raises(UnknownClient):
        known_client(make(None))


@REQUESTS
def test_the_middleware_gives_the_request_its_client(make: Any) -> None:
    seen: list[Any] = []

    def respond(request: Any) -> HttpResponse:
        seen.append(request.known_client)
        return HttpResponse("in")

    assert answer(KnownClientMiddleware(respond), make(WOOVI)).content == b"in"
    assert seen == [WOOVI]


def test_it_stays_async_where_django_is() -> None:
    async def respond(request: Any) -> HttpResponse:
        return HttpResponse(request.known_client.name)

    middleware = KnownClientMiddleware(respond)
    assert iscoroutinefunction(middleware)
    assert not iscoroutinefunction(KnownClientMiddleware(lambda _: HttpResponse()))

    async def ask(client: KnownClient | None) -> HttpResponse:
        return await middleware(asgi_request(client))

    assert asyncio.run(ask(WOOVI)).content == b"woovi"
    assert asyncio.run(ask(None)).status_code == 401


def public_wsgi_request() -> Any:
    return RequestFactory().get("/status", **{ANYONE: Anyone()})


def public_asgi_request() -> Any:
    request = asgi_request(None)
    request.scope["state"] = {ANYONE: Anyone()}
    return request


@pytest.mark.parametrize("make", [public_wsgi_request, public_asgi_request])
def test_a_public_path_has_no_known_client_and_a_view_for_some_has_nobody_either(make: Any) -> None:
    seen: list[Any] = []

    def respond(request: Any) -> HttpResponse:
        seen.append(request.known_client)
        return for_two(request, number=7)

    assert answer(KnownClientMiddleware(respond), make()).status_code == 401
    assert seen == [None]
    with pytest.raises(UnknownClient, match="public"):
        known_client(make())


@REQUESTS
def test_without_the_gate_in_front_nobody_gets_in(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    response = answer(KnownClientMiddleware(lambda _: HttpResponse("in")), make(None))
    assert (response.status_code, response.content) == (401, UNAUTHORIZED)
    assert "mutua serve" in caplog.text


@only_clients("woovi", "efi")
def for_two(request: Any, *, number: int) -> HttpResponse:
    return HttpResponse(f"in {number}")


@only_clients("woovi")
async def for_one(request: Any) -> HttpResponse:
    return HttpResponse("in")


@REQUESTS
def test_a_view_is_for_the_clients_it_names(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert for_two(make(WOOVI), number=7).content == b"in 7"
    with caplog.at_level("INFO", "mutua.access"):
        refused = for_two(make(OTHER), number=7)
    assert (refused.status_code, refused.content) == (403, FORBIDDEN)
    assert refused["Content-Type"] == "application/problem+json"
    line = json.loads(caplog.messages[-1])
    assert (line["event"], line["client"], line["reason"]) == ("refused", "other", "not_granted")
    assert (line["path"], line["detail"], line["peer"]) == ("/status", "the view is for efi, woovi", line["peer"])
    assert line["peer"].startswith("127.0.0.1")
    assert for_two(make(None), number=7).status_code == 401


def test_so_is_an_async_view() -> None:
    assert iscoroutinefunction(for_one)
    assert for_one.__name__ == "for_one"

    async def ask(client: KnownClient | None) -> int:
        response: HttpResponse = await for_one(asgi_request(client))
        return int(response.status_code)

    assert [asyncio.run(ask(each)) for each in (WOOVI, OTHER, None)] == [200, 403, 401]


def test_so_is_a_class() -> None:
    @method_decorator(only_clients("woovi"), name="dispatch")
    class Status(View):  # type: ignore[misc]
        def get(self, request: Any) -> HttpResponse:
            return HttpResponse("in")

    view = Status.as_view()
    assert [view(wsgi_request(each)).status_code for each in (WOOVI, OTHER)] == [200, 403]


@pytest.mark.parametrize("names", [(), ("",), ("Woovi",), ("woovi", "a b")])
def test_a_view_for_nobody_that_can_be_is_a_mistake(names: tuple[str, ...]) -> None:
    with pytest.raises(InvalidClientName):
        only_clients(*names)


def test_a_header_is_nobody(caplog: pytest.LogCaptureFixture) -> None:
    forged = RequestFactory().get("/status", headers={"mutua-known-client": "woovi", "ssl-client-verify": "SUCCESS"})
    assert answer(KnownClientMiddleware(lambda _: HttpResponse("in")), forged).status_code == 401

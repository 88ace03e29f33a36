"""The known client in a Django request, under WSGI and ASGI alike. The gate stands in front of Django, not in it."""

import logging
import time
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, TypeVar

try:
    from asgiref.sync import iscoroutinefunction, markcoroutinefunction
    from django.http import HttpRequest, HttpResponse  # type: ignore[import-untyped]
except ImportError as error:
    from mutua.errors import MissingExtra

    raise MissingExtra("Django is not installed", hint="pip install django") from error

from mutua.errors import InvalidClientName, UnknownClient
from mutua.gate.decision import Anyone, Refusal
from mutua.inbound import asgi, wsgi
from mutua.inbound.accepting import address_of
from mutua.inbound.access_log import log_request
from mutua.inbound.connection import ANYONE, Connection
from mutua.inbound.problems import problem
from mutua.inbound.wsgi_environ import remote_of
from mutua.reasons import Reason
from mutua.registry.clients import KnownClient, accepted_client_name

View = TypeVar("View", bound=Callable[..., Any])

log = logging.getLogger("mutua.django")


class KnownClientMiddleware:
    """Gives every request its ``known_client``. To be the first in ``MIDDLEWARE``.

    It is ``None`` on a public path that was asked for without a certificate. A request that did not come through the
    gate is refused with 401: Django was served without it.

    Args:
        get_response: Django's, of either kind.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        if self._is_async:
            return self._answer(request)
        return _introduced(request) or self.get_response(request)

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        return _introduced(request) or await self.get_response(request)


def _introduced(request: HttpRequest) -> HttpResponse | None:
    """The refusal of a request that nobody vouches for."""
    request.known_client = None
    if _is_public(request):
        return None
    try:
        request.known_client = known_client(request)
    except UnknownClient as error:
        log.error("%s; %s", error.message, "serve it with: mutua serve")  # noqa: TRY400 -- there is no more to say
        return _refused(Reason.NO_CERTIFICATE)
    return None


def _is_public(request: HttpRequest) -> bool:
    """Whether the gate has let somebody in without a certificate."""
    scope = getattr(request, "scope", None)
    left = request.META if scope is None else scope.get("state", {})
    return isinstance(left.get(ANYONE), Anyone)


def known_client(request: HttpRequest) -> KnownClient:
    """Who is calling.

    Args:
        request: Django's.

    Raises:
        UnknownClient: the request did not come through the gate, so nobody knows.
    """
    scope = getattr(request, "scope", None)
    return wsgi.known_client(request) if scope is None else asgi.known_client(scope)


def only_clients(*names: str) -> Callable[[View], View]:
    """Limit a view, of either kind, to some clients::

        @only_clients("woovi", "efi")
        def webhook(request): ...

    Everybody else gets the gate's own 403, and a line in the access log. What the registry grants counts as well: a
    client needs both. For a class, Django's ``method_decorator`` does it.

    Args:
        names: of clients, as in the registry; one at least.

    Raises:
        InvalidClientName: no client can have that name, or none is given.
    """
    if not names:
        raise InvalidClientName("a view needs the names of its clients", hint='write @only_clients("woovi")')
    allowed = frozenset(accepted_client_name(name) for name in names)

    def decorate(view: View) -> View:
        if iscoroutinefunction(view):

            @wraps(view)
            async def answer(request: HttpRequest, *arguments: Any, **keywords: Any) -> Any:
                return _kept_out(request, allowed) or await view(request, *arguments, **keywords)
        else:

            @wraps(view)
            def answer(request: HttpRequest, *arguments: Any, **keywords: Any) -> Any:
                return _kept_out(request, allowed) or view(request, *arguments, **keywords)

        return answer  # type: ignore[return-value]

    return decorate


def _kept_out(request: HttpRequest, allowed: frozenset[str]) -> HttpResponse | None:
    """The refusal of a client that the view is not for."""
    started = time.perf_counter()
    try:
        client = known_client(request)
    except UnknownClient:
        return _refused(Reason.NO_CERTIFICATE)
    if client.name in allowed:
        return None
    detail = f"the view is for {', '.join(sorted(allowed))}"
    log_request(
        Refusal(Reason.NOT_GRANTED, detail, client.name, client.thumbprint),
        Connection(None, _address(request)),
        method=request.method or "",
        path=request.path,
        status=403,
        started=started,
    )
    return _refused(Reason.NOT_GRANTED)


def _address(request: HttpRequest) -> str:
    scope = getattr(request, "scope", None)
    return remote_of(request.META) if scope is None else address_of(scope.get("client"))


def _refused(reason: Reason) -> HttpResponse:
    status, headers, body = problem(reason)
    return HttpResponse(body, status=status, headers={name.decode(): value.decode() for name, value in headers})

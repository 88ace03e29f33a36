"""What certificates point to: CRLs, the CAs' certificates, and OCSP. Plain http, since all of it is signed."""

import binascii
import hashlib
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from email.utils import format_datetime

try:
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route
except ImportError as error:
    from mutua.errors import MissingExtra

    raise MissingExtra("the web server is not installed", hint="pip install 'mutua[serve]'") from error

from mutua.home.home import Home
from mutua.home.responder import Answer, Responder
from mutua.pki.certificates import write_der
from mutua.pki.ocsp import MAX_REQUEST_BYTES
from mutua.store.crls import WHOLE, CrlRecord

MAX_AGE = timedelta(minutes=5)
"""How long a cache on the way may keep what can change at any moment; nobody learns of a revocation later than that."""

CA_MAX_AGE = timedelta(days=1)
"""A CA's certificate never changes."""

MAX_KEPT_CRL_BYTES = 1024 * 1024
"""CRLs up to this size are kept in memory; larger ones are read from the store for each download."""


class Revocation:
    """The endpoints of a home.

    Args:
        home: whose CAs; stays the caller's to close.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._responder = Responder(home)
        self._crls: dict[tuple[str, int], tuple[int, bytes]] = {}

    def application(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/crl/{name}.crl", self._crl),
                Route("/crl/{name}/{shard:int}.crl", self._crl),
                Route("/ca/{name}.crt", self._certificate),
                Route("/ocsp", self._ocsp_post, methods=["POST"]),
                Route("/ocsp/{request:path}", self._ocsp_get),
            ],
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _application: Starlette) -> AsyncIterator[None]:
        await run_in_threadpool(self._responder.start)
        try:
            yield
        finally:
            await run_in_threadpool(self._responder.close)

    def _crl(self, request: Request) -> Response:
        place = request.path_params["name"], request.path_params.get("shard", WHOLE)
        record, der = self._published(place)
        if record is None or der is None:
            return Response("no such CRL\n", status_code=404, media_type="text/plain")
        left = record.next_update - self._home.now()
        return _cached(request, der, "application/pkix-crl", record.this_update, max(min(MAX_AGE, left), timedelta(0)))

    def _published(self, place: tuple[str, int]) -> tuple[CrlRecord | None, bytes | None]:
        record = self._home.crls.everything().get(place)
        if record is None:
            return None, None
        number, der = self._crls.get(place, (0, b""))
        if number == record.number:
            return record, der
        found = self._home.crls.der(*place)
        if found is not None and len(found) <= MAX_KEPT_CRL_BYTES:
            self._crls[place] = record.number, found
        return record, found

    def _certificate(self, request: Request) -> Response:
        name = request.path_params["name"]
        record = next((each for each in self._home.hierarchy.everyone() if each.id == name), None)
        if record is None:
            return Response("no such CA\n", status_code=404, media_type="text/plain")
        der = write_der(record.certificate)
        return _cached(request, der, "application/pkix-cert", record.created_at, CA_MAX_AGE)

    async def _ocsp_post(self, request: Request) -> Response:
        data = b""
        async for chunk in request.stream():
            data += chunk
            if len(data) > MAX_REQUEST_BYTES:
                return Response("too large\n", status_code=413, media_type="text/plain")
        return _answer(await self._ask(data), self._home.now(), caching=False)

    async def _ocsp_get(self, request: Request) -> Response:
        try:
            # The path is decoded by now, but for a client that has encoded its base64 twice.
            data = b64decode(request.path_params["request"].replace("%2B", "+").replace("%2F", "/"), validate=True)
        except (binascii.Error, ValueError):
            data = b""
        return _answer(await self._ask(data), self._home.now(), caching=True)

    async def _ask(self, data: bytes) -> Answer:
        ready = self._responder.kept(data)
        return ready if ready is not None else await run_in_threadpool(self._responder.answer, data)


def _answer(answer: Answer, now: datetime, *, caching: bool) -> Response:
    """An answer as RFC 5019 section 6 has it: one to a GET may be kept on the way, for a while."""
    headers = {"Cache-Control": "no-store"}
    if caching and answer.kept and answer.this_update is not None and answer.next_update is not None:
        age = max(min(MAX_AGE, answer.next_update - now), timedelta(0))
        headers = {
            "Cache-Control": f"max-age={age // timedelta(seconds=1)}, public, no-transform, must-revalidate",
            "ETag": _tag(answer.der),
            "Expires": format_datetime(answer.next_update, usegmt=True),
            "Last-Modified": format_datetime(answer.this_update, usegmt=True),
        }
    return Response(answer.der, media_type="application/ocsp-response", headers=headers)


def _cached(request: Request, body: bytes, media_type: str, made: datetime, age: timedelta) -> Response:
    tag = _tag(body)
    headers = {
        "Cache-Control": f"public, max-age={age // timedelta(seconds=1)}",
        "ETag": tag,
        "Last-Modified": format_datetime(made.replace(microsecond=0), usegmt=True),
    }
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


def _tag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'

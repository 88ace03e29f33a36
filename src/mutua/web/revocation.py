"""What certificates point to: CRLs, the CAs' certificates, and OCSP. Plain http, since all of it is signed."""

import binascii
import hashlib
import logging
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from email.utils import format_datetime
from threading import Lock
from urllib.parse import unquote

try:
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import Response, StreamingResponse
    from starlette.routing import Route
except ImportError as error:
    from mutua.errors import MissingExtra

    raise MissingExtra("the web server is not installed", hint="pip install 'mutua[serve]'") from error

from mutua.ca.hierarchy import accepted_authority_id
from mutua.errors import InvalidAuthority, MutuaError
from mutua.home.crls import Place
from mutua.home.home import Home
from mutua.home.responder import Answer, Responder
from mutua.home.settings import MAX_SHARDS
from mutua.pki.certificates import write_der
from mutua.pki.crl import MAX_CRL_BYTES
from mutua.pki.ocsp import MAX_REQUEST_BYTES
from mutua.store.crls import WHOLE, CrlRecord

MAX_AGE = timedelta(minutes=5)
"""How long a cache on the way may keep what can change at any moment; nobody learns of a revocation later than that."""

CA_MAX_AGE = timedelta(days=1)
"""A CA's certificate never changes."""

MAX_KEPT_BYTES = MAX_CRL_BYTES
"""CRLs kept in memory, together: one of the largest, or all the parts of one."""

OCSP_RESPONSE = "application/ocsp-response"

CHUNK_BYTES = 64 * 1024
"""A CRL is sent in pieces, so that many slow readers of a long one do not each hold a copy of it."""

log = logging.getLogger("mutua.web")


class KeptCrls:
    """The CRLs that were asked for, each in memory once however many fetch it.

    Args:
        home: whose.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._kept: dict[Place, tuple[int, bytes, str]] = {}
        self._reading = Lock()

    def newest(self, place: Place) -> tuple[CrlRecord, bytes, str] | None:
        """What is published, in DER, and its entity tag."""
        # What cannot be there is not looked for: a database has its own view of such names and numbers.
        record = self._home.crls.find(*place) if _can_be(*place) else None
        if record is None:
            return None
        with self._reading:
            number, der, tag = self._kept.get(place, (0, b"", ""))
            if number != record.number:
                found = self._home.crls.der(*place)
                if found is None:
                    return None
                der, tag = found, _tag(found)
                self._keep(place, record.number, der, tag)
        return record, der, tag

    def _keep(self, place: Place, number: int, der: bytes, tag: str) -> None:
        self._kept.pop(place, None)
        while self._kept and sum(len(each) for _, each, _ in self._kept.values()) + len(der) > MAX_KEPT_BYTES:
            del self._kept[next(iter(self._kept))]
        self._kept[place] = number, der, tag


class Revocation:
    """The endpoints of a home.

    Args:
        home: whose CAs; stays the caller's to close.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._responder = Responder(home)
        self._crls = KeptCrls(home)

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
            exception_handlers={MutuaError: _unavailable},
        )

    @asynccontextmanager
    async def _lifespan(self, _application: Starlette) -> AsyncIterator[None]:
        await run_in_threadpool(self._responder.start)
        try:
            yield
        finally:
            await run_in_threadpool(self._responder.close)

    def _crl(self, request: Request) -> Response:
        found = self._crls.newest((request.path_params["name"], request.path_params.get("shard", WHOLE)))
        if found is None:
            return Response("no such CRL\n", status_code=404, media_type="text/plain")
        record, der, tag = found
        age = min(MAX_AGE, record.next_update - self._home.now())
        return _cached(request, der, tag, "application/pkix-crl", record.this_update, age)

    def _certificate(self, request: Request) -> Response:
        name = request.path_params["name"]
        record = next((each for each in self._home.hierarchy.everyone() if each.id == name), None)
        if record is None:
            return Response("no such CA\n", status_code=404, media_type="text/plain")
        der = write_der(record.certificate)
        return _cached(request, der, _tag(der), "application/pkix-cert", record.created_at, CA_MAX_AGE)

    async def _ocsp_post(self, request: Request) -> Response:
        data = b""
        async for chunk in request.stream():
            data += chunk
            if len(data) > MAX_REQUEST_BYTES:
                return Response("too large\n", status_code=413, media_type="text/plain")
        answer = await self._ask(data)
        return Response(answer.der, media_type=OCSP_RESPONSE, headers={"Cache-Control": "no-store"})

    async def _ocsp_get(self, request: Request) -> Response:
        try:
            # The path is decoded by now, but for a client that has encoded its base64 twice.
            data = b64decode(unquote(request.path_params["request"]), validate=True)
        except (binascii.Error, ValueError):
            data = b""
        answer = await self._ask(data)
        if not answer.kept or answer.this_update is None or answer.next_update is None:
            return Response(answer.der, media_type=OCSP_RESPONSE, headers={"Cache-Control": "no-store"})
        age = min(MAX_AGE, answer.next_update - self._home.now())
        response = _cached(request, answer.der, _tag(answer.der), OCSP_RESPONSE, answer.this_update, age)
        # RFC 5019 section 6.2.
        response.headers["Cache-Control"] += ", no-transform, must-revalidate"
        response.headers["Expires"] = format_datetime(answer.next_update, usegmt=True)
        return response

    async def _ask(self, data: bytes) -> Answer:
        ready = self._responder.kept(data)
        return ready if ready is not None else await run_in_threadpool(self._responder.answer, data)


def _can_be(authority: str, shard: int) -> bool:
    try:
        accepted_authority_id(authority)
    except InvalidAuthority:
        return False
    return shard <= MAX_SHARDS


def _cached(request: Request, body: bytes, tag: str, media_type: str, made: datetime, age: timedelta) -> Response:
    headers = {
        "Cache-Control": f"max-age={max(age, timedelta(0)) // timedelta(seconds=1)}, public",
        "ETag": tag,
        "Last-Modified": format_datetime(made.replace(microsecond=0), usegmt=True),
    }
    known = request.headers.get("if-none-match", "")
    if tag in known or known.strip() == "*":
        return Response(status_code=304, headers=headers)
    if len(body) <= CHUNK_BYTES or request.method == "HEAD":
        return Response(body, media_type=media_type, headers=headers)
    headers["Content-Length"] = str(len(body))
    return StreamingResponse(_pieces(body), media_type=media_type, headers=headers)


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), CHUNK_BYTES):
        yield body[start : start + CHUNK_BYTES]


def _unavailable(_request: Request, error: Exception) -> Response:
    """The store cannot be read now: whoever asks is to come again, and not to take it for an answer."""
    assert isinstance(error, MutuaError)
    log.warning("cannot answer: %s", error)
    return Response("try again later\n", status_code=503, headers={"Retry-After": "5"}, media_type="text/plain")


def _tag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'

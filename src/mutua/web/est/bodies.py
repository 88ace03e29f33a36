"""Bodies of EST: base64 both ways, with or without line breaks (RFC 8951 section 3.1)."""

import asyncio
import binascii
from base64 import b64decode, encodebytes

from starlette.requests import ClientDisconnect, Request

from mutua.pki.requests import MAX_REQUEST_BYTES

MEDIA_TYPE = "application/pkcs10"

MAX_BODY_BYTES = MAX_REQUEST_BYTES * 3 // 2
"""The largest request in base64, with a line break for every 64 characters, or more of them."""

BODY_SECONDS = 20.0
"""How long a body may take: as long as a head may at a door of ours, and 200 times as long as a slow line needs."""

_SPACE = b" \t\r\n"


class BadBody(Exception):
    """A body that holds no request.

    Args:
        why: one line, also for the peer: it says nothing about anybody.
        status: of HTTP.
    """

    def __init__(self, why: str, status: int) -> None:
        super().__init__(why)
        self.status = status


async def read_body(request: Request) -> bytes:
    """The DER in a request's body.

    Raises:
        BadBody: of another type, too large, too slow, broken off, or no base64.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise BadBody(f"send {MEDIA_TYPE}", 415)
    data = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                data += chunk
                if len(data) > MAX_BODY_BYTES:
                    raise BadBody("too large", 413)
    except TimeoutError:
        raise BadBody("too slow", 408) from None
    except ClientDisconnect:
        raise BadBody("broken off", 400) from None
    try:
        return b64decode(bytes(data).translate(None, _SPACE), validate=True)
    except (binascii.Error, ValueError):
        raise BadBody("the body is not base64", 400) from None


def write_body(der: bytes) -> bytes:
    """Base64 in lines of 76 characters, which the base64 of openssl can read as well."""
    return encodebytes(der)

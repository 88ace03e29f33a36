"""One request over HTTP/1.1 (RFC 9112), on a connection that is made already."""

import http.client
import ssl
from collections.abc import Callable

from mutua.outbound.messages import MAX_BODY_BYTES, Answer, Request

ALPN = "http/1.1"

MAX_INTERIM = 16
"""Answers such as 103 before the one that counts (RFC 9110 section 15.2); one or two are usual."""

_VERSIONS = {10: "HTTP/1.0", 11: "HTTP/1.1"}


def exchange(
    secured: ssl.SSLSocket, authority: str, path: str, request: Request, on_first_byte: Callable[[], None]
) -> Answer:
    """Send the request and read the answer.

    Args:
        secured: whose timeout holds for each read and write.
        authority: the URL's host and port.
        path: with the query.
        request: what to ask.
        on_first_byte: called when the answer begins.

    Raises:
        OSError: the connection fails. http.client.HTTPException: what came is no answer, or only a part of one.
    """
    connection = http.client.HTTPConnection(authority)
    connection.sock = secured
    connection.response_class = _told_of(on_first_byte)  # type: ignore[assignment]
    connection.putrequest(request.method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in request.fields(authority):
        connection.putheader(name, value)
    connection.putheader("Connection", "close")
    try:
        connection.endheaders(request.body)
    except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError) as lost:
        response = _said_before_the_end(connection, lost)
    else:
        response = connection.getresponse()
    with response:
        return _read(response)


def _told_of(on_first_byte: Callable[[], None]) -> Callable[..., http.client.HTTPResponse]:
    class Response(http.client.HTTPResponse):
        def begin(self) -> None:
            if self.fp.peek(1):
                on_first_byte()
            for _ in range(MAX_INTERIM):
                super().begin()
                if not 102 <= self.status < 200:  # http.client knows 100, and takes the others for the answer
                    return
                self.headers = self.msg = None  # type: ignore[assignment]
            raise http.client.HTTPException("interim answers, and none that ends the request")

    return Response


def _said_before_the_end(connection: http.client.HTTPConnection, lost: OSError) -> http.client.HTTPResponse:
    """Who refuses a body need not read it: RFC 9112 section 9.5 has us look for an answer then."""
    response = connection.response_class(connection.sock)
    try:
        response.begin()
    except (OSError, http.client.HTTPException):
        response.close()
        raise lost from None
    return response


def _read(response: http.client.HTTPResponse) -> Answer:
    body = response.read(MAX_BODY_BYTES)
    # http.client is silent about an answer that ends early when it is read up to a number of bytes.
    if response.length and len(body) < MAX_BODY_BYTES:
        raise http.client.IncompleteRead(body, response.length)
    return Answer(
        status=response.status,
        reason=response.reason,
        headers=tuple(response.getheaders()),
        body=body,
        truncated=len(body) == MAX_BODY_BYTES and response.read(1) != b"",
        http_version=_VERSIONS.get(response.version, "HTTP/1.1"),
    )

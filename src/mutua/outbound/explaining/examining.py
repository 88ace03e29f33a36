"""From an exception to its evidence: it and everything it was made of, within bounds."""

import re
from collections import deque
from collections.abc import Iterator
from urllib.parse import urlsplit

from mutua.doctor.call import Stage
from mutua.outbound.explaining.evidence import Evidence, attribute, of_standard_library, text_of
from mutua.outbound.explaining.libraries import connecting, of_grpc, of_http_library, of_pycurl
from mutua.outbound.handshaking import Target

MAX_EXCEPTIONS = 64
"""Of one failure; requests needs five, and an exception group as many as a host has addresses."""

_HOST = re.compile(r"[A-Za-z0-9._:-]{1,253}")
"""A DNS name (RFC 1035 section 2.3.4) or an IP address: what else a foreign object may hold is not connected to."""

_HTTP_LIBRARIES = {
    "aiohttp",
    "anyio",
    "h11",
    "httpcore",
    "httpcore2",
    "httpx",
    "httpx2",
    "niquests",
    "requests",
    "urllib3",
    "websockets",
}
_READERS = (
    ({"grpc"}, of_grpc),
    ({"pycurl"}, of_pycurl),
    (_HTTP_LIBRARIES, of_http_library),
    ({"builtins", "http", "ssl", "socket", "urllib", "asyncio"}, of_standard_library),
)


def examine(error: BaseException) -> tuple[Evidence, Target | None]:
    """What an exception proves, and where the call went if it says so.

    The weightiest evidence counts; of two pieces that weigh the same, the one nearer to what was caught.
    """
    failures = list(_failures(error))
    best, said_by = Evidence(), error
    for failure in failures:
        for packages, read in _READERS:
            found = read(failure) if packages & _packages(failure) else None
            if found is not None and found.weight > best.weight:
                best, said_by = found, failure
    if best.weight == 0 and any(map(connecting, failures)):
        best = Evidence(stage=Stage.CONNECT)
    words = best.error or text_of(said_by) or type(said_by).__name__
    target = next(filter(None, map(_target, failures)), None)
    return _with_words(best, words), target


def _with_words(found: Evidence, words: str) -> Evidence:
    return Evidence(
        stage=found.stage,
        alert=found.alert,
        verify_code=found.verify_code,
        status=found.status,
        closed=found.closed,
        body=found.body,
        error=words,
    )


def _failures(error: BaseException) -> Iterator[BaseException]:
    """The exception and those it was made of, the nearest first."""
    waiting, seen = deque([error]), {id(error)}
    for _ in range(MAX_EXCEPTIONS):
        if not waiting:
            return
        yield (failure := waiting.popleft())
        for part in _parts(failure):
            if id(part) not in seen:
                seen.add(id(part))
                waiting.append(part)


def _parts(failure: BaseException) -> Iterator[BaseException]:
    members = attribute(failure, "exceptions")  # of a group
    for part in (
        failure.__cause__,
        *failure.args[:MAX_EXCEPTIONS],
        *(members[:MAX_EXCEPTIONS] if isinstance(members, tuple) else ()),
        attribute(failure, "reason"),
        attribute(failure, "os_error"),
        attribute(failure, "certificate_error"),
        failure.__context__ if _caught_it(failure) else None,
    ):
        if isinstance(part, BaseException):
            yield part


def _caught_it(failure: BaseException) -> bool:
    """Whether the package that made an exception had caught the one in its context.

    Else that one belongs to somebody else: to a call that failed before, and in whose ``except`` block this one was
    made. A traceback begins where its exception was caught.
    """
    context = failure.__context__
    if context is None or context.__traceback__ is None:
        return False
    where = context.__traceback__.tb_frame.f_globals.get("__name__", "")
    return str(where).partition(".")[0] in _packages(failure) - {"builtins"}


def _packages(failure: BaseException) -> set[str]:
    return {str(kind.__module__).partition(".")[0] for kind in type(failure).__mro__}


def _target(failure: BaseException) -> Target | None:
    """Where a call went, from the request, the connection or the pool that an exception holds."""
    for url in (
        attribute(attribute(failure, "request"), "url"),
        attribute(attribute(failure, "request_info"), "real_url"),
        attribute(failure, "url"),
    ):
        if url is not None and (found := _of_url(text_of(url))):
            return found
    for holder in (failure, attribute(failure, "pool")):
        host, port = attribute(holder, "host"), attribute(holder, "port")
        if isinstance(host, str) and isinstance(port, int) and (found := _of_parts(host, port)):
            return found
    return None


def _of_url(url: str) -> Target | None:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 443
    except ValueError:
        return None
    return _of_parts(host, port) if host and parts.scheme in {"https", "wss"} else None


def _of_parts(host: str, port: int) -> Target | None:
    host = host.removeprefix("[").removesuffix("]")
    return Target(host, port, "/") if _HOST.fullmatch(host) and 0 < port < 65536 else None

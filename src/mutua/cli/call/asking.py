"""The request that the options of ``mutua call`` describe."""

import json
import sys

from mutua.errors import InvalidInput
from mutua.outbound.messages import MAX_BODY_BYTES, MAX_HEADER_BYTES, Request
from mutua.tls.files import read_file

STANDARD_INPUT = "-"


def as_request(method: str | None, headers: tuple[str, ...], data: str | None, data_json: str | None) -> Request:
    """Read what is in files and on stdin, and put the request together.

    Args:
        method: as typed; a POST where there is a body and none was.
        headers: ``Name: value``, or ``@FILE`` with one to a line: what stands on a command line others can read.
        data: the body as text, ``@FILE``, or ``-`` for stdin.
        data_json: the same for JSON.

    Raises:
        InvalidInput: it is no request. UnreadableFile: a file cannot be read, or is too large.
    """
    if data is not None and data_json is not None:
        raise InvalidInput("there is one body", hint="give --data or --data-json")
    fields = [field for line in headers for field in _fields(line)]
    given = data if data_json is None else data_json
    body = None if given is None else _content(given)
    if data_json is not None:
        _require_json(body or b"")
        if not any(name.lower() == "content-type" for name, _ in fields):
            fields.append(("Content-Type", "application/json"))
    usual = "GET" if body is None else "POST"
    return Request(method=(method or usual).upper(), headers=tuple(fields), body=body)


def _fields(text: str) -> list[tuple[str, str]]:
    if not text.startswith("@"):
        return [_field(text)]
    content = read_file(text[1:], MAX_HEADER_BYTES).decode("utf-8", "replace")
    return [_field(line.removesuffix("\r")) for line in content.split("\n") if line.strip()]


def _field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise InvalidInput("a header has no colon", hint="write -H 'Name: value', or -H @FILE for one from a file")
    return name, value.strip(" \t")


def _content(text: str) -> bytes:
    if text == STANDARD_INPUT:
        return sys.stdin.buffer.read(MAX_BODY_BYTES + 1)
    if text.startswith("@"):
        return read_file(text[1:], MAX_BODY_BYTES)
    return text.encode("utf-8", "surrogateescape")


def _require_json(body: bytes) -> None:
    try:
        json.loads(body)
    except (ValueError, RecursionError) as error:
        where = f": {error.msg}, line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise InvalidInput(f"the body is not JSON{where}", hint="mend it, or send it as it is with --data") from None

"""The WSGI application the tests serve. It tells on stdout of every request that reaches it."""

import json
import os
import sys
from collections.abc import Iterable
from typing import Any

from mutua.errors import UnknownClient
from mutua.registry.clients import KnownClient
from mutua.wsgi import known_client

TOLD = ("SSL_CLIENT_", "HTTP_")


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    client = _caller(environ)
    length = int(environ.get("CONTENT_LENGTH") or 0)
    seen = {
        "event": "reached",
        "type": "http",
        "method": environ["REQUEST_METHOD"],
        "path": environ["SCRIPT_NAME"] + environ["PATH_INFO"],
        "scheme": environ["wsgi.url_scheme"],
        "client": client.name if client else None,
        "thumbprint": client.thumbprint if client else None,
        "address": environ["REMOTE_ADDR"],
        "process": os.getpid(),
        "environ": {name: value for name, value in environ.items() if name.startswith(TOLD)},
    }
    sys.stdout.write(json.dumps(seen) + "\n")
    sys.stdout.flush()
    environ["wsgi.input"].read(length)
    body = json.dumps(seen).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def _caller(environ: dict[str, Any]) -> KnownClient | None:
    try:
        return known_client(environ)
    except UnknownClient as error:
        if "public" not in error.message:
            raise  # nobody comes here past the gate
        return None

"""``told`` for WSGI."""

import json
from collections.abc import Iterable
from typing import Any

from mutua.wsgi import known_client


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    known = known_client(environ)
    told = {
        "client": known.name,
        "thumbprint": known.thumbprint,
        "headers": sorted(key[5:].lower().replace("_", "-") for key in environ if key.startswith("HTTP_")),
        "chain": 1 + sum(key.startswith("SSL_CLIENT_CERT_CHAIN_") for key in environ),
        "path": environ["RAW_URI"],
    }
    body = json.dumps(told).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]

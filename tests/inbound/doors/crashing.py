"""Applications that end the process they are in, each in its way."""

import os
import signal
from typing import Any

from tests import echo

if os.environ.get("MUTUA_TEST_ENDS_AT") == "import":
    os._exit(7)


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http" and scope["path"] == "/pid":
        body = str(os.getpid()).encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
    elif scope["type"] == "http" and scope["path"] == "/die":
        os.kill(os.getpid(), signal.SIGKILL)
    else:
        await echo.app(scope, receive, send)

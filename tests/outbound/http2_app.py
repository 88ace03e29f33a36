"""The application of ``test_http2``: tells what it was asked, or sends as many bytes as the path says."""

from typing import Any


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    size = 0
    while True:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    if scope["path"].startswith("/bytes/"):
        body = bytes(int(scope["path"].rpartition("/")[2]))
    else:
        query = f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
        named = [f"{name.decode()}={value.decode()}" for name, value in scope["headers"] if name.startswith(b"x-")]
        version = f"HTTP/{scope['http_version']}"
        body = " ".join([scope["method"], scope["path"] + query, version, *named, str(size)]).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

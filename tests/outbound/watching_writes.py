"""Run as a program: every client calls a server, and each file that Python opens for writing is told.

The identity comes on stdin, so that its key is in no file to begin with. ``niquests`` as an argument runs that client
alone, in its own environment.
"""

import asyncio
import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND

MAKING = {"tempfile.mkstemp", "tempfile.mkdtemp", "os.rename", "os.link", "os.symlink"}

written: list[str] = []
called: list[str] = []


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: what is opened by number is open already."""
    opened = event == "open" and not isinstance(arguments[0], int) and arguments[2] & WRITING
    if opened or event in MAKING:
        written.append(os.fsdecode(arguments[0]))


def every_client(told: dict[str, str]) -> None:
    import pycurl
    import websockets.asyncio.client
    import websockets.sync.client

    from mutua import FollowedIdentity, Identity, Trust
    from tests.outbound.sessions import POOLED, UNPOOLED

    identity, trust = Identity.load(told["identity"].encode()), Trust.load(told["trust"].encode())
    followed = FollowedIdentity(identity, trust)
    for name, session in {**POOLED, **UNPOOLED}.items():
        for context in (identity.client_context(trust), followed.client_context()):
            with session(context) as get:
                assert get(told["url"])["client"] == "woovi"
        called.append(name)

    socket_url = told["url"].replace("https", "wss")

    async def connect() -> None:
        async with websockets.asyncio.client.connect(socket_url, ssl=identity.client_context(trust), proxy=None):
            pass

    asyncio.run(connect())
    with websockets.sync.client.connect(socket_url, ssl=identity.client_context(trust), proxy=None):
        called.append("websockets")

    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, told["url"])
    curl.setopt(pycurl.CAINFO_BLOB, told["trust"])
    curl.setopt(pycurl.SSLCERT_BLOB, identity.chain_pem())
    curl.setopt(pycurl.SSLKEY_BLOB, identity.key_pem())
    curl.setopt(pycurl.WRITEDATA, io.BytesIO())
    curl.perform()
    assert curl.getinfo(pycurl.RESPONSE_CODE) == 200
    curl.close()
    called.append("pycurl")
    grpc_client(identity, trust, told["url"].split("/")[2])


def grpc_client(identity: Any, trust: Any, target: str) -> None:
    """The server speaks no gRPC: it does not matter, for the key is in use by then."""
    import grpc  # type: ignore[import-untyped]

    from mutua.outbound.grpc import channel_credentials

    with (
        grpc.secure_channel(target, channel_credentials(identity, trust)) as channel,
        contextlib.suppress(grpc.RpcError),
    ):
        channel.unary_unary("/pix.Pix/Who")(b"", timeout=10)
    called.append("grpcio")


def niquests_alone(told: dict[str, str]) -> None:
    import niquests  # type: ignore[import-not-found, unused-ignore]

    pem = told["identity"]
    key = pem[pem.index("-----BEGIN PRIVATE KEY") :]
    with niquests.Session() as session:
        session.trust_env = False
        answer = session.get(told["url"], cert=(pem[: -len(key)], key), verify=told["trust"])
    assert answer.json()["client"] == "woovi"
    called.append("niquests")


def memory_files() -> list[str]:
    """Anonymous files that are still open."""
    links = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            links.append(str(descriptor.readlink()))
    return [link for link in links if "memfd:" in link]


if __name__ == "__main__":
    given = json.load(sys.stdin)
    sys.addaudithook(watch)
    (niquests_alone if sys.argv[1:] == ["niquests"] else every_client)(given)
    sys.stdout.write(json.dumps({"written": written, "called": called, "memory": memory_files()}))

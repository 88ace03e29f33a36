"""What is public is so in a test too: without a certificate, and without a socket."""

import asyncio
from pathlib import Path

from mutua import Home, Identity
from mutua.testing import AsgiClient
from tests.testing.applications import application


def test_a_client_that_shows_nothing_reaches_what_is_public_and_nothing_else(home: Home) -> None:
    with with_public(home.path) as opened:
        woovi = opened.identities.load("woovi")
        assert [asyncio.run(statuses(opened, identity)) for identity in (None, woovi)] == [[404, 401], [404, 200]]


def with_public(folder: Path) -> Home:
    settings = folder / "mutua.toml"
    settings.write_text('public = ["GET /nothing"]\n' + settings.read_text())
    return Home.open(folder)


async def statuses(home: Home, identity: Identity | None) -> list[int]:
    async with AsgiClient(application(), home, identity) as client:
        return [(await client.get(path)).status_code for path in ("/nothing", "/status")]

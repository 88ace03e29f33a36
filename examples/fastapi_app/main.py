"""Pix webhooks in FastAPI: two payment providers report, and each sees its own reports only.

mutua serve main:app --identity api.acme.example --port 8443
"""

from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, WebSocket
from pydantic import BaseModel

from mutua import KnownClient
from mutua.fastapi import describe_mutual_tls, known_client

Client = Annotated[KnownClient, Depends(known_client())]
Provider = Annotated[KnownClient, Depends(known_client("woovi", "efi"))]


class Pix(BaseModel):
    """What a provider reports."""

    end_to_end_id: str
    amount: str


received: dict[str, list[Pix]] = {}
webhooks = APIRouter(prefix="/webhook", tags=["webhooks"])


@webhooks.post("/pix", status_code=201)
async def pix_received(pix: Pix, provider: Provider) -> dict[str, str]:
    """Take a report; only the two providers may make one."""
    received.setdefault(provider.name, []).append(pix)
    return {"from": provider.name}


@webhooks.get("/pix")
async def pix_reported(provider: Provider) -> list[Pix]:
    """What this provider has reported."""
    return received.get(provider.name, [])


app = FastAPI(title="Acme Payments")
app.include_router(webhooks)
describe_mutual_tls(app)


@app.get("/status")
async def status(client: Client) -> dict[str, str]:
    """Any known client may ask."""
    return {"hello": client.name, "by": client.credential}


@app.websocket("/feed")
async def feed(websocket: WebSocket, provider: Provider) -> None:
    """An echo, for providers."""
    await websocket.accept()
    async for message in websocket.iter_text():
        await websocket.send_text(f"{provider.name}: {message}")

"""Pix webhooks in Flask: each payment provider sees its own reports only.

mutua serve main:app --server gunicorn --identity api.acme.example --port 8443
"""

from typing import Any

from flask import Flask, abort, request

from mutua.wsgi import known_client

PROVIDERS = {"woovi", "efi"}

app = Flask(__name__)
received: dict[str, list[dict[str, Any]]] = {}


def provider() -> str:
    """The name of the provider who calls; any other client is turned away."""
    name = known_client(request.environ).name
    if name not in PROVIDERS:
        abort(403)
    return name


@app.post("/webhook/pix")
def pix_received() -> tuple[dict[str, str], int]:
    """Take a report; only the two providers may make one."""
    name = provider()
    received.setdefault(name, []).append(request.get_json())
    return {"from": name}, 201


@app.get("/webhook/pix")
def pix_reported() -> list[dict[str, Any]]:
    """What this provider has reported."""
    return received.get(provider(), [])


@app.get("/status")
def status() -> dict[str, str]:
    """Any known client may ask."""
    client = known_client(request.environ)
    return {"hello": client.name, "certificate": request.environ["SSL_CLIENT_S_DN"]}

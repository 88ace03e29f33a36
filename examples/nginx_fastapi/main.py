"""FastAPI behind nginx: TLS ends there, and the application knows the client all the same.

    # .mutua/mutua.toml
    [forwarded]
    dialect = "nginx"
    unix_socket = true

mutua serve main:app --unix /run/acme/api.sock --unix-group www-data
mutua config nginx --server-name api.acme.example --upstream unix:/run/acme/api.sock > /etc/nginx/conf.d/api.conf
"""

from typing import Annotated

from fastapi import Depends, FastAPI, Request

from mutua import KnownClient
from mutua.fastapi import describe_mutual_tls, known_client

Client = Annotated[KnownClient, Depends(known_client())]

app = FastAPI(title="Acme Payments")
describe_mutual_tls(app)


@app.get("/orders")
async def orders(client: Client) -> dict[str, object]:
    """The orders of whoever asks."""
    return {"client": client.name, "orders": [f"{client.name}-1", f"{client.name}-2"]}


@app.get("/certificate")
async def certificate(client: Client, request: Request) -> dict[str, str]:
    """The certificate that the client has shown to nginx, in PEM."""
    return {"thumbprint": client.thumbprint, "pem": request.scope["extensions"]["tls"]["client_cert_chain"][0]}
